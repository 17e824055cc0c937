"""Protobuf bytes to columns, and the skeleton of an XSpace file, without a compiled schema."""
