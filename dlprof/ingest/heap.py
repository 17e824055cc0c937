"""Memory that a batch freed is kept for the next one while traces are read.

glibc hands large freed arrays back to the system at once, and each new one is then filled with zeroed pages again, one page
fault per 4 KiB. Reading makes and frees hundreds of such arrays per second: without these settings a quarter of its time.
They cannot be read, only set, so glibc's defaults are what is put back, as values that no longer adapt.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameter numbers of mallopt, malloc.h
_KEPT: Final = 256 << 20
_LARGEST: Final = 32 << 20
_GLIBC_DEFAULT: Final = 128 << 10


@contextmanager
def kept_warm() -> Iterator[None]:
    """Within it, freed memory stays with the process; where the C library has no mallopt (musl), nothing changes."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST)
    libc.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _GLIBC_DEFAULT)
        libc.mallopt(_TRIM_THRESHOLD, _GLIBC_DEFAULT)
        libc.malloc_trim(0)
