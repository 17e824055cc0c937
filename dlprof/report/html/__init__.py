"""The report page and its figures: one HTML file that needs no network."""

import contextlib
import sys
from pathlib import Path

if "matplotlib" not in sys.modules:
    # At its first import matplotlib reads the matplotlibrc of the working folder, whoever put it there: a folder that was
    # unpacked could have it call LaTeX, or keep it from starting. So it is imported in a folder of ours, which has none.
    with contextlib.suppress(FileNotFoundError), contextlib.chdir(Path(__file__).parent):
        import matplotlib  # noqa: F401
