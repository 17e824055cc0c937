"""Bisection: which commit or release made a script slower, by as many short comparisons as that takes to be sure."""
