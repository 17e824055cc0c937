"""Many traces as one data set: which file is which rank, a job a file, and what is found of the ranks."""
