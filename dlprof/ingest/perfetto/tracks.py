"""Perfetto's tracks: what descriptors say of them, and the thread, stream or counter that each one is in the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from dlprof.ingest.protobuf.wire import BYTES, VARINT, Field, fields, signed
from dlprof.ingest.reader import Context

_DEEPEST: Final = 64
"""Parents that are followed: a track that is its own ancestor has no end of them."""
_HOST: Final = "host"


class Counter(NamedTuple):
    """What a counter track counts in. incremental: values are differences."""

    multiplier: int = 1
    incremental: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """What a descriptor says of a track. process, thread: of the process or thread that it is, with its name."""

    parent: int | None = None
    name: str = ""
    process: tuple[int, str] | None = None
    thread: tuple[int, int, str] | None = None
    counter: Counter | None = None


def described(data: bytes, start: int, end: int, text: Text) -> tuple[int, Described]:
    """The uuid and content of a TrackDescriptor."""
    uuid, parent, name = 0, None, ""
    process, thread, counter = None, None, None
    for one in fields(data, start, end):
        if one.wire == VARINT and one.number == 1:
            uuid = one.value
        elif one.wire == VARINT and one.number == 5:
            parent = one.value
        elif one.wire == BYTES and one.number in (2, 10, 13):
            name = text(data, one)
        elif one.wire == BYTES and one.number == 3:
            process = process_of(data, one, text)
        elif one.wire == BYTES and one.number == 4:
            thread = thread_of(data, one, text)[:3]
        elif one.wire == BYTES and one.number == 8:
            counter = _counter(data, one)
    return uuid, Described(parent, name, process, thread, counter)


def process_of(data: bytes, place: Field, text: Text) -> tuple[int, str]:
    """Number and name of a ProcessDescriptor."""
    number, name, command = 0, "", ""
    for one in fields(data, place.start, place.end):
        if one.number == 1 and one.wire == VARINT:
            number = signed(one.value)
        elif one.number == 6 and one.wire == BYTES:
            name = text(data, one)
        elif one.number == 2 and one.wire == BYTES and not command:
            command = text(data, one)
    return number, name or command


def thread_of(data: bytes, place: Field, text: Text) -> tuple[int, int, str, int | None]:
    """Process, number and name of a ThreadDescriptor, and the µs that older events of its sequence count from."""
    process, number, name, since = 0, 0, "", None
    for one in fields(data, place.start, place.end):
        if one.number == 1 and one.wire == VARINT:
            process = signed(one.value)
        elif one.number == 2 and one.wire == VARINT:
            number = signed(one.value)
        elif one.number == 5 and one.wire == BYTES:
            name = text(data, one)
        elif one.number == 6 and one.wire == VARINT:
            since = signed(one.value)
    return process, number, name, since


def _counter(data: bytes, place: Field) -> Counter:
    multiplier, incremental = 1, False
    for one in fields(data, place.start, place.end):
        if one.number == 4 and one.wire == VARINT:
            multiplier = signed(one.value) or 1
        elif one.number == 5 and one.wire == VARINT:
            incremental = bool(one.value)
    return Counter(multiplier, incremental)


class Text:
    """Decodes texts, counting those that are not UTF-8."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def __call__(self, data: bytes, place: Field) -> str:
        """The text of a field."""
        return self.decoded(data[place.start : place.end])

    def decoded(self, raw: bytes) -> str:
        """The text of bytes."""
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._ctx.anomalies.count("text_not_utf8")
            return raw.decode(errors="replace")


