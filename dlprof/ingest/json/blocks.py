"""Blocks of chrome trace events as columns, read by the compiled part (dlprof/native/json_events.c): no Python object an event.

A block that is not plain in every way is not read here at all: `Scanner.scan` answers None, and the Python reader takes it. What
is read here is what that reader would have read; a block can also give its events as that reader's structs (`Block.events`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_STEP, NO_TEXT, TARGET_ROWS, Int32, Int64
from dlprof.ingest.json.elements import Event, EventDecoder
from dlprof.ingest.texts import Places
from dlprof.native.arrays import address

NUMBERS: Final = (
    "start",
    "duration",
    "correlation",
    "external",
    "bytes",
    "flops",
    "sequence",
    "forward",
    "args_at",
    "args_size",
    "memory_kind",
    "memory_place",
)
TEXTS: Final = ("name", "category", "pid", "tid", "device", "stream", "dims", "types", "modules", "stack")
"""Columns in the order of json_events.c: int64 numbers, and ids of distinct texts."""
_TOKENS: Final = frozenset({"pid", "tid", "device", "stream"})
"""Columns whose texts are JSON values; those of others stand between quotes, but for lists, which are kept as they are."""
ODD: Final = NO_STEP
"""`memory_kind` of a row whose arguments are no plain record of memory: they tell by themselves."""
_LISTS: Final = frozenset({"dims", "types"})
_ROOM: Final = TARGET_ROWS + 72
"""Events of a block, and how far columns lie apart: no power of two, for then all values of a row would compete for one place of
the caches."""
_SLOTS: Final = 1 << 17
_DISTINCT: Final = 1 << 16
"""Distinct texts of a block: one with more gains nothing from being read by columns."""
_STAMPS: Final = 2**32 - 1
_ROWS: Final = np.isin(np.arange(256), np.frombuffer(b"XiInRC", dtype=np.uint8))
"""Phases whose events are rows; json_events.c has the same."""


class _Call(ctypes.Structure):
    """`struct block` of json_events.c."""

    _fields_ = (
        ("text", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("origin_us", ctypes.c_int64),
        ("arguments", ctypes.c_int64),
        ("unasked", ctypes.c_int64),
        ("capacity", ctypes.c_int64),
        ("numbers", ctypes.c_void_p),
        ("ids", ctypes.c_void_p),
        ("phases", ctypes.c_void_p),
        ("others", ctypes.c_void_p),
        ("slots", ctypes.c_int64),
        ("table", ctypes.c_void_p),
        ("distinct", ctypes.c_int64),
        ("places", ctypes.c_void_p),
        ("columns", ctypes.c_void_p),
        ("stamp", ctypes.c_uint32),
        ("lost", ctypes.c_uint32),
        ("events", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("used", ctypes.c_int64),
        ("closed", ctypes.c_int64),
        ("found", ctypes.c_int64),
    )


class Block(msgspec.Struct, frozen=True, dict=True):
    """The events of a block.

    text: its bytes, of which `used` are events
    closed: the list of events ends in it
    phases: phase of every event, in file order
    ph: phases of the rows: complete events (`X`), behind them instants and counters, each in file order
    numbers, ids: the columns of the rows, by name (NUMBERS, TEXTS)
    """

    text: npt.NDArray[np.uint8]
    used: int
    closed: bool
    phases: npt.NDArray[np.uint8]
    ph: npt.NDArray[np.uint8]
    numbers: dict[str, Int64]
    ids: dict[str, Int32]
    _distinct: dict[str, list[bytes]]
    _others: Int64
    _decoder: EventDecoder

    def __len__(self) -> int:
        return len(self.numbers["start"])

    def events(self) -> list[Event]:
        """All events, as the Python reader reads them."""
        whole = self.text[: self.used].tobytes()
        return self._decoder.decode(b"[" + (whole.rstrip().removesuffix(b"]") if self.closed else whole) + b"]")

    def others(self, wanted: npt.NDArray[np.bool_]) -> tuple[list[Event], npt.NDArray[np.uint8]]:
        """The events that are no rows and `wanted` (a flag for each letter), and their phases."""
        letters = self.phases[~_ROWS[self.phases]]
        chosen = wanted[letters]
        parts = [self.text[low:high].tobytes() for low, high in self._others[chosen].tolist()]
        return (self._decoder.decode(b"[" + b",".join(parts) + b"]") if parts else []), letters[chosen]

    def texts(self, column: str) -> list[Any]:
        """What each id of a text column stands for: a str; an int or str of _TOKENS; the bytes of a list."""
        return self._texts[column]

    def codes(self, column: str, code: Callable[[Any], int], chosen: npt.NDArray[np.bool_] | None = None) -> Int32:
        """code(text) of each row, or of the chosen ones, asked once for each distinct text in the order of their first rows;
        NO_TEXT for the others and where there is none."""
        texts, ids = self.texts(column), self.ids[column]
        if chosen is not None:
            ids = np.where(chosen, ids, np.int32(NO_TEXT))
        codes = np.full(len(texts) + 1, NO_TEXT, dtype=np.int32)
        for at in first_seen(ids, len(texts)):
            codes[at] = code(texts[at])
        return codes[ids]

    def args(self, rows: Sequence[int]) -> list[bytes]:
        """The arguments of single rows as recorded; `{}` where there are none."""
        text, places, sizes = self.text.data, self.numbers["args_at"][rows], self.numbers["args_size"][rows]
        return [
            b"{}" if size < 0 else bytes(text[at : at + size])
            for at, size in zip(places.tolist(), sizes.tolist(), strict=True)
        ]

    def recorded_args(self) -> Places | None:
        """The arguments of all rows as recorded; None where no row has any."""
        places, sizes = self.numbers["args_at"], self.numbers["args_size"]
        return None if (sizes < 0).all() else Places(places, sizes.astype(np.int32), self.text)

    @cached_property
    def _texts(self) -> dict[str, list[Any]]:
        return {column: _decoded(column, raws) for column, raws in self._distinct.items()}


class Scanner:
    """Reads blocks of one file; its arrays serve for all of them.

    origin_us: what times are relative to. arguments: whether those of Kineto are read. unasked: columns of texts that nobody asks
    for, which no row then has
    """

    def __init__(
        self, library: ctypes.CDLL, origin_us: int, *, arguments: bool, unasked: Collection[str] = frozenset()
    ) -> None:
        self._library = library
        self._numbers = np.empty((len(NUMBERS), _ROOM), dtype=np.int64)
        self._ids = np.empty((len(TEXTS), _ROOM), dtype=np.int32)
        self._phases = np.empty(_ROOM, dtype=np.uint8)
        self._others = np.empty((_ROOM, 2), dtype=np.int64)
        self._table = np.zeros((_SLOTS, 2), dtype=np.uint32)
        self._places = np.empty((_DISTINCT, 2), dtype=np.int64)
        self._columns = np.empty((_DISTINCT, 2), dtype=np.int32)
        self._call = _Call(
            origin_us=origin_us,
            arguments=int(arguments),
            unasked=sum(1 << at for at, name in enumerate(TEXTS) if name in unasked),
            capacity=_ROOM,
            numbers=address(self._numbers),
            ids=address(self._ids),
            phases=address(self._phases),
            others=address(self._others),
            slots=_SLOTS,
            table=address(self._table),
            distinct=_DISTINCT,
            places=address(self._places),
            columns=address(self._columns),
            stamp=0,
        )

    def scan(self, text: bytes | memoryview, decoder: EventDecoder) -> Block | None:
        """The events of a block; None where it is not plain. The decoder is told of times that a double does not hold."""
        call, data = self._call, np.frombuffer(text, dtype=np.uint8)
        if not len(data):
            return None
        call.text, call.size = address(data), len(data)
        call.stamp += 1
        if self._library.dlprof_read_events(ctypes.addressof(call)):
            return None
        if call.stamp == _STAMPS:
            self._table[:] = call.stamp = 0
        if call.lost:
            decoder.keep_decimals()
        rows, events = int(call.rows), int(call.events)
        phases = self._phases[:events].copy()
        ph = phases[_ROWS[phases]]
        whole = ph == ord("X")
        order: slice | Int64 = slice(rows)
        if not whole.all():
            order = np.concatenate([np.flatnonzero(whole), np.flatnonzero(~whole)])
        return Block(
            text=data,
            used=int(call.used),
            closed=bool(call.closed),
            phases=phases,
            ph=ph[order],
            numbers={name: self._numbers[at][order].copy() for at, name in enumerate(NUMBERS)},
            ids={name: self._ids[at][order].copy() for at, name in enumerate(TEXTS)},
            _distinct=self._found(data, int(call.found)),
            _others=self._others[: events - rows].copy(),
            _decoder=decoder,
        )

    def _found(self, data: npt.NDArray[np.uint8], count: int) -> dict[str, list[bytes]]:
        """The distinct texts of each column, in the order of their ids."""
        found: dict[str, list[bytes]] = {name: [] for name in TEXTS}
        lists = list(found.values())
        text = data.data
        for (at, size), column in zip(self._places[:count].tolist(), self._columns[:count, 0].tolist(), strict=True):
            lists[column].append(bytes(text[at : at + size]))
        return found


def first_seen(ids: Int32, count: int) -> list[int]:
    """The ids below `count` that occur, in the order of their first rows."""
    first = np.full(count + 1, len(ids), dtype=np.int64)
    first[ids[::-1]] = np.arange(
        len(ids) - 1, -1, -1
    )  # of several rows the last that is written is the first of the file
    occurring = np.flatnonzero(first[:-1] < len(ids))
    found: list[int] = occurring[np.argsort(first[occurring])].tolist()
    return found


def _decoded(column: str, raws: list[bytes]) -> list[Any]:
    if column in _LISTS:
        return list(raws)
    if column in _TOKENS:
        return [msgspec.json.decode(raw) for raw in raws]
    return [msgspec.json.decode(b'"' + raw + b'"') if b"\\" in raw else raw.decode() for raw in raws]
