"""The verbs of the command line, one short file each: arguments in, one job called, its result shown."""
