"""Child processes that take steps, and the schedule by which they take turns."""
