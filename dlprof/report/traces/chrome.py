"""Chrome trace-event JSON that Perfetto (ui.perfetto.dev) and chrome://tracing open, streamed from an event table.

One process per device, one thread per track, markers and steps on threads of their own above the others, counters as
counter tracks, launches as flow arrows. Process and thread ids are small numbers of our own: MXNet's 64-bit thread ids
exceed 2^53, where JavaScript merges neighbours. Thread ids are unique across processes: Perfetto takes one for the same
thread wherever it stands. ts and dur are decimal µs, exact to the picosecond, relative to the origin.
`ingest.dialects.own_chrome` reads the file of one capture back.
Format: "Trace Event Format", Google, 2016 (the document that both viewers follow).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from dlprof.analysis.trace import places
from dlprof.report import lanes
from dlprof.report.text.json_text import Text, as_fields, floats, integers, join, microseconds, optional, text
from dlprof.schema import SCHEMA_VERSION
from dlprof.units import PS_PER_NS

CAPTURE = "capture"
"""What `otherData` says of a file that holds the events of one capture, whole: it can be read back."""
_BATCH = 50_000
_ARGS = ("op", "phase", "layer", "source_line", "fuses", "kernel", "op_path", "shape", "dtype", "category")
_NUMBERS = ("step", "bytes", "flops", "correlation", "launch")

pc: Any = pyarrow.compute  # its stubs lack overloads for a column with a constant
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Thread:
    """One thread of the viewer: a lane of a track, of its work or of its markers."""

    tid: int
    pid: int
    name: str
    order: int
    track: int
    stream: str


@dataclass(frozen=True, slots=True)
class _Placed:
    """Events with their place in the viewer.

    start, duration: int64 ps, not negative
    pid, tid: one per event
    """

    events: Any
    start: Ints
    duration: Ints
    pid: Ints
    tid: Ints
    counter: Bools
    instant: Bools
    threads: tuple[_Thread, ...]
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Links:
    """Arrows of one kind between events: `id`s of the events at their starts and at their ends."""

    name: str
    source: Ints
    target: Ints


def export(
    events: pa.Table,
    title: str,
    *,
    links: Sequence[Links] = (),
    colours: Mapping[str, str] | None = None,
    told: Mapping[str, object] | None = None,
    producer: str = "",
    fields: bool = False,
) -> Iterator[bytes]:
    """Chunks of one JSON object; its `otherData` tells how many slices, counters and flows it holds or leaves out.

    links: arrows beside those from launches to what they launched. colours: event name → one of chrome://tracing's
    reserved colour names (`good`, `terrible`, …); Perfetto colours by name by itself. told: more entries of otherData.
    producer: who recorded the trace (manifest.TraceFacts), where that is known. fields: the producer's arguments as
    fields, for people; else as the string that was recorded, from which the file is read back.
    """
    placed = _place(places.labelled(events))
    wanted = [_launches(placed), *links]
    flows = [_drawable(placed, kind) for kind in wanted]
    valued = placed.counter & _finite(placed.events)
    decimals = 3 if not np.any(placed.start % PS_PER_NS) and not np.any(placed.duration % PS_PER_NS) else 6
    drawn = sum(len(pairs) for pairs in flows)
    other = {
        "title": title,
        "exporter": "dlprof",
        "schema_version": SCHEMA_VERSION,
        "origin_ns": _origin(events),
        "slices": int(np.sum(~placed.counter)),
        "counters": int(np.sum(valued)),
        "counters_without_value": int(np.sum(placed.counter & ~valued)),
        "flows": drawn,
        "flows_left_out": sum(len(kind.source) for kind in wanted) - drawn,
        **({"producer": producer} if producer else {}),
        **({"content": CAPTURE} if told is None else told),
    }
    head = {"displayTimeUnit": "ns", "otherData": other}
    yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b',"traceEvents":[\n'
    yield ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in _metadata(placed, title)).encode()
    parts = [_slices(placed, ~placed.counter, decimals, colours or {}, fields), _counters(placed, valued, decimals)]
    first = 1
    for kind, pairs in zip(wanted, flows, strict=True):
        parts.append(_arrows(placed, kind.name, pairs, first, decimals))
        first += len(pairs)
    for lines in parts:
        for chunk in lines:
            yield b",\n" + chunk
    yield b"\n]}\n"


def _origin(events: pa.Table) -> int | None:
    value = (events.schema.metadata or {}).get(b"origin_ns")
    return None if value in (None, b"") else int(value)


def _finite(events: Any) -> Bools:
    finite: Bools = np.isfinite(events["value"].to_numpy().astype(np.float64))
    return finite


def _place(events: Any) -> _Placed:
    """Sorts by start (outer before inner), shifts a negative start to zero, gives each event its process and thread."""
    start = events["start_ps"].to_numpy()
    start = start - min(0, int(start.min())) if len(start) else start
    duration = events["duration_ps"].to_numpy()
    order = np.lexsort((events["id"].to_numpy(), -duration, start))
    events = events.take(pa.array(order)).combine_chunks().unify_dictionaries()
    start, duration = start[order], duration[order]
    level = events["level"].cast(pa.string())
    counter = pc.equal(level, "counter").to_numpy()
    marker = pc.equal(level, "marker").to_numpy()
    devices, pid = _processes(events)
    threads: list[_Thread] = []
    tid = np.zeros(len(order), dtype=np.int64)
    tracks, streams = events["track"].to_numpy(), events["stream"].cast(pa.string())
    named = _named(events)
    for rows, name, rank in _groups(events, marker, counter, named):
        lane = lanes.assign(start[rows], duration[rows])
        for number in range(int(lane.max()) + 1):
            threads.append(
                _Thread(
                    tid=len(devices) + 1 + len(threads),
                    pid=int(pid[rows[0]]),
                    name=name if number == 0 else f"{name} · lane {number + 1}",
                    order=rank,
                    track=int(tracks[rows[0]]),
                    stream=streams[int(rows[0])].as_py(),
                )
            )
            tid[rows[lane == number]] = threads[-1].tid
    return _Placed(events, start, duration, pid, tid, counter, marker & (duration == 0), tuple(threads), devices)


def _processes(events: Any) -> tuple[tuple[str, ...], Ints]:
    """Devices in their order (host and CPU first, numbers as numbers) and the process of each event, counted from 1."""
    names = events["device"].cast(pa.string())
    devices = tuple(sorted(set(names.to_pylist()), key=_device_order))
    number = {name: pid for pid, name in enumerate(devices, start=1)}
    encoded = names.combine_chunks().dictionary_encode()
    by_code = np.array([number[name] for name in encoded.dictionary.to_pylist()], dtype=np.int64)
    return devices, by_code[encoded.indices.to_numpy()]


def _device_order(name: str) -> tuple[int, str, int]:
    kind, _, index = name.partition(":")
    return ({"host": 0, "cpu": 1}.get(kind, 2), kind, int(index) if index.isdigit() else 0)


def _named(events: Any) -> dict[int, str]:
    """What each track is called: its stream's name, a handle of 64 bits as a small number."""
    tracks = events.select(["track", "device", "stream"]).group_by(["track", "device", "stream"]).aggregate([])
    told = [(one["track"], one["device"], one["stream"]) for one in tracks.sort_by("track").to_pylist()]
    names = lanes.names((device, stream) for _, device, stream in told)
    return {track: names[device, stream] for track, device, stream in told}


