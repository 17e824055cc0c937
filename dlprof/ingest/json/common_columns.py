"""Columns that every chrome dialect builds the same way: names, categories, tracks, arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from dlprof.ingest.batch import NO_TEXT, Int32, Pool
from dlprof.ingest.json.codes import Codes
from dlprof.ingest.json.elements import EMPTY, Event
from dlprof.ingest.reader import Context
from dlprof.ingest.texts import RawTexts

_LAST_NUMBER: Final = re.compile(rb'\{\s*"[^"\\]*"\s*:\s*(-?\d+(?:\.\d+)?)\s*\}')


class _Codes(dict[Any, int]):
    """Look-up that works out the code of each distinct key once, so that the many hits stay inside C."""

    def __init__(self, code: Callable[[Any], int]) -> None:
        super().__init__()
        self._code = code

    def __missing__(self, key: Any) -> int:
        found = self[key] = self._code(key)
        return found


def raw_codes(pool: Pool, raws: Sequence[msgspec.Raw], text: Callable[[bytes], str | None]) -> Int32:
    """Codes of text(raw), NO_TEXT for None."""
    codes = _Codes(lambda data: NO_TEXT if (found := text(data)) is None else pool[found])
    return np.fromiter(map(codes.__getitem__, map(bytes, raws)), dtype=np.int32, count=len(raws))


def name_codes(ctx: Context, rows: Sequence[Event]) -> Int32:
    """Codes of the raw names."""
    return np.fromiter(
        map(ctx.pool("name").__getitem__, [event.name for event in rows]), dtype=np.int32, count=len(rows)
    )


def category_codes(ctx: Context, rows: Sequence[Event]) -> Int32:
    """Codes of the raw categories."""
    return text_codes(ctx.pool("category"), [event.cat for event in rows])


def text_codes(pool: Pool, texts: Sequence[str | None]) -> Int32:
    """Codes of texts, NO_TEXT where there is none."""
    codes = _Codes(lambda text: NO_TEXT if text is None else pool[text])
    return np.fromiter(map(codes.__getitem__, texts), dtype=np.int32, count=len(texts))


def counter_values(args: Sequence[bytes | msgspec.Raw]) -> list[float]:
    """The first number among each counter's arguments; NaN where there is none."""
    found = _LAST_NUMBER.findall(b"\n".join(args))
    if len(found) == len(args):  # one member each, as MXNet writes them: no object is made
        return list(map(float, found))
    return list(map(_first_number, args))


def keyed(keys: Sequence[Any], value: Callable[..., int]) -> Int32:
    """value(*key) of each key, worked out once per distinct key. Shape (len(keys),)."""
    codes = Codes()
    code = codes.encode(keys, len(keys))
    return np.array([value(*key) for key in codes.keys_list], dtype=np.int32)[code]


def recoded(codes: Int32, value: Callable[[int], int]) -> Int32:
    """value(code) of each code, worked out once for each distinct one, in the order of their first rows."""
    distinct, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    values = np.empty(len(distinct), dtype=np.int32)
    for at in np.argsort(first).tolist():
        values[at] = value(int(distinct[at]))
    return values[inverse]


def argument_texts(rows: Sequence[Event]) -> RawTexts:
    """The arguments of each event as recorded (JSON text), none where there are none."""
    return RawTexts([event.args for event in rows], EMPTY)


def counter_value(event: Event) -> float:
    """The first number among a counter event's arguments; NaN where there is none."""
    return _first_number(event.args)


def _first_number(args: bytes | msgspec.Raw) -> float:
    try:
        values = msgspec.json.decode(args, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return float("nan")
    numbers = (v for v in values.values() if isinstance(v, (int, float)) and not isinstance(v, bool))
    return float(next(numbers, float("nan")))
