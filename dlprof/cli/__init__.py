"""The command line: one short file a verb; errors are printed and exit codes chosen in main.py only."""
