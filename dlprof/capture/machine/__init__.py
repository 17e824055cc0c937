"""The machine that a run has: devices, load, clocks, what is installed; and what disturbed it."""
