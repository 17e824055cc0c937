"""A trace file as bytes: plain, gzip or zstd, told by content, with damage in the compression reported or repaired."""

from __future__ import annotations

import io
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import zstandard
from isal import igzip

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_WINDOW: Final = 128 << 20
"""Of a zstd frame: what zstd itself takes unless it is told otherwise (`--long`)."""
CHUNK: Final = 1 << 20
_SALVAGE: Final = 4096
_SKIPPABLE: Final = b"\x2a\x4d\x18"
_COMPRESSION_ERRORS: Final = (EOFError, zlib.error, OSError, zstandard.ZstdError)


class _Guarded(io.RawIOBase):
    """Decompressed bytes; a damaged tail raises `TraceError`, or under repair ends the stream and is counted."""

    def __init__(self, inner: BinaryIO, file: BinaryIO, source: Source) -> None:
        self._inner = inner
        self._file = file
        self._source = source
        self._offset = 0
        self._rest: Iterator[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:  # type: ignore[no-untyped-def]  # the buffer protocol has no type before 3.12
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, none at the end."""
        try:
            data = self._inner.read(size) if self._rest is None else next(self._rest, b"")
        except _COMPRESSION_ERRORS as error:
            self._source.compression_damage(self._offset, error)
            # What the failed call had decompressed is lost with it: read once more, to the very byte.
            gzipped = self._source.compression() == "gzip"
            self._rest = salvaged(self._source.path, self._offset) if gzipped else iter(())
            data = next(self._rest, b"")
        if self._rest is not None and 0 <= size < len(data):
            self._rest, data = chain([data[size:]], self._rest), data[:size]
        self._offset += len(data)
        return data

    def close(self) -> None:
        self._inner.close()
        self._file.close()
        super().close()


def zstd_frames(file: BinaryIO) -> tuple[int, str]:
    """How many bytes of the file belong to zstd frames, and what is wrong with the rest ('' for nothing), by block headers.

    zstandard's reader ends without a word in the middle of a frame, and fails as a whole where something else follows one.
    """
    size, at = file.seek(0, io.SEEK_END), 0
    while at < size:
        file.seek(at)
        head = file.read(18)
        if head[:4] == ZSTD_MAGIC:
            at = _frame_end(file, at, head, size)
        elif head[1:4] == _SKIPPABLE and head[0] & 0xF0 == 0x50:
            at += 8 + int.from_bytes(head[4:8], "little")
        else:
            return at, f"{size - at} bytes behind the last frame are no zstd"
    return size, "the file ends within a frame" if at > size else ""


def _frame_end(file: BinaryIO, at: int, head: bytes, size: int) -> int:
    """Where the frame that begins at `at` ends; behind `size` where the file is cut short."""
    try:
        checksum = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
        at += zstandard.frame_header_size(head)
    except zstandard.ZstdError:
        return size + 1
    last = False
    while not last:
        file.seek(at)
        block = file.read(3)
        if len(block) < 3:
            return size + 1
        header = int.from_bytes(block, "little")
        last, repeated = bool(header & 1), (header >> 1) & 3 == 1
        at += 3 + (1 if repeated else header >> 3)
    return at + checksum


class _Part:
    """The first `end` bytes of a file."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._left = file, end
        file.seek(0)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class _Zstd:
    """The decompressed bytes of a zstd file; raises EOFError behind them where the file is not whole."""

    def __init__(self, file: BinaryIO) -> None:
        end, self._wrong = zstd_frames(file)
        source = cast(BinaryIO, _Part(file, end))
        self._inner = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True, closefd=False)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        data: bytes = self._inner.read(size)
        if not data and size and self._wrong:
            raise EOFError(self._wrong)
        return data

    def close(self) -> None:
        """Nothing of its own is open."""