def _groups(events: Any, marker: Bools, counter: Bools, named: Mapping[int, str]) -> Iterator[tuple[Ints, str, int]]:
    """Rows of each future thread (markers of a track apart from its work), its name and its rank in its process."""
    track = events["track"].to_numpy().astype(np.int64)
    key = np.where(counter, -1, track * 2 + ~marker)
    order = np.argsort(key, kind="stable")
    bounds = np.flatnonzero(np.diff(key[order], prepend=-2))
    for rows in np.split(order, bounds[1:]) if len(order) else []:
        if key[rows[0]] < 0:
            continue
        stream = named[int(track[rows[0]])]
        is_marker = bool(marker[rows[0]])
        name = f"steps and markers · {stream}" if is_marker else stream
        yield rows, name, int(track[rows[0]]) + (0 if is_marker else 1_000_000)


def _metadata(placed: _Placed, title: str) -> Iterator[dict[str, object]]:
    owners, nesting = _owners(placed), _nesting(placed.events)
    for pid, device in enumerate(placed.devices, start=1):
        name = f"{title} · {device}" if title else device
        yield _meta("process_name", pid, 0, {"name": name, **owners[pid]})
        yield _meta("process_sort_index", pid, 0, {"sort_index": pid})
    ranked = {thread.tid: rank for rank, thread in enumerate(sorted(placed.threads, key=lambda t: (t.order, t.tid)))}
    for thread in placed.threads:
        told = {"track": thread.track, "stream": thread.stream, "nests": thread.track in nesting}
        yield _meta("thread_name", thread.pid, thread.tid, {"name": thread.name, **told})
        yield _meta("thread_sort_index", thread.pid, thread.tid, {"sort_index": ranked[thread.tid]})


