"""A comparison in lockstep, whatever its sides are: its walk, its trials, how long it goes on, its directory, how it ends."""