def salvaged(path: Path, offset: int) -> Iterator[bytes]:
    """Decompressed bytes of a damaged gzip file from `offset` on, as far as its first stream can be decompressed."""
    decompressor = zlib.decompressobj(wbits=31)
    with path.open("rb") as file:
        while (piece := file.read(_SALVAGE)) and not decompressor.eof:
            before = decompressor.copy()
            try:
                data = decompressor.decompress(piece)
            except zlib.error:
                yield from _bytewise(before, piece, offset)
                return
            if data[offset:]:
                yield data[offset:]
            offset = max(offset - len(data), 0)


def _bytewise(decompressor: Any, piece: bytes, offset: int) -> Iterator[bytes]:
    """The bytes that come out before the damage in `piece`."""
    found = b""
    for at in range(len(piece)):
        try:
            found += decompressor.decompress(piece[at : at + 1])
        except zlib.error:
            break
    if found[offset:]:
        yield found[offset:]


def _gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, igzip.IGzipFile(fileobj=file, mode="rb"))  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class Source:
    """One trace file.

    label: its name in messages
    """

    path: Path
    label: str
    anomalies: Anomalies
    repair: bool = False
    _damaged: bool = field(default=False, init=False, repr=False)

    def open(self) -> BinaryIO:
        """The decompressed bytes from the start, buffered, not necessarily seekable."""
        return cast(BinaryIO, io.BufferedReader(self._raw(), CHUNK))

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """The decompressed bytes in pieces of up to `size`."""
        with self._raw() as stream:
            while piece := stream.read(size):
                yield piece

    def open_seekable(self) -> BinaryIO:
        """The decompressed bytes as an unbuffered seekable file; a compressed one is spooled to a temporary file."""
        if self.compression() == "none":
            return cast(BinaryIO, self.path.open("rb", buffering=0))
        spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  handed to the caller
        try:
            for piece in self.chunks():
                spool.write(piece)
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return cast(BinaryIO, spool)

    def head(self, size: int = 65_536) -> bytes:
        """The first decompressed bytes; never raises for a damaged tail behind them."""
        with Source(self.path, self.label, Anomalies(), repair=True).open() as stream:
            return stream.read(size)

    def compression(self) -> str:
        """none | gzip | zstd. Raises `TraceError` where the file cannot be opened."""
        try:
            with self.path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            raise TraceError(f"{self.label}: cannot be read: {error.strerror}", hint="check the path") from None
        if magic[:2] == GZIP_MAGIC:
            return "gzip"
        return "zstd" if magic == ZSTD_MAGIC else "none"

    def compression_damage(self, offset: int, error: Exception) -> None:
        """A compressed file that cannot be read on, after `offset` decompressed bytes."""
        if not self.repair:
            raise TraceError(
                f"{self.label}: damaged compression after {offset} decompressed bytes: {error}",
                hint="read the part before the damage with --repair, or copy the file again",
            )
        if not self._damaged:  # a file that is read twice is one damaged file
            self._damaged = True
            self.anomalies.count("compressed_tail_damaged")

    def _raw(self) -> io.RawIOBase:
        kind = self.compression()
        file = self.path.open("rb")
        if kind == "gzip":
            return _Guarded(_gzip(file), file, self)
        if kind == "zstd":
            self._check_window(file)
            return _Guarded(cast(BinaryIO, _Zstd(file)), file, self)
        file.close()
        return self.path.open("rb", buffering=0)

    def _check_window(self, file: BinaryIO) -> None:
        """Raises `TraceError` for a zstd file that asks for more memory than the library gives, which is no damage."""
        try:
            asked = zstandard.get_frame_parameters(file.read(18)).window_size
        except zstandard.ZstdError:
            return
        finally:
            file.seek(0)
        if asked > _WINDOW:
            file.close()
            raise TraceError(
                f"{self.label}: zstd with a window of {asked >> 20} MiB; {_WINDOW >> 20} MiB is the most that is read",
                hint=f"decompress it: zstd -d --long=31 {self.path.name}",
            )
