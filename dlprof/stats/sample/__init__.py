"""One sample of numbers: where it lies, whether its neighbours resemble each other, and how wide its interval is for that."""
