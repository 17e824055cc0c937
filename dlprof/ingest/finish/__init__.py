"""The finishing pass: what readers emit becomes schema.EVENTS (sorted, nested, linked, named)."""
