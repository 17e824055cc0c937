"""The iterations of one trial in, one log-ratio out; where its warm-up ends."""
