"""The report page and its figures: one HTML file that needs no network."""

import contextlib
import logging
import sys
from pathlib import Path

if "matplotlib" not in sys.modules:
    # At its first import matplotlib reads the matplotlibrc of the working folder, whoever put it there: a folder that was
    # unpacked could have it call LaTeX, or keep it from starting. So it is imported in a folder of ours, which has none.
    # What it says of a home that it cannot write to (it takes a temporary folder then) is no affair of a report's reader.
    _log = logging.getLogger("matplotlib")
    _level = _log.level
    _log.setLevel(logging.ERROR)
    with contextlib.suppress(FileNotFoundError), contextlib.chdir(Path(__file__).parent):
        import matplotlib  # noqa: F401
    _log.setLevel(_level)
