"""Two traces in, reasons out: which work is the same, where the time differs, what profiling cost."""