def _owners(placed: _Placed) -> dict[int, dict[str, object]]:
    """Device, host and rank of each process, for who reads the file back: its name has them all in one."""
    pids, first = np.unique(placed.pid, return_index=True)
    found = {}
    for pid, row in zip(pids.tolist(), first.tolist(), strict=True):
        host, rank = (placed.events[name][row].as_py() for name in ("host", "rank"))
        device = placed.devices[pid - 1].removeprefix(f"{host}/").removeprefix(f"rank{rank}/")
        told = {"device": device, "host": host, "rank": rank}
        found[pid] = {name: value for name, value in told.items() if value is not None}
    return found


def _nesting(events: Any) -> frozenset[int]:
    """Tracks on which events lie in each other."""
    inside = (events["self_ps"].to_numpy() != events["duration_ps"].to_numpy()) | events["parent"].is_valid().to_numpy()
    return frozenset(np.unique(events["track"].to_numpy()[inside]).tolist())


def _meta(name: str, pid: int, tid: int, args: dict[str, object]) -> dict[str, object]:
    return {"ph": "M", "name": name, "pid": pid, "tid": tid, "args": args}


def _pieces(mask: Bools) -> Iterator[Ints]:
    rows = np.flatnonzero(mask)
    for first in range(0, len(rows), _BATCH):
        yield rows[first : first + _BATCH]


def _lines(column: Text) -> bytes:
    return ",\n".join(column.to_pylist()).encode()


def _number(values: Ints) -> Text:
    return pa.array(values).cast(pa.large_string())


def _slices(placed: _Placed, mask: Bools, decimals: int, colours: Mapping[str, str], fields: bool) -> Iterator[bytes]:
    """`X` events; a marker without duration is an instant (`i`): chrome://tracing does not show a zero-length slice."""
    for rows in _pieces(mask):
        part = placed.events.take(pa.array(rows))
        ends = pa.array(np.where(placed.instant[rows], "i", "X")).cast(pa.large_string())
        length = join(',"dur":', microseconds(placed.duration[rows], decimals))
        length = pc.if_else(pa.array(placed.instant[rows]), pa.scalar(',"s":"t"', pa.large_string()), length)
        yield _lines(
            join(
                '{"ph":"',
                ends,
                '","pid":',
                _number(placed.pid[rows]),
                ',"tid":',
                _number(placed.tid[rows]),
                ',"ts":',
                microseconds(placed.start[rows], decimals),
                length,
                ',"name":',
                text(part["name"]),
                ',"cat":',
                text(part["level"]),
                _colour(part, colours),
                ',"args":{',
                _args(part, fields),
                "}}",
            )
        )


def _colour(part: Any, colours: Mapping[str, str]) -> Text:
    names: list[str] = part["name"].to_pylist() if colours else [""] * part.num_rows
    return optional("cname", text(pa.array([colours.get(name) for name in names], pa.string())))


def _args(part: Any, fields: bool) -> Text:
    """Members of `args`. The producer's own are fields, or one string: JavaScript would change large numbers in them."""
    members = [join('"id":', integers(part["id"]))]
    members += [optional(name, text(part[name])) for name in _ARGS]
    members += [optional(name, integers(part[name])) for name in _NUMBERS]
    many = pc.if_else(pc.equal(part["occurrences"], 1), None, part["occurrences"])
    members.append(optional("occurrences", integers(many)))
    other = pc.if_else(pc.equal(part["calls"], part["occurrences"]), None, part["calls"])
    members.append(optional("calls", integers(other)))
    if "recorded_as" in part.column_names:
        members.append(optional("recorded_as", text(part["recorded_as"])))
    members.append(optional("recorded", as_fields(part["args"]) if fields else text(part["args"])))
    return join(*members)


