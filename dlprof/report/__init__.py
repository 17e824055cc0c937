"""Findings in, bytes out: text, JSON, CSV, Chrome traces. Nothing here computes beyond formatting."""
