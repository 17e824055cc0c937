"""The skeleton of an XSpace file: planes, lines and metadata by offset, read without touching the events.

A plane's metadata follow its lines on the wire, so the skeleton is walked first and the events are read window by window
afterwards. Field numbers: tsl/profiler/protobuf/xplane.proto.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from struct import pack, unpack
from threading import Lock
from typing import BinaryIO, Final

from dlprof.ingest.protobuf.wire import BYTES, FIXED32, FIXED64, VARINT, Field, Malformed, fields, signed, varint

_HEADER: Final = 1 << 13
"""Bytes that are read where a field lies: lines are passed over, and what follows a small one is mostly small."""
_LONGEST: Final = 20
"""Bytes of a field's tag and length, or number, at the most."""
_SMALL: Final = 1 << 10
_BLOCK: Final = 1 << 14
_LINE_TAG: Final = 3 << 3 | BYTES
LARGEST: Final = 16 << 20
"""Bytes of a name, a stat or an entry of metadata that are read at once. More is no name, but a length that lies."""


class ByteFile:
    """Random access to a seekable file by offset and size, by any thread, and a walk over the fields of a message of any size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = Lock()
        self._near = (0, b"")
        self._descriptor = file.fileno() if isinstance(file, io.FileIO) and hasattr(os, "pread") else None
        self.size = file.seek(0, io.SEEK_END)

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer at the end of the file. Small pieces mostly lie side by side, as a compiled
        module's instructions do: they are cut from one that is read with what follows it."""
        if size <= _SMALL:
            begun, block = self._near
            if not (begun <= offset and offset + size <= begun + len(block)):
                block = self._read(offset, _BLOCK)
                begun, block = self._near = offset, block
            return block[offset - begun : offset - begun + size]
        return self._read(offset, size)

    def _read(self, offset: int, size: int) -> bytes:
        pieces = []
        with self._lock:
            self._file.seek(offset)
            while size > 0 and (piece := self._file.read(size)):
                pieces.append(piece)
                size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def alike(self, at: int, end: int, tag: int) -> list[tuple[int, int]]:
        """Extents of the length-delimited fields of that tag, of one byte, that lie side by side from `at` on and end by `end`:
        what `walk` would hand out one by one."""
        found = []
        while at < end:
            head = self._read(at, _LONGEST) if self._descriptor is None else os.pread(self._descriptor, _LONGEST, at)
            if not head or head[0] != tag:
                break
            try:
                size, behind = varint(head, 1, min(len(head), end - at))
            except Malformed:
                break
            if at + behind + size > end:
                break
            found.append((at + behind, at + behind + size))
            at += behind + size
        return found

    def content(self, part: Field) -> bytes:
        """The content of a length-delimited field. Raises `Malformed` where it is larger than any that is written."""
        size = part.end - part.start
        if size > LARGEST:
            raise Malformed(part.at, f"at most {LARGEST} bytes in field {part.number}, found {size}")
        return self.at(part.start, size)

    def walk(self, start: int, end: int) -> Iterator[Field]:
        """The fields of the message at [start, end) with absolute offsets; length-delimited content is not read.

        A length-delimited field that runs past the end is handed out as far as it goes, so that what lies before the damage
        can be kept; then `Malformed` is raised.
        """
        at = start
        data, base, size = b"", start, _HEADER
        while at < end:
            if at + _LONGEST > base + len(data):
                # Where fields are larger than what was read with the one before, little is read with each.
                size = _LONGEST if at > base + size and base > start else _HEADER
                data, base = self._read(at, min(size, end - at)), at
            local, stop = at - base, len(data)
            try:
                tag, next_ = varint(data, local, stop)
                number, wire = tag >> 3, tag & 7
                value, length = 0, {FIXED64: 8, FIXED32: 4}.get(wire, 0)
                if wire in (VARINT, BYTES):
                    value, after_value = varint(data, next_, stop)
                    length, next_ = (value, after_value) if wire == BYTES else (after_value - next_, next_)
            except Malformed as error:
                raise Malformed(base + error.offset, error.expected) from None
            if number == 0 or wire not in (VARINT, BYTES, FIXED64, FIXED32):
                raise Malformed(at, f"a protobuf field, found field {number} of wire type {wire}")
            content = base + next_
            if content + length > end:
                if wire == BYTES:
                    yield Field(number, wire, value, content, end, at)
                raise Malformed(at, f"a field of {length} bytes, but only {end - content} are left")
            yield Field(number, wire, value, content, content + length, at)
            at = content + length


