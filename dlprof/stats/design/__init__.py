"""How an experiment is laid out: when it stops, how many rounds a trial has, how often such a design is wrong on this machine."""