@dataclass(slots=True)
class Tracks:
    """The tracks of a file. Descriptors may stand behind the events of their tracks, so they are looked for first."""

    ctx: Context
    descriptors: dict[int, Described] = field(default_factory=dict)
    threads: dict[tuple[int, int], str] = field(default_factory=dict)
    processes: dict[int, str] = field(default_factory=dict)
    _codes: dict[tuple[object, ...], int] = field(default_factory=dict)
    _cyclic: set[int] = field(default_factory=set)

    def describe(self, uuid: int, found: Described) -> None:
        """Takes a descriptor; a later one of the same track adds to an earlier one."""
        if found.process is not None:
            self.name_process(*found.process)
        if found.thread is not None:
            self.name_thread(*found.thread)
        known = self.descriptors.get(uuid)
        if known is not None:
            found = Described(
                known.parent if found.parent is None else found.parent,
                found.name or known.name,
                found.process or known.process,
                found.thread or known.thread,
                found.counter or known.counter,
            )
        self.descriptors[uuid] = found

    def name_thread(self, process: int, number: int, name: str) -> None:
        """What a thread is called."""
        if name:
            self.threads[process, number] = name

    def name_process(self, number: int, name: str) -> None:
        """What a process is called."""
        if name:
            self.processes[number] = name

    def of(self, uuid: int) -> int:
        """The table's track of one that slices are on."""
        return self._code(("track", uuid), lambda: self._made(uuid))

    def of_thread(self, process: int, number: int) -> int:
        """The table's track of a thread."""
        return self._code(("thread", process, number), lambda: self._thread(process, number, f"{process}/{number}"))

    def apart(self, process: int, key: str, name: str) -> int:
        """A track of spans that belong to no thread: begun and ended by an id."""
        return self._code(
            ("apart", process, key), lambda: self.ctx.track(_HOST, name, f"{process}/{key}", process=process)
        )

    def on_device(self, uuid: int, device: str) -> int:
        """The table's track of a stream of a device."""
        return self._code(("device", uuid, device), lambda: self._stream(uuid, device))

    def name(self, uuid: int) -> str:
        """What a track is called: by itself, else by the thread or process that it is."""
        found = self.descriptors.get(uuid)
        if found is None:
            return f"track {uuid}" if uuid else "track"
        if found.name:
            return found.name
        if found.thread is not None:
            return self.threads.get(found.thread[:2]) or f"thread {found.thread[1]}"
        if found.process is not None:
            return self.processes.get(found.process[0]) or f"process {found.process[0]}"
        return f"track {uuid}"

    def counter(self, uuid: int) -> Counter:
        """What the values of a counter's track are."""
        found = self.descriptors.get(uuid)
        return found.counter if found is not None and found.counter is not None else Counter()

    def _code(self, key: tuple[object, ...], made: Callable[[], int]) -> int:
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = made()
        return code

    def _made(self, uuid: int) -> int:
        found = self.descriptors.get(uuid)
        if found is None and uuid:
            self.ctx.anomalies.count("unknown_track")
        if found is not None and found.thread is not None:
            return self._thread(*found.thread[:2], f"{found.thread[0]}/{found.thread[1]}", uuid)
        whose = self._process(uuid)
        return self.ctx.track(_HOST, self.name(uuid), f"track {uuid}", process="" if whose is None else whose)

    def _thread(self, process: int, number: int, key: str, uuid: int | None = None) -> int:
        name = self.threads.get((process, number)) or (self.descriptors[uuid].name if uuid is not None else "")
        return self.ctx.track(_HOST, name or f"thread {number}", key, process=process)

    def _stream(self, uuid: int, device: str) -> int:
        whose = self._process(uuid)
        return self.ctx.track(
            device, self.name(uuid).strip(), f"track {uuid}", on_device=True, process="" if whose is None else whose
        )

    def _process(self, uuid: int) -> int | None:
        """The process that a track belongs to, by its ancestors."""
        for one in self._ancestors(uuid):
            if one.thread is not None:
                return one.thread[0]
            if one.process is not None:
                return one.process[0]
        return None

    def _ancestors(self, uuid: int) -> Iterator[Described]:
        seen: set[int] = set()
        at: int | None = uuid
        while at is not None and at in self.descriptors and len(seen) < _DEEPEST:
            if at in seen:
                if uuid not in self._cyclic:
                    self._cyclic.add(uuid)
                    self.ctx.anomalies.count("track_cycle")
                return
            seen.add(at)
            yield self.descriptors[at]
            at = self.descriptors[at].parent
