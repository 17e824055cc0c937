"""Where results go: standard output, or a file that is written to a temporary name and renamed.

Names in what dlprof reads come from others: what reaches a terminal here has its control characters written out.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from dlprof import temporary
from dlprof.errors import StoreError
from dlprof.store import atomic


def show(text: str, target: Path | None = None, *, colour: bool = False) -> None:
    """A report for people, on standard output or into `target`. colour: it was painted."""
    from dlprof.report.text.layout import neutral

    deliver(neutral(text, painted=colour), target, steering=colour)


def deliver(chunks: str | Iterable[bytes], target: Path | None, *, steering: bool = False) -> None:
    """Write text or chunks of bytes to `target`, or to standard output where there is none.

    steering: the control characters are ours. Others are written out where standard output is a terminal; what goes into
    a pipe is data and stays as it is.
    """
    pieces: Iterable[bytes] = [chunks.encode(errors="backslashreplace")] if isinstance(chunks, str) else chunks
    if target is None:
        if sys.stdout.isatty() and not steering:
            pieces = _for_terminal(pieces)
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    if not target.parent.is_dir():
        raise StoreError(f"{target}: the folder {target.parent} does not exist", hint="make it, or choose another -o")
    for left in list(temporary.left_beside(target.parent)):
        if left.kind == "tmp" and left.name == target.name:  # of a killed process that was writing the same file
            temporary.remove(left)
    with atomic(target) as file, file.open("wb") as stream:
        for piece in pieces:
            stream.write(piece)


def _for_terminal(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """With control characters as `\\u001b`, which JSON reads as the same."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    steering = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
    for piece in pieces:
        yield steering.sub(lambda match: f"\\u{ord(match[0]):04x}", decoder.decode(piece)).encode()
