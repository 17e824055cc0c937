"""Which reader reads traces: the compiled one where it was built, the one in Python everywhere; `DLPROF_READER` chooses.

Both give the same events. The library is one file without dependencies beside this module, made of the sources there by
`hatch_build.py` when dlprof is installed; ctypes loads it and lets go of Python's lock while it works.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from dlprof.errors import UsageError

VARIABLE: Final = "DLPROF_READER"
CHOICES: Final = ("native", "python")
FILE: Final = "_readers.so"
"""Its name on every system: ctypes asks for a path, not for an ending."""
INTERFACE: Final = 12
"""What native.h says too; another number is a library of another version of the sources."""
_NUMBER, _PLACE = ctypes.c_int64, ctypes.c_void_p
_FUNCTIONS: Final[dict[str, tuple[Any, ...]]] = {
    "dlprof_read_events": (ctypes.c_int32, _PLACE),
    "dlprof_gather": (ctypes.c_int32, _PLACE, _NUMBER, _PLACE, _PLACE, _NUMBER, _PLACE, _NUMBER),
    "dlprof_read_xevents": (ctypes.c_int32, _PLACE),
    "dlprof_event_starts": (_NUMBER, _PLACE, _NUMBER, _NUMBER, _PLACE, _NUMBER, _PLACE),
    "dlprof_read_lines": (ctypes.c_int32, _PLACE),
    "dlprof_render_stats": (ctypes.c_int32, _PLACE),
    "dlprof_host_rows": (ctypes.c_int32, _PLACE),
    "dlprof_in_order": (ctypes.c_int32, _NUMBER, *[_PLACE] * 3),
    "dlprof_rows_in_order": (ctypes.c_int32, _NUMBER, _PLACE, _PLACE),
    "dlprof_parents": (None, _NUMBER, *[_PLACE] * 4),
    "dlprof_child_time": (None, _NUMBER, *[_PLACE] * 3),
    "dlprof_nearest": (None, _NUMBER, *[_PLACE] * 3),
    "dlprof_nest": (None, _NUMBER, _NUMBER, *[_PLACE] * 4, _NUMBER, *[_PLACE] * 6),
    "dlprof_leaves": (_NUMBER, _NUMBER, *[_PLACE] * 7),
    "dlprof_levels": (
        *(ctypes.c_int32, _NUMBER, _PLACE, _PLACE, _NUMBER, _PLACE, _PLACE, _NUMBER, _NUMBER, _PLACE, _NUMBER),
        *(ctypes.c_int8, _PLACE),
    ),
    "dlprof_note_levels": (
        *(ctypes.c_int32, _NUMBER, *[_PLACE] * 4, *[_NUMBER] * 3, ctypes.c_int8, ctypes.c_int8, _NUMBER, *[_PLACE] * 3),
    ),
    "dlprof_marked": (_NUMBER, _NUMBER, _PLACE, _PLACE, _NUMBER, _PLACE),
    "dlprof_pass_over": (_NUMBER, _NUMBER, _PLACE, _NUMBER, *[_PLACE] * 8),
    "dlprof_clip": (_NUMBER, _NUMBER, _PLACE, _PLACE, _NUMBER, _PLACE, _PLACE, _NUMBER, *[_PLACE] * 3),
    "dlprof_group": (_NUMBER, _NUMBER, _NUMBER, *[_PLACE] * 3, _NUMBER, *[_PLACE] * 3),
    "dlprof_add_up": (ctypes.c_int32, _NUMBER, _PLACE, _PLACE, _NUMBER, _PLACE),
    "dlprof_reach": (ctypes.c_int32, _NUMBER, *[_PLACE] * 3, _NUMBER, _PLACE, _PLACE),
    "dlprof_pieces": (_NUMBER, _NUMBER, *[_PLACE] * 3, _NUMBER, _PLACE, *[_NUMBER] * 5, _PLACE),
    "dlprof_shares": (ctypes.c_int32, _NUMBER, *[_PLACE] * 4, _NUMBER, _NUMBER, _PLACE, _PLACE),
}
"""Its functions: what each answers, and its arguments."""
REBUILD: Final = "install dlprof again where a C compiler (cc, gcc or clang) is on PATH"


@dataclass(frozen=True, slots=True)
class Found:
    """The library, or why there is none.

    functions: None where there is none
    missing: why; "" where it is there
    """

    functions: ctypes.CDLL | None
    missing: str


@cache
def found() -> Found:
    """Loads the library once."""
    return load(Path(__file__).with_name(FILE))


def unless_python() -> ctypes.CDLL | None:
    """The library, unless the reader in Python is asked for; None where there is none."""
    return None if os.environ.get(VARIABLE) == "python" else found().functions


def load(path: Path) -> Found:
    """The library of a file."""
    if not path.exists():
        return Found(None, "dlprof was installed without a C compiler")
    try:
        functions = ctypes.CDLL(str(path))
        interface = int(functions.dlprof_interface())
    except (OSError, AttributeError) as error:
        return Found(None, f"{path} cannot be loaded: {error}")
    if interface != INTERFACE:
        return Found(None, f"{path} was built from other sources (interface {interface}, not {INTERFACE})")
    for name, (answer, *arguments) in _FUNCTIONS.items():
        function = getattr(functions, name, None)
        if function is None:
            return Found(None, f"{path} was built from other sources (it has no {name})")
        function.restype, function.argtypes = answer, arguments
    return Found(functions, "")


def functions() -> ctypes.CDLL | None:
    """The library where traces are to be read with it, else None. Raises `UsageError` for a choice that cannot be had."""
    choice = os.environ.get(VARIABLE, "")
    if choice not in ("", *CHOICES):
        raise UsageError(
            f"{VARIABLE}={choice} is no reader", hint=f"it may be {' or '.join(CHOICES)}; unset, native where built"
        )
    if choice == "python":
        return None
    there = found()
    if there.functions is None and choice == "native":
        raise UsageError(f"{VARIABLE}=native, but {there.missing}", hint=f"{REBUILD}; or unset {VARIABLE}")
    return there.functions


def statement() -> str:
    """Which reader is active, and how to get the other: one line. Raises `UsageError` for a choice that cannot be had."""
    if functions() is not None:
        return f"native ({VARIABLE}=python for the one in Python)"
    there = found()
    if there.functions is not None:
        return f"python, as {VARIABLE} asks (unset it for the native one)"
    return f"python ({there.missing}; for the native one {REBUILD})"
