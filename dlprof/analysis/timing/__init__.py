"""Timing tables in, verdicts out: trials, items, families of items, faults of the design."""
