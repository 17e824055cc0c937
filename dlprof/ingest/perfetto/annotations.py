"""Debug annotations of track events as JSON: those of a window at once where they are plain values, nested ones by themselves."""

from __future__ import annotations

import math
import struct
from typing import Final

import msgspec
import numpy as np

from dlprof.ingest.batch import Int64
from dlprof.ingest.perfetto.sequences import Sequence
from dlprof.ingest.perfetto.tracks import Text
from dlprof.ingest.protobuf.flat import flat
from dlprof.ingest.protobuf.wire import BYTES, FIXED64, VARINT, Malformed, Window, fields, signed

_NAME_ID: Final = 1
_NAME: Final = 10
_BOOL, _UINT, _INT, _DOUBLE, _STRING, _POINTER, _OLD_NESTED, _JSON, _ENTRIES, _ARRAY, _STRING_ID = (
    *(2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 17),
)
_PLAIN: Final = (_BOOL, _UINT, _INT, _DOUBLE, _STRING, _POINTER, _JSON, _STRING_ID)
_VALUES: Final = (*_PLAIN, _OLD_NESTED, _ENTRIES, _ARRAY, 14)
_DEEPEST: Final = 32
_NULL: Final = "null"


class Annotations:
    """The annotations of a window's events, by their place in it."""

    def __init__(self, window: Window, starts: Int64, ends: Int64, text: Text) -> None:
        count = len(starts)
        found = flat(window, starts, ends)
        self._data, self._text = window.data, text
        self._starts, self._ends = starts.tolist(), ends.tolist()
        self._name_ids = found.last(_NAME_ID, VARINT, count).tolist()
        own = found.of(_NAME, BYTES)
        self._names = dict(zip(own.owner.tolist(), zip(own.start.tolist(), own.end.tolist(), strict=True), strict=True))
        values = found.at(np.flatnonzero(np.isin(found.number, _VALUES))[::-1])
        columns = np.zeros((4, count), dtype=np.int64)
        # Of several the first stays: the others are those of a nested value, which is walked as a whole.
        for column, kind in zip(
            columns, (values.number, values.value.view(np.int64), values.start, values.end), strict=True
        ):
            column[values.owner] = kind
        self._kinds, self._numbers, self._from, self._to = columns.tolist()
        self._raw: dict[bytes, str] = {}
        self._keys: dict[str, str] = {}

    def name(self, at: int, sequence: Sequence) -> str:
        """What an annotation is called."""
        place = self._names.get(at)
        if place is not None:
            return self._text.decoded(self._data[slice(*place)])
        return sequence.argument(self._name_ids[at])

    def value(self, at: int, sequence: Sequence) -> str:
        """Its value as JSON."""
        kind, number = self._kinds[at], self._numbers[at]
        if kind in (_INT,):
            return str(number)
        if kind == _UINT:
            return str(number & 0xFFFF_FFFF_FFFF_FFFF)
        if kind in (_STRING, _JSON):
            return self._string(self._data[self._from[at] : self._to[at]], kind == _JSON)
        if kind in (_OLD_NESTED, _ENTRIES, _ARRAY):
            try:
                return nested(self._data, self._starts[at], self._ends[at], sequence, self._text)
            except Malformed:
                return _NULL
        return _scalar(kind, number & 0xFFFF_FFFF_FFFF_FFFF, sequence)

    def json(self, low: int, high: int, sequence: Sequence) -> str:
        """The members of an object that holds these annotations."""
        return ",".join([f"{self._key(self.name(at, sequence))}:{self.value(at, sequence)}" for at in range(low, high)])

    def _key(self, name: str) -> str:
        found = self._keys.get(name)
        if found is None:
            found = self._keys[name] = _quoted(name)
        return found

    def _string(self, raw: bytes, is_json: bool) -> str:
        if is_json:
            return _checked(raw, self._text)
        found = self._raw.get(raw)
        if found is None:
            found = self._raw[raw] = _quoted(self._text.decoded(raw))
        return found


