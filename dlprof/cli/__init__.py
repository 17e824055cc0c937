"""The command line: one short file a verb; errors are printed and exit codes chosen in main.py only."""

import atexit
import gc
from typing import Final

_COLLECTIONS: Final = (100_000, 20, 50)
"""When Python looks for circles of objects: by its defaults (700, 10, 10) that is a tenth of what starting takes. Set here, for
here a program starts, which has made forty thousand when it gets to work."""

gc.set_threshold(*_COLLECTIONS)
# At its end the system takes back all memory at once, circles too: looking for them takes a twentieth of a start for nothing.
atexit.register(gc.freeze)
