"""IDX, MNIST's own file format: read (gzipped or not) with exact complaints, and written for checksums."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlprof.errors import DataError

Bytes = npt.NDArray[np.uint8]

_HINT = (
    "expected MNIST's IDX files: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte (or each with .gz)"
)


def read(path: Path, dimensions: int) -> Bytes:
    """The uint8 array of an IDX file. dimensions: 3 for images, 1 for labels.

    Raises `DataError` with the byte offset and what was expected there.
    Format: two zero bytes, type 8 (uint8), number of dimensions, each size as big-endian uint32, the bytes.
    """
    raw = _content(path)
    head = 4 + 4 * dimensions
    magic = bytes((0, 0, 8, dimensions))
    if raw[:4] != magic:
        raise DataError(f"{path}: at byte 0: {raw[:4].hex(' ')}, expected {magic.hex(' ')}", hint=_HINT)
    if len(raw) < head:
        raise DataError(f"{path}: ends at byte {len(raw)}, inside the header of {head} bytes", hint=_HINT)
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", dimensions, 4))
    expected = head + math.prod(shape)
    if len(raw) != expected:
        raise DataError(
            f"{path}: {len(raw)} bytes, but its header promises {'×'.join(map(str, shape))}, so {expected}",
            hint="the file is cut off or damaged: fetch it again",
        )
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


def encode(array: Bytes) -> bytes:
    """The IDX file that holds `array`."""
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def find(folder: Path, stem: str) -> Path:
    """The file for `stem` (train-images-idx3-ubyte) in `folder`: with - or . before idx, gzipped or not."""
    names = [stem + end for end in ("", ".gz")]
    names += [name.replace("-idx", ".idx") for name in names]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    there = sorted(path.name for path in folder.iterdir())[:10] if folder.is_dir() else []
    what = f"it holds: {', '.join(there) or 'nothing'}" if folder.is_dir() else "there is no such folder"
    raise DataError(f"{folder}: no {stem} or {stem}.gz; {what}", hint=_HINT)


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as failure:
        raise DataError(f"{path}: the gzip stream is damaged: {failure}", hint="fetch the file again") from failure
    except OSError as failure:
        raise DataError(f"{path}: {failure.strerror or failure}", hint=_HINT) from failure
