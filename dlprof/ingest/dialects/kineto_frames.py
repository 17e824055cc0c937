"""Lines of the user's program in what PyTorch records of Python: frames as events (`with_stack`), call stacks as arguments.

A frame is `model.py(42): forward`. PyTorch's own, and those of Python's modules that only pass calls on, are nobody's program:
what runs in them belongs to the frame that called them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from dlprof.ingest.source_lines import source_line

_FRAME: Final = re.compile(r"(?P<file>[^;]+?)\((?P<line>\d+)\): .+", re.DOTALL)
_LONGEST: Final = 8192
"""Characters of a frame: no path of a file is longer."""
_OWN: Final = re.compile(r"(?:.*[/\\](?:site|dist)-packages[/\\])?torch[/\\].*")
_PYTHON: Final = re.compile(
    r".*[/\\]lib[/\\]python3?\.?\d*[/\\](?!.*(?:site|dist)-packages).*|<(?!ipython|stdin|string).*"
)
_PASSING: Final = frozenset(
    {
        "_weakrefset.py",
        "abc.py",
        "concurrent/futures/thread.py",
        "contextlib.py",
        "copy.py",
        "functools.py",
        "multiprocessing/context.py",
        "multiprocessing/popen_fork.py",
        "multiprocessing/process.py",
        "multiprocessing/spawn.py",
        "runpy.py",
        "threading.py",
        "weakref.py",
    }
)
"""Python's modules that call what they are given, as PyTorch writes them: without the folder they lie in."""


@lru_cache(1024)
def line(frame: str) -> str | None:
    """`model.py:42` of a frame `model.py(42): forward`; None for one that is not of the user's program."""
    match = _FRAME.fullmatch(frame) if len(frame) <= _LONGEST else None
    if match is None:
        return None
    file = match["file"].strip()
    if _OWN.fullmatch(file) or _PYTHON.fullmatch(file) or file in _PASSING:
        return None
    return source_line(f"{file}:{match['line']}")


def called_from(stack: str) -> str | None:
    """The line of the innermost frame of the user's program in a call stack, `;` between its frames, innermost first."""
    return next((found for frame in stack.split(";") if (found := line(frame)) is not None), None)