@dataclass(frozen=True, slots=True)
class Stat:
    """A stat of a plane or of event metadata.

    kind: double | uint64 | int64 | str | bytes | ref
    value: the number or text; of bytes their length, of ref an id of stat metadata
    at: of bytes (whole compiled modules) the offset in the file
    """

    id: int
    kind: str
    value: float | int | str
    at: int = 0


@dataclass(frozen=True, slots=True)
class EventName:
    """Event metadata: what all events of one id share."""

    name: str
    display_name: str
    stats: tuple[Stat, ...]


@dataclass(slots=True)
class Plane:
    """A plane of an XSpace, by offsets.

    lines: extents [start, end) of the XLine messages
    """

    id: int = 0
    name: str = ""
    lines: list[tuple[int, int]] = field(default_factory=list)
    events: dict[int, EventName] = field(default_factory=dict)
    stat_names: dict[int, str] = field(default_factory=dict)
    stats: list[Stat] = field(default_factory=list)

    def value(self, name: str) -> object:
        """The plane's own stat of that name, None where it has none."""
        return self.named(self.stats).get(name)

    def named(self, stats: Sequence[Stat]) -> dict[str, object]:
        """Stats by name, references resolved; of two with one name the first."""
        found: dict[str, object] = {}
        for stat in stats:
            value = self.stat_names.get(int(stat.value)) if stat.kind == "ref" else stat.value
            found.setdefault(self.stat_names.get(stat.id, ""), value)
        return found


@dataclass(slots=True)
class Space:
    """The skeleton of an XSpace file.

    large_stats: number of stats of metadata that were too large to be read
    unknown_fields: fields of the file and of its planes that xplane.proto does not have
    """

    planes: list[Plane] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    hostnames: list[str] = field(default_factory=list)
    large_stats: int = 0
    unknown_fields: int = 0


Text = Callable[[bytes], str]
"""Decodes UTF-8, counting what is not."""

_STAT_KINDS: Final = {2: "double", 3: "uint64", 4: "int64", 5: "str", 6: "bytes", 7: "ref"}


def stat(data: bytes, start: int, end: int, text: Text, base: int = 0) -> Stat:
    """The XStat message at data[start:end]; base: offset of the data in the file."""

    id_, kind, value, at = 0, "int64", 0, 0  # type: tuple[int, str, float | int | str, int]
    for part in fields(data, start, end):
        if part.number == 1:
            id_ = signed(part.value)
        elif part.number in _STAT_KINDS:
            kind = _STAT_KINDS[part.number]
            if kind == "double":
                value = unpack("<d", pack("<Q", part.value))[0]
            elif kind in ("str", "bytes"):
                value = text(data[part.start : part.end]) if kind == "str" else part.end - part.start
                at = base + part.start
            else:
                value = signed(part.value) if kind == "int64" else part.value
    return Stat(id_, kind, value, at)


