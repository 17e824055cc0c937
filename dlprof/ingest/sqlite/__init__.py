"""Traces that are SQLite databases: opened read-only by SQLite itself, their numbers as columns."""
