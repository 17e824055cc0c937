"""The trace formats, one reader each: what the events of one producer mean. `registry` finds them."""
