"""Jobs that the command line and notebooks share: open, record, compare, load. Prints nothing."""
