"""Tables in, findings out: breakdowns, steps, occupancy, alignment, the ledger. Nothing here formats, plots or prints."""
