"""Whether the trials are what a verdict assumes: disturbances, drifts and rare slow iterations, processes of two speeds."""
