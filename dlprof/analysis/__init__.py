"""Tables in, findings out: breakdowns, steps, alignment, the ledger, … Nothing here formats, plots or prints."""
