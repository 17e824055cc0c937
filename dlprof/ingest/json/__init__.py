"""Chrome trace-event JSON: bytes in, typed columns out, whichever tool wrote it."""
