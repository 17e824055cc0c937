"""A comparison: plan, trials, evidence, findings, directory."""
