"""Stats that no column takes, as one JSON object per event, built per group of events that carry the same stats."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dlprof.ingest.batch import Arrow, Int64, arrow
from dlprof.ingest.wire import Uint64
from dlprof.ingest.xevents import BYTES_VALUE, DOUBLE, INT64, REF, STR, UINT64, Stats

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


class Quoter:
    """Texts of stats as JSON strings, each made once."""

    def __init__(self, stat_names: Mapping[int, str], decode: Callable[[bytes], str]) -> None:
        self._names = stat_names
        self._decode = decode
        self._refs: dict[int, str] = {}
        self._texts: dict[bytes, str] = {}

    def key(self, stat_id: int) -> str:
        """`"name":` of a stat."""
        return json.dumps(self._names.get(stat_id, f"stat#{stat_id}"), ensure_ascii=False) + ":"

    def ref(self, target: int) -> str:
        """The JSON string that a ref points at."""
        quoted = self._refs.get(target)
        if quoted is None:
            text = self._names.get(target, f"ref#{target}")
            quoted = self._refs[target] = json.dumps(text, ensure_ascii=False)
        return quoted

    def text(self, raw: bytes, kind: int) -> str:
        """The JSON string of a text, or of bytes as hexadecimal digits."""
        quoted = self._texts.get(raw)
        if quoted is None:
            quoted = json.dumps(self._decode(raw), ensure_ascii=False) if kind == STR else f'"{raw.hex()}"'
            if len(self._texts) < 65_536:
                self._texts[raw] = quoted
        return quoted


def render(stats: Stats, data: bytes, events: int, quoter: Quoter) -> Arrow | None:
    """JSON objects, one per event of the window, null for an event without stats; None if no event has any.

    stats: sorted by event. Grouping turns what would be a Python step per stat into a few column operations per distinct
    set of stats, of which a trace has dozens.
    """
    if not len(stats.event):
        return None
    first = np.flatnonzero(np.diff(stats.event, prepend=-1))
    owner = stats.event[first]
    counts = np.diff(first, append=len(stats.event))
    parts, rows = [], []
    for group in _groups(stats, first, counts):
        where = first[group][:, None] + np.arange(counts[group[0]])
        parts.append(_group(stats, where, data, quoter))
        rows.append(owner[group])
    position = np.full(events, -1, dtype=np.int64)
    position[np.concatenate(rows)] = np.arange(len(owner))
    texts = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    return texts.take(arrow(position, mask=position < 0))


def _groups(stats: Stats, first: Int64, counts: Int64) -> list[Int64]:
    """Positions in `first` of the events that carry the same sequence of (id, kind), one array per sequence."""
    codes = (stats.id.astype(np.uint64) << np.uint64(3)) | stats.kind
    total = counts.astype(np.uint64)
    with np.errstate(over="ignore"):
        for position in range(int(counts.max())):
            has = np.flatnonzero(counts > position) if position else slice(None)
            total[has] = (total[has] ^ codes[first[has] + position]) * _MIX
            total[has] ^= total[has] >> np.uint64(29)
    numbers = arrow(total).dictionary_encode().indices.to_numpy()
    small = numbers.astype(np.uint16) if int(numbers.max()) < 65_536 else numbers
    order = np.argsort(small, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(small[order])) + 1)
    return [part for group in groups for part in _same(codes, first[group], counts[group], group)]


def _same(codes: Uint64, first: Int64, counts: Int64, group: Int64) -> list[Int64]:
    """The group, or if two sequences fell on one hash, its parts: the hash makes it fast, this makes it right."""
    alike = counts == counts[0]
    for position in range(int(counts[0])):
        here = codes[np.minimum(first + position, len(codes) - 1)]
        alike &= here == here[0]
    if alike.all():
        return [group]
    rest = ~alike
    return [group[alike], *_same(codes, first[rest], counts[rest], group[rest])]


def _group(stats: Stats, where: npt.NDArray[np.int64], data: bytes, quoter: Quoter) -> Arrow:
    pieces: list[Arrow] = []
    separator = "{"
    for column in range(where.shape[1]):
        at = where[:, column]
        pieces.append(pa.scalar(separator + quoter.key(int(stats.id[at[0]])), pa.string()))
        pieces.append(_values(stats, at, data, quoter))
        separator = ","
    pieces.append(pa.scalar("}", pa.string()))
    return _join(*pieces)


def _values(stats: Stats, at: Int64, data: bytes, quoter: Quoter) -> Arrow:
    kind = int(stats.kind[at[0]])
    bits = stats.value[at]
    if kind == INT64:
        return arrow(bits.view(np.int64)).cast(pa.string())
    if kind == UINT64:
        return arrow(bits).cast(pa.string())
    if kind == DOUBLE:
        numbers = bits.view(np.float64)
        texts = arrow(numbers).cast(pa.string())
        finite = np.isfinite(numbers)
        return texts if finite.all() else pc.if_else(arrow(finite), texts, _quoted(texts))
    if kind == REF:
        targets, inverse = np.unique(bits, return_inverse=True)
        return arrow([quoter.ref(int(target)) for target in targets]).take(arrow(inverse))
    if kind not in (STR, BYTES_VALUE):
        raise ValueError(f"not a kind of stat: {kind}")
    starts, sizes = stats.at[at].tolist(), bits.tolist()
    return arrow([quoter.text(data[start : start + size], kind) for start, size in zip(starts, sizes, strict=True)])


def _quoted(texts: Arrow) -> Arrow:
    return _join(pa.scalar('"'), texts, pa.scalar('"'))


def _join(*pieces: Arrow) -> Arrow:
    """Row by row, the texts one behind the other."""
    return pc.binary_join_element_wise(*pieces, "")
