"""How short the shared captures and the shared comparison of LeNet are."""

STEPS = 12
"""Training steps that each of their traces holds at most."""
