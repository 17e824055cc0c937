"""A study: many comparisons or captures declared in one file, run cell by cell and read back."""
