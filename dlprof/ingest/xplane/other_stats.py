"""Stats that no column takes, as one JSON object per event, built per group of events that carry the same stats."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof.ingest.batch import Arrow, Int64, arrow
from dlprof.ingest.protobuf import compiled
from dlprof.ingest.protobuf.event_windows import BYTES_VALUE, DOUBLE, INT64, REF, STR, UINT64, Stats
from dlprof.ingest.protobuf.wire import Uint64, Window
from dlprof.ingest.texts import NULL, Packed
from dlprof.ingest.xplane.stat_columns import without
from dlprof.native import library

_LONGEST_COMPARED: Final = 64
"""Bytes of texts that are held against each other; longer ones hardly ever repeat."""
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


class Quoter:
    """Texts of stats as JSON strings, each made once."""

    def __init__(self, stat_names: Mapping[int, str], decode: Callable[[bytes], str]) -> None:
        self._names = stat_names
        self._decode = decode
        self._refs: dict[int, str] = {}
        self._texts: dict[bytes, str] = {}
        self._odd: dict[bytes, str] = {}

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
        """The JSON string of a text, or of bytes as hexadecimal digits.

        Texts that are not UTF-8 are counted where they are decoded. They are kept apart from those that are, which the compiled
        part does not bring here.
        """
        known = self._texts
        quoted = known.get(raw) or self._odd.get(raw)
        if quoted is None:
            text = _utf8(raw) if kind == STR else raw.hex()
            if text is None:
                known, text = self._odd, self._decode(raw)
            quoted = json.dumps(text, ensure_ascii=False)
            if len(known) < 65_536:
                known[raw] = quoted
        return quoted


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


class Objects:
    """Writes what a plane's events say beside their columns, as JSON: by the compiled part where there is one.

    stat_names: by id. taken: ids of stats that only a column takes
    """

    def __init__(self, stat_names: Mapping[int, str], decode: Callable[[bytes], str], taken: frozenset[int]) -> None:
        self._quoter = Quoter(stat_names, decode)
        self._taken = taken
        functions = library.functions()
        self._compiled = None
        if functions is not None:
            quoted = {id_: json.dumps(name, ensure_ascii=False).encode() for id_, name in stat_names.items()}
            self._compiled = compiled.Objects(functions, quoted, taken)

    def of(self, stats: Stats, window: Window, events: int) -> Packed | None:
        """The object of each event; None where no event has any."""
        if self._compiled is not None and len(stats.event):
            columns = (stats.event, stats.id, stats.kind, stats.value, stats.at)
            found = self._compiled.of(columns, window, events, _doubles(stats))
            if found is not None:
                lengths, text = found
                return Packed(lengths, text.data) if len(text) else None
        return self.render(without(stats, self._taken), window, events)

    def render(self, stats: Stats, window: Window, events: int) -> Packed | None:
        """The same in Python, of all of these stats."""
        return render(stats, window.data, events, self._quoter)


def _doubles(stats: Stats) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """The doubles among stats as JSON: where each begins and the last ends, and the bytes."""
    rows = np.flatnonzero(stats.kind == DOUBLE)
    if not len(rows):
        return np.zeros(1, dtype=np.int32), np.empty(0, dtype=np.uint8)
    texts = _reals(stats.value[rows])
    _, offsets, content = texts.buffers()
    edges = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return edges, np.frombuffer(content, dtype=np.uint8)


def all_ascii(stats: Stats, window: Window) -> bool:
    """Whether no text among the stats has a byte beyond ASCII."""
    texts = np.flatnonzero(stats.kind == STR)
    if not len(texts):
        return True
    before = np.concatenate([[0], np.cumsum(window.padded >= 0x80)])
    start = stats.at[texts]
    end = start + stats.value[texts].astype(np.int64)
    return bool((before[start] == before[end]).all())


def render(stats: Stats, data: bytes, events: int, quoter: Quoter) -> Packed | None:
    """JSON objects, one per event of the window, none for an event without stats; None if no event has any.

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
        parts.append(_group(stats, first[group], int(counts[group[0]]), data, quoter))
        rows.append(owner[group])
    position = np.empty(events, dtype=np.int64)
    position[np.concatenate(rows)] = np.arange(len(owner))
    texts = parts[0] if len(parts) == 1 else pa.concat_arrays(parts).take(arrow(position[owner]))
    _, offsets, content = texts.buffers()
    edges = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    lengths = np.full(events, NULL, dtype=np.int32)
    lengths[owner] = np.diff(edges)
    return Packed(lengths, memoryview(content)[int(edges[0]) : int(edges[-1])])


