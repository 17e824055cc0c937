"""Columns that every chrome dialect builds the same way: names, categories, tracks, arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from dlprof.ingest.batch import Int32, Pool
from dlprof.ingest.json_columns import Codes
from dlprof.ingest.json_elements import EMPTY, Event
from dlprof.ingest.reader import Context

_NUMBERS: Final = msgspec.json.Decoder(list[dict[str, float]])


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
    if None in texts:
        return pool.encode(texts)
    return np.fromiter(map(pool.__getitem__, texts), dtype=np.int32, count=len(texts))  # type: ignore[arg-type]


def counter_values(rows: Sequence[Event]) -> list[float]:
    """The first number among each counter's arguments; NaN where there is none."""
    try:
        found = _NUMBERS.decode(b"[" + b",".join([event.args for event in rows]) + b"]")
    except msgspec.DecodeError:
        return [counter_value(event) for event in rows]
    return [next(iter(values.values()), float("nan")) for values in found]


def keyed(keys: Sequence[Any], value: Callable[..., int]) -> Int32:
    """value(*key) of each key, worked out once per distinct key. Shape (len(keys),)."""
    codes = Codes()
    code = codes.encode(keys, len(keys))
    return np.array([value(*key) for key in codes.keys_list], dtype=np.int32)[code]


def argument_texts(rows: Sequence[Event]) -> pa.Array[Any] | None:
    """The arguments of each event as recorded (JSON text), null where there are none."""
    texts = [event.args for event in rows]
    present = np.fromiter((text is not EMPTY for text in texts), dtype=bool, count=len(texts))
    if not present.any():
        return None
    lengths = np.zeros(len(texts) + 1, dtype=np.int64)
    lengths[1:] = [memoryview(text).nbytes for text in texts]
    offsets = np.cumsum(lengths).tobytes()
    data = b"".join(texts)
    valid = np.packbits(present, bitorder="little").tobytes()
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(data), pa.py_buffer(valid))


def counter_value(event: Event) -> float:
    """The first number among a counter event's arguments; NaN where there is none."""
    try:
        values = msgspec.json.decode(event.args, type=dict[str, Any])
    except msgspec.DecodeError:
        return float("nan")
    numbers = (v for v in values.values() if isinstance(v, (int, float)) and not isinstance(v, bool))
    return float(next(numbers, float("nan")))
