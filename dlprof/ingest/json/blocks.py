"""Blocks of chrome trace events as columns, read by the compiled part (dlprof/native/json_events.c): no Python object an event.

A block that is not plain in every way is not read here at all: `Scanner.scan` answers None, and the Python reader takes it. What
is read here is what that reader would have read; a block can also give its events as that reader's structs (`Block.events`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_STEP, NO_TEXT, TARGET_ROWS, Int32, Int64
from dlprof.ingest.json.elements import Event, EventDecoder
from dlprof.ingest.json.pairing import ENDS
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
TEXTS: Final = ("name", "category", "pid", "tid", "device", "stream", "dims", "types", "modules", "stack", "id")
"""Columns in the order of json_events.c: int64 numbers, and ids of distinct texts."""
_TOKENS: Final = frozenset({"pid", "tid", "device", "stream", "id"})
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
_SPANS: Final = _ROWS | ENDS
"""The same where those that open or close a span are rows too."""
_WIDEST: Final = 2**62
"""Combinations of ids that one int64 numbers."""


class _Call(ctypes.Structure):
    """`struct block` of json_events.c."""

    _fields_ = (
        ("text", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("origin_us", ctypes.c_int64),
        ("arguments", ctypes.c_int64),
        ("spans", ctypes.c_int64),
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


class Block(msgspec.Struct, frozen=True):
    """The events of a block.

    text: its bytes, of which `used` are events
    closed: the list of events ends in it
    phases: phase of every event, in file order
    ph: phases of the rows: complete events (`X`), behind them instants and counters, each in file order; where the ends of spans
        are rows they are among the latter
    numbers, ids: the columns of the rows, by name (NUMBERS, TEXTS)
    """

    text: npt.NDArray[np.uint8]
    used: int
    closed: bool
    phases: npt.NDArray[np.uint8]
    ph: npt.NDArray[np.uint8]
    numbers: dict[str, Int64]
    ids: dict[str, Int32]
    _texts: dict[str, list[Any]]
    _others: Int64
    _is_row: npt.NDArray[np.bool_]
    _decoder: EventDecoder

    def __len__(self) -> int:
        return len(self.numbers["start"])

    def events(self) -> list[Event]:
        """All events, as the Python reader reads them."""
        whole = self.text[: self.used].tobytes().rstrip(b", \t\r\n")  # the comma before a span that is open
        return self._decoder.decode(b"[" + (whole.removesuffix(b"]") if self.closed else whole) + b"]")

    def others(self, wanted: npt.NDArray[np.bool_]) -> tuple[list[Event], npt.NDArray[np.uint8]]:
        """The events that are no rows and `wanted` (a flag for each letter), and their phases."""
        letters = self.phases[~self._is_row[self.phases]]
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

    def keyed(
        self,
        chosen: npt.NDArray[np.bool_],
        columns: Sequence[str],
        value: Callable[..., int],
        kind: Int32 | None = None,
    ) -> Int32:
        """value(*texts of these columns) of each chosen row, asked once for each distinct key in the order of their first rows;
        kind: of each row, a number that is part of the key, in front. A row without a process or thread has ""; else None."""
        ids = [self.ids[column][chosen] for column in columns]
        firsts, inverse = _distinct(ids if kind is None else [kind[chosen], *ids])
        parts = [] if kind is None else [kind[chosen][firsts].tolist()]
        for column, each in zip(columns, ids, strict=True):
            texts = [*self.texts(column), "" if column in ("pid", "tid") else None]
            parts.append([texts[one] for one in each[firsts].tolist()])
        return np.array([value(*key) for key in zip(*parts, strict=True)], dtype=np.int32)[inverse]

    def of_rows(self, rows: Int64) -> Block:
        """The same block with these rows alone, in this order."""
        return msgspec.structs.replace(
            self,
            ph=self.ph[rows],
            numbers={name: column[rows] for name, column in self.numbers.items()},
            ids={name: column[rows] for name, column in self.ids.items()},
        )

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


class Scanner:
    """Reads blocks of one file; its arrays serve for all of them.

    origin_us: what times are relative to. arguments: whether those of Kineto are read. spans: whether events that open or close a
    span are rows; then a block ends before one that is open at its end. unasked: columns of texts that nobody asks for, which no
    row then has
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        origin_us: int,
        *,
        arguments: bool,
        spans: bool = False,
        unasked: Collection[str] = frozenset(),
    ) -> None:
        self._library = library
        self._is_row = _SPANS if spans else _ROWS
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
            spans=int(spans),
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
        ph = phases[self._is_row[phases]]
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
            _texts={column: _decoded(column, raws) for column, raws in self._found(data, int(call.found)).items()},
            _others=self._others[: events - rows].copy(),
            _is_row=self._is_row,
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


def _distinct(columns: Sequence[Int32]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The first row of each distinct combination, in file order, and the place of each row's among them."""
    keys, width = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        size = int(column.max(initial=NO_TEXT)) + 2
        width *= size
        if width > _WIDEST:
            keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
            width = (int(keys.max(initial=0)) + 1) * size
        keys = keys * size + (column + 1)
    first, inverse = _firsts(keys, width)
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    return first[order], place[inverse]


def _firsts(keys: Int64, width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """As np.unique: first row of each distinct key in [0, width), in order of keys, and the place of each row's among them. By
    table where that is not much larger than there are rows."""
    if width > 4 * len(keys) + 1024:
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        return first, inverse
    first = np.full(width, -1, dtype=np.intp)
    first[keys[::-1]] = np.arange(
        len(keys) - 1, -1, -1
    )  # of several rows the last that is written is the first of the file
    there = np.flatnonzero(first >= 0)
    place = np.empty(width, dtype=np.intp)
    place[there] = np.arange(len(there))
    return first[there], place[keys]


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
