"""What was found, put together from timings and captures: for a run that ends, and for a directory that is read back."""