def _scalar(kind: int, value: int, sequence: Sequence) -> str:
    if kind == _BOOL:
        return "true" if value else "false"
    if kind == _INT:
        return str(signed(value))
    if kind == _DOUBLE:
        (number,) = struct.unpack("<d", struct.pack("<Q", value))
        return repr(number) if math.isfinite(number) else _NULL
    if kind == _POINTER:
        return f'"0x{value:x}"'
    if kind == _STRING_ID:
        return _quoted(sequence.string(value))
    return str(value) if kind == _UINT else _NULL


def _checked(raw: bytes, text: Text) -> str:
    """JSON that the program wrote by itself; as a text where it is none."""
    try:
        return msgspec.json.encode(msgspec.json.decode(raw)).decode()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _quoted(text.decoded(raw))


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def nested(data: bytes, start: int, end: int, sequence: Sequence, text: Text, depth: int = 0) -> str:
    """A DebugAnnotation's value with what it contains. Raises `Malformed`."""
    if depth > _DEEPEST:
        return _NULL
    entries: list[str] = []
    items: list[str] = []
    value = _NULL
    for one in fields(data, start, end):
        if one.number == _ENTRIES and one.wire == BYTES:
            inside = nested(data, one.start, one.end, sequence, text, depth + 1)
            entries.append(f"{_quoted(_named(data, one.start, one.end, sequence, text))}:{inside}")
        elif one.number == _ARRAY and one.wire == BYTES:
            items.append(nested(data, one.start, one.end, sequence, text, depth + 1))
        elif one.number == _OLD_NESTED and one.wire == BYTES:
            value = _old_nested(data, one.start, one.end, text, depth + 1)
        elif one.number in (_STRING, _JSON) and one.wire == BYTES:
            raw = data[one.start : one.end]
            value = _checked(raw, text) if one.number == _JSON else _quoted(text.decoded(raw))
        elif one.number in _PLAIN and one.wire in (VARINT, FIXED64):
            value = _scalar(one.number, one.value, sequence)
    if entries:
        return "{" + ",".join(entries) + "}"
    return "[" + ",".join(items) + "]" if items else value


def _named(data: bytes, start: int, end: int, sequence: Sequence, text: Text) -> str:
    name = ""
    for one in fields(data, start, end):
        if one.number == _NAME and one.wire == BYTES:
            name = text(data, one)
        elif one.number == _NAME_ID and one.wire == VARINT and not name:
            name = sequence.argument(one.value)
    return name


def _old_nested(data: bytes, start: int, end: int, text: Text, depth: int) -> str:
    """A NestedValue, as Chrome wrote them until 2021: keys and values of an object, or an array."""
    if depth > _DEEPEST:
        return _NULL
    keys: list[str] = []
    values: list[str] = []
    items: list[str] = []
    value = _NULL
    for one in fields(data, start, end):
        if one.wire == BYTES and one.number == 2:
            keys.append(text(data, one))
        elif one.wire == BYTES and one.number == 3:
            values.append(_old_nested(data, one.start, one.end, text, depth + 1))
        elif one.wire == BYTES and one.number == 4:
            items.append(_old_nested(data, one.start, one.end, text, depth + 1))
        elif one.wire == BYTES and one.number == 8:
            value = _quoted(text(data, one))
        elif one.wire == VARINT and one.number == 5:
            value = str(signed(one.value))
        elif one.wire == VARINT and one.number == 7:
            value = "true" if one.value else "false"
        elif one.wire == FIXED64 and one.number == 6:
            value = _scalar(_DOUBLE, one.value, _NO_SEQUENCE)
    if keys:
        return "{" + ",".join(f"{_quoted(key)}:{one}" for key, one in zip(keys, values, strict=False)) + "}"
    return "[" + ",".join(items) + "]" if items else value


_NO_SEQUENCE: Final = Sequence(0)
