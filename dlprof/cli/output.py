"""Where results go: standard output, or a file that is written to a temporary name and renamed.

Names in what dlprof reads come from others: what reaches a terminal here has its control characters written out.
"""

from __future__ import annotations

import codecs
import gzip
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

import zstandard

from dlprof import temporary
from dlprof.errors import StoreError
from dlprof.files import check_name, check_parent
from dlprof.temporary import atomic

_HEAD: Final = 24
"""Bytes by which two files are known to be of one kind: a picture's or a page's first ones, a table's columns."""
_PARQUET: Final = b"PAR1"


def show(
    text: str,
    target: Path | None = None,
    *,
    colour: bool = False,
    inputs: Sequence[Path | None] = (),
    force: bool = False,
) -> None:
    """A report for people, on standard output or into `target`. colour: it was painted. inputs, force: as of `placed`."""
    from dlprof.cli.terminal import powerless
    from dlprof.report.text.layout import neutral

    said = neutral(text, painted=colour)
    deliver(powerless(said) if target is None else said, target, inputs=inputs, force=force, steering=colour)


@contextmanager
def though_unread() -> Iterator[None]:
    """What is shown inside may find that its reader has gone (`| head -1`): the exit code that the verb has found stays."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def deliver(
    chunks: str | Iterable[bytes],
    target: Path | None,
    *,
    inputs: Sequence[Path | None] = (),
    force: bool = False,
    steering: bool = False,
) -> None:
    """Write text or chunks of bytes to `target`, or to standard output where there is none.

    inputs and force: as of `placed`. A target that ends in .gz or .zst is compressed. steering: the control characters are
    ours; others are written out where standard output is a terminal, while what goes into a pipe is data and stays as it is.
    """
    pieces: Iterable[bytes] = [chunks.encode(errors="backslashreplace")] if isinstance(chunks, str) else chunks
    if target is None:
        if sys.stdout.isatty() and not steering:
            pieces = _for_terminal(pieces)
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    with placed(target, inputs=inputs, force=force) as file, _opened(file, target.suffix) as stream:
        for piece in pieces:
            stream.write(piece)


@contextmanager
def placed(target: Path, *, inputs: Sequence[Path | None] = (), force: bool = False) -> Iterator[Path]:
    """A temporary name that becomes `target` when the block is left well.

    A file that was read (inputs) is never replaced; one of another kind than what is written only with `force`. A device or
    pipe is written into. Raises `StoreError`.
    """
    check_target(target, inputs)
    if target.exists() and not target.is_file():
        with tempfile.TemporaryDirectory(prefix="dlprof-") as folder:
            whole = Path(folder) / "whole"
            yield whole
            with whole.open("rb") as made, target.open("wb") as stream:
                shutil.copyfileobj(made, stream)
        return
    for left in list(temporary.left_beside(target.parent)):
        if left.kind == "tmp" and left.name == target.name:  # of a killed process that was writing the same file
            temporary.remove(left)
    try:
        with atomic(target) as file:
            yield file
            if not force and target.is_file() and not _of_one_kind(target, file):
                raise StoreError(
                    f"{target}: exists, and is another kind of file than what would replace it",
                    hint="choose another -o, or say --force",
                )
    except FileNotFoundError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror}", hint="choose another -o") from None


def check_target(target: Path, inputs: Sequence[Path | None] = ()) -> None:
    """That a file may be written to `target`, before any work is done for it. Raises `StoreError`, `UsageError`."""
    check_name(target)
    if target.is_dir():
        raise StoreError(f"{target}: a folder, where a file is to be written", hint="name a file with -o")
    check_parent(target)
    if not target.exists():
        return
    for read in inputs:
        if read is None or not read.exists():
            continue
        if read.samefile(target) or (read.is_dir() and _states(read, target)):
            raise StoreError(f"{target}: would replace what is read", hint="choose another -o")


_OWN: Final = frozenset(
    {
        "manifest.json",
        "comparison.json",
        "study.json",
        "study.toml",
        "ranking.json",
        "rendered.json",
        "events.parquet",
        "monitors.parquet",
        "timings.parquet",
    }
)


def _states(folder: Path, target: Path) -> bool:
    """Whether `target` is a part of the result, or of the trace folder, that is read."""
    inside = target.resolve()
    if not inside.is_relative_to(folder.resolve()):
        return False
    parts = inside.relative_to(folder.resolve()).parts
    result = any((folder / name).is_file() for name in ("manifest.json", "study.json"))
    return parts[-1] in _OWN or "raw" in parts or not result


def _of_one_kind(old: Path, new: Path) -> bool:
    """Whether both begin in the same way; an empty file is of any kind."""
    with old.open("rb") as one, new.open("rb") as other:
        heads = [_plain_head(stream) for stream in (one, other)]
    length = len(_PARQUET) if heads[1].startswith(_PARQUET) else _HEAD
    return not heads[0] or heads[0][:length] == heads[1][:length]


def _plain_head(stream: BinaryIO) -> bytes:
    """The first bytes; of a compressed file those that were compressed, after the name of the compression."""
    head = stream.read(_HEAD)
    stream.seek(0)
    try:
        if head.startswith(b"\x1f\x8b"):
            return b"gzip " + gzip.GzipFile(fileobj=stream).read(_HEAD)
        if head.startswith(b"\x28\xb5\x2f\xfd"):
            return b"zstd " + zstandard.ZstdDecompressor().stream_reader(stream).read(_HEAD)
    except (OSError, EOFError, zstandard.ZstdError):
        pass  # damaged: known by its first bytes alone
    return head


@contextmanager
def _opened(path: Path, suffix: str) -> Iterator[BinaryIO]:
    """A file to write to, compressed as the suffix says; the same content gives the same bytes."""
    with path.open("wb") as file:
        if suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        elif suffix == ".zst":
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as packing:
                yield cast(BinaryIO, packing)
        else:
            yield file


def _for_terminal(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """With control characters as `\\u001b`, which JSON reads as the same."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    steering = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
    for piece in pieces:
        yield steering.sub(lambda match: f"\\u{ord(match[0]):04x}", decoder.decode(piece)).encode()
