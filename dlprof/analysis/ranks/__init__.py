"""Many ranks of one job: each rank's trace summed up by itself, then the summaries of all set beside each other."""
