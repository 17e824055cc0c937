"""Recording: environments, data sets, inputs, child processes, the lockstep schedule, provenance."""