def _groups(stats: Stats, first: Int64, counts: Int64) -> list[Int64]:
    """Positions in `first` of the events that carry the same sequence of (id, kind), one array per sequence."""
    codes = (stats.id.astype(np.uint64) << np.uint64(3)) | stats.kind
    place = np.arange(len(codes)) - np.repeat(first, counts)
    with np.errstate(over="ignore"):
        mixed = codes * (_MIX * (place.astype(np.uint64) * np.uint64(2) + np.uint64(1)))
        mixed ^= mixed >> np.uint64(29)
        total = np.add.reduceat(mixed, first)
    numbers = arrow(total).dictionary_encode().indices.to_numpy()
    most = int(numbers.max())
    if not most:
        return _same(codes, first, counts, np.arange(len(first)))
    small = numbers.astype(np.uint8 if most < 256 else np.uint16) if most < 65_536 else numbers
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


def _group(stats: Stats, first: Int64, count: int, data: bytes, quoter: Quoter) -> Arrow:
    """The objects of events that begin at `first` and have the same `count` stats. Values that all share join the text around
    them: each further piece costs a row as much as a number."""
    pieces: list[Arrow] = []
    fixed = "{"
    for column in range(count):
        at = first + column
        fixed += ("," if column else "") + quoter.key(int(stats.id[at[0]]))
        if _alike(stats, at, data):
            fixed += _values(stats, at[:1], data, quoter)[0].as_py()
        else:
            pieces += [pa.scalar(fixed, pa.string()), _values(stats, at, data, quoter)]
            fixed = ""
    if not pieces:
        return arrow([fixed + "}"]).take(arrow(np.zeros(len(first), dtype=np.int64)))
    return _join(*pieces, pa.scalar(fixed + "}", pa.string()))


def _alike(stats: Stats, at: Int64, data: bytes) -> bool:
    """Whether one stat of all these events has one value."""
    bits = stats.value[at]
    if not (bits == bits[0]).all():
        return False
    kind = int(stats.kind[at[0]])
    if kind not in (STR, BYTES_VALUE):
        return True
    size = int(bits[0])
    if size > _LONGEST_COMPARED:
        return len(at) == 1
    view = np.frombuffer(data, dtype=np.uint8)
    place = stats.at[at]
    return all(bool((byte == byte[0]).all()) for byte in (view[place + offset] for offset in range(size)))


def _values(stats: Stats, at: Int64, data: bytes, quoter: Quoter) -> Arrow:
    """The values of one stat of these events as JSON texts."""
    kind = int(stats.kind[at[0]])
    bits = stats.value[at]
    if kind == INT64:
        return arrow(bits.view(np.int64)).cast(pa.string())
    if kind == UINT64:
        return arrow(bits).cast(pa.string())
    if kind == DOUBLE:
        return _reals(bits)
    if kind == REF:
        coded = arrow(bits).dictionary_encode()
        return arrow([quoter.ref(target) for target in coded.dictionary.to_pylist()]).take(coded.indices)
    if kind not in (STR, BYTES_VALUE):
        raise ValueError(f"not a kind of stat: {kind}")
    starts, sizes = stats.at[at].tolist(), bits.tolist()
    return arrow([quoter.text(data[start : start + size], kind) for start, size in zip(starts, sizes, strict=True)])


def _reals(bits: Uint64) -> Arrow:
    """Doubles as JSON texts."""
    numbers = bits.view(np.float64)
    texts = arrow(numbers).cast(pa.string())
    finite = np.isfinite(numbers)
    if finite.all():
        return texts
    import pyarrow.compute as pc  # late: a breakdown starts without

    return pc.if_else(arrow(finite), texts, _quoted(texts))


def _quoted(texts: Arrow) -> Arrow:
    return _join(pa.scalar('"'), texts, pa.scalar('"'))


def _join(*pieces: Arrow) -> Arrow:
    """Row by row, the texts one behind the other."""
    import pyarrow.compute as pc  # late: see _reals

    return pc.binary_join_element_wise(*pieces, "")
