"""One event table in, one finding out: what a single trace says."""