def _counters(placed: _Placed, mask: Bools, decimals: int) -> Iterator[bytes]:
    """`C` events. Perfetto keys a counter by process and name, so tracks of a device that share one add theirs."""
    names = _counter_names(placed.events, placed.counter, placed.pid)
    for rows in _pieces(mask):
        part = placed.events.take(pa.array(rows))
        yield _lines(
            join(
                '{"ph":"C","pid":',
                _number(placed.pid[rows]),
                ',"tid":0,"ts":',
                microseconds(placed.start[rows], decimals),
                ',"name":',
                text(names.take(pa.array(rows))),
                ',"args":{"value":',
                floats(part["value"]),
                "}}",
            )
        )


def _counter_names(events: Any, counter: Bools, pid: Ints) -> Text:
    names = events["name"].cast(pa.large_string()).combine_chunks()
    if not counter.any():
        return names
    table = pa.table({"name": names, "pid": pa.array(pid), "track": events["track"]}).filter(pa.array(counter))
    tracks = table.group_by(["name", "pid"]).aggregate([("track", "count_distinct")])
    shared = pc.unique(tracks.filter(pc.greater(tracks["track_count_distinct"], 1))["name"])
    own = join(names, " · ", events["stream"].cast(pa.large_string()).combine_chunks())
    return pc.if_else(pc.is_in(names, value_set=shared), own, names)


def _launches(placed: _Placed) -> Links:
    """The launches that the table records (column `launch`)."""
    launch = placed.events["launch"]
    target = placed.events["id"].to_numpy()[launch.is_valid().to_numpy()]
    return Links("launch", launch.drop_null().to_numpy(), target)


def _drawable(placed: _Placed, links: Links) -> Ints:
    """Links as rows (source, target), without those that cannot be drawn.

    A flow must start and end inside a slice and go forward in time, or Perfetto drops it. So one whose source is not in
    the table, whose source or target is shorter than 1 ns, or whose target starts first (two clocks) is left out.
    """
    pairs: Ints = np.stack([_rows(placed, links.source), _rows(placed, links.target)], axis=1)
    pairs = pairs[np.all(pairs >= 0, axis=1)]
    forward = placed.start[pairs[:, 0]] <= placed.start[pairs[:, 1]]
    seen: Bools = np.all((placed.duration[pairs] >= PS_PER_NS) & ~placed.counter[pairs], axis=1)
    drawable: Ints = pairs[forward & seen]
    return drawable


def _rows(placed: _Placed, wanted: Ints) -> Ints:
    """Row of each event id; -1 where the table has no such event."""
    ids: Ints = placed.events["id"].to_numpy()
    order = np.argsort(ids, kind="stable")
    at = np.searchsorted(ids[order], wanted)
    inside = at < len(ids)
    rows: Ints = np.full(len(wanted), -1, dtype=np.int64)
    hit = np.flatnonzero(inside)[ids[order[at[inside]]] == wanted[inside]]
    rows[hit] = order[at[hit]]
    return rows


def _arrows(placed: _Placed, name: str, flows: Ints, number: int, decimals: int) -> Iterator[bytes]:
    """`s` and `f` events, after the slices: at equal times Perfetto keeps the file's order, slice first."""
    title = json.dumps(name, ensure_ascii=False)
    for first in range(0, len(flows), _BATCH):
        piece = flows[first : first + _BATCH]
        ids = _number(np.arange(number + first, number + first + len(piece), dtype=np.int64))
        for phase, rows in (('"s"', piece[:, 0]), ('"f","bp":"e"', piece[:, 1])):
            yield _lines(
                join(
                    f'{{"ph":{phase},"cat":{title},"name":{title},"id":',
                    ids,
                    ',"pid":',
                    _number(placed.pid[rows]),
                    ',"tid":',
                    _number(placed.tid[rows]),
                    ',"ts":',
                    microseconds(placed.start[rows], decimals),
                    "}",
                )
            )
