"""Did both sides do the same work? Outputs, facts and traces of both held side by side."""
