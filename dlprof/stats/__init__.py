"""Arrays in, intervals and verdicts out: the statistics of dlprof, no I/O (what and why: docs/statistics.md).

`everything` lists what there is. It is loaded when something of it is asked for, since it takes SciPy and so a good part of a
second; values that are only read back (`result`) take none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.stats.everything import *  # noqa: F403  its own __all__ says which names


def __getattr__(name: str) -> object:
    listed = import_module("dlprof.stats.everything") if not name.startswith("_") and name != "everything" else None
    if listed is None or name not in listed.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(listed, name)
