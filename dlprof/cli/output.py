"""Where results go: standard output, or a file that is written to a temporary name and renamed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from dlprof.errors import StoreError
from dlprof.store import atomic


def deliver(chunks: str | Iterable[bytes], target: Path | None) -> None:
    """Write text or chunks of bytes to `target`, or to standard output where there is none."""
    pieces: Iterable[bytes] = [chunks.encode()] if isinstance(chunks, str) else chunks
    if target is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    if not target.parent.is_dir():
        raise StoreError(f"{target}: the folder {target.parent} does not exist", hint="make it, or choose another -o")
    with atomic(target) as temporary, temporary.open("wb") as stream:
        for piece in pieces:
            stream.write(piece)