class SkeletonReader:
    """Walks a file once. `space` holds what was read so far, also after `Malformed` was raised."""

    def __init__(self, file: ByteFile, text: Text) -> None:
        self._file = file
        self._text = text
        self.space = Space()

    def read(self) -> Space:
        """The skeleton. Raises `Malformed` with the absolute offset of the damage."""
        for part in self._file.walk(0, self._file.size):
            if part.number == 1 and part.wire == BYTES:
                plane = Plane()
                self.space.planes.append(plane)
                self._plane(plane, part.start, part.end)
            elif part.number in (2, 3, 4) and part.wire == BYTES:
                texts = (self.space.errors, self.space.warnings, self.space.hostnames)[part.number - 2]
                texts.append(self._text(self._file.content(part)))
            else:
                self.space.unknown_fields += part.number > 4
        return self.space

    def _plane(self, plane: Plane, start: int, end: int) -> None:
        while start < end:
            start = self._fields(plane, start, end)

    def _fields(self, plane: Plane, start: int, end: int) -> int:
        """Reads fields of a plane up to the end, or that of lines that lie side by side; where that was."""
        for part in self._file.walk(start, end):
            if part.number == 3 and part.wire == BYTES:
                plane.lines.append((part.start, part.end))
                if lines := self._file.alike(part.end, end, _LINE_TAG):
                    plane.lines += lines
                    return lines[-1][1]
            elif part.number == 1 and part.wire == VARINT:
                plane.id = signed(part.value)
            elif part.number == 4 and part.wire == BYTES and part.end - part.start > LARGEST:
                self._large_entry(plane, part)
            elif part.number in (2, 4, 5, 6) and part.wire == BYTES:
                data = self._file.content(part)
                try:
                    self._plane_field(plane, part.number, data, part.start)
                except Malformed as error:
                    raise Malformed(part.start + error.offset, error.expected) from None
            else:
                self.space.unknown_fields += part.number > 6
        return end

    def _plane_field(self, plane: Plane, number: int, data: bytes, base: int) -> None:
        if number == 2:
            plane.name = self._text(data)
        elif number == 4:
            self._event_entry(plane, data, base)
        elif number == 5:
            self._stat_entry(plane, data)
        else:
            plane.stats.append(stat(data, 0, len(data), self._text))

    def _event_entry(self, plane: Plane, data: bytes, base: int) -> None:
        key, meta = 0, EventName("", "", ())
        for entry in fields(data, 0, len(data)):
            if entry.number == 1:
                key = signed(entry.value)
            elif entry.number == 2 and entry.wire == BYTES:
                meta = self._event_name(data, entry.start, entry.end, base)
        plane.events[key] = meta

    def _event_name(self, data: bytes, start: int, end: int, base: int) -> EventName:
        name, display, stats = "", "", []
        for part in fields(data, start, end):
            if part.number == 2 and part.wire == BYTES:
                name = self._text(data[part.start : part.end])
            elif part.number == 4 and part.wire == BYTES:
                display = self._text(data[part.start : part.end])
            elif part.number == 5 and part.wire == BYTES:
                stats.append(stat(data, part.start, part.end, self._text, base))
        return EventName(name, display, tuple(stats))

    def _large_entry(self, plane: Plane, entry: Field) -> None:
        """Metadata too large to be read at once, as of a compiled module: its large stats are left where they are."""
        key, name, stats = 0, EventName("", "", ()), []
        for part in self._file.walk(entry.start, entry.end):
            if part.number == 1 and part.wire == VARINT:
                key = signed(part.value)
            elif part.number == 2 and part.wire == BYTES:
                kept = b""
                for inner in self._file.walk(part.start, part.end):
                    if inner.number == 5 and inner.end - inner.start > LARGEST:
                        self.space.large_stats += 1
                        stats.append(self._large_stat(inner))
                    elif inner.number == 5 and inner.wire == BYTES:
                        data = self._file.content(inner)
                        stats.append(stat(data, 0, len(data), self._text, inner.start))
                    elif inner.wire == BYTES and inner.number in (2, 4):
                        kept += self._file.content(inner._replace(start=inner.at))
                name = self._event_name(kept, 0, len(kept), 0)
        plane.events[key] = replace(name, stats=tuple(stats))

    def _large_stat(self, entry: Field) -> Stat:
        """Where the bytes of a large stat lie."""
        id_, at, size = 0, 0, 0
        for part in self._file.walk(entry.start, entry.end):
            if part.number == 1 and part.wire == VARINT:
                id_ = signed(part.value)
            elif part.number in (5, 6) and part.wire == BYTES:
                at, size = part.start, part.end - part.start
        return Stat(id_, "bytes", size, at)

    def _stat_entry(self, plane: Plane, data: bytes) -> None:
        key, name = 0, ""
        for entry in fields(data, 0, len(data)):
            if entry.number == 1:
                key = signed(entry.value)
            elif entry.number == 2 and entry.wire == BYTES:
                for part in fields(data, entry.start, entry.end):
                    if part.number == 2 and part.wire == BYTES:
                        name = self._text(data[part.start : part.end])
        plane.stat_names[key] = name
