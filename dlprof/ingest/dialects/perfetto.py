"""Perfetto's protobuf traces (`.pftrace`, `.perfetto-trace`): track events of any producer, and rocprofv3's kernels and calls.

Of rocprofv3 the categories tell what an event is; a kernel or copy has a flow in common with the call that launched it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import numpy as np

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, TARGET_ROWS, RawBatch
from dlprof.ingest.dialects import kineto_names
from dlprof.ingest.dialects.rocm_names import copy_name
from dlprof.ingest.perfetto.events import Meaning, Reading
from dlprof.ingest.perfetto.packet_names import packet_name
from dlprof.ingest.perfetto.slices import Event
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.ingest.tables.rows import batch
from dlprof.names import is_marker
from dlprof.plugin import Operator, Vocabulary

KERNELS: Final = "kernel_dispatch"
COPIES: Final = "memory_copy"
MARKS: Final = "marker_api"
_CALLS: Final = re.compile(r"(hip|hsa|rccl|rocdecode|rocjpeg)_api")
_NUMBER: Final = re.compile(r"\d+")
_FAR: Final = 2**62


class _Rocprof:
    """What rocprofv3's categories mean; others mean nothing in particular. seen: whether the file has any."""

    def __init__(self) -> None:
        self.seen = False

    def __call__(self, name: str, category: str, arguments: Callable[[], dict[str, str]]) -> Meaning:
        if category == KERNELS:
            self.seen = True
            told = arguments()
            return Meaning(
                name, LEVEL["kernel"], _device(told, "agent"), kernel=name, correlation=_whole(told.get("corr_id"))
            )
        if category == COPIES:
            self.seen = True
            told = arguments()
            to_host = "DEVICE_TO_HOST" in name
            return Meaning(
                copy_name(name),
                LEVEL["copy"],
                _device(told, "src_agent" if to_host else "dst_agent"),
                lookup="gpu_memcpy",
                bytes=_whole(told.get("copy_bytes")),
                correlation=_whole(told.get("corr_id")),
            )
        if category == MARKS:
            self.seen = True
            return Meaning(name, LEVEL["marker"], lookup=kineto_names.ANNOTATION + name, linked=False)
        if _CALLS.fullmatch(category):
            self.seen = True
            return Meaning(name, LEVEL["api"], correlation=_whole(arguments().get("corr_id")))
        return Meaning(name, LEVEL["marker"] if is_marker(name) else NO_TEXT, linked=False)


def _device(arguments: dict[str, str], name: str) -> str:
    """The device of an agent, by the number that it is called by."""
    found = _NUMBER.search(arguments.get(name, ""))
    return f"gpu:{int(found[0]) if found and len(found[0]) < 6 else 0}"


def _whole(text: str | None) -> int | None:
    """An argument that is an integer."""
    try:
        number = int(text) if text is not None else None
    except ValueError:
        return None
    return number if number is None or abs(number) < 2**63 else None


class PerfettoReader:
    """Reads Perfetto's protobuf traces."""

    producer = "perfetto"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """See `reader.Reader`."""
        meaning = _Rocprof()
        reading = Reading(source, ctx, meaning)
        base: int | None = None
        events = reading.events()
        while some := list(islice(events, TARGET_ROWS)):
            if base is None:
                # From the first event on: a machine's own clock may be months old, and picoseconds hold 106 days.
                base = some[0].start
                ctx.origin_ns = reading.clocks.unix(base)
            if meaning.seen:
                ctx.nested, ctx.producer = True, "rocprofv3"
            yield _batch(ctx, some, base)
        _say(ctx, reading)

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """See `reader.Reader`: ranges that users named have the names that PyTorch's profiler gives its own."""
        return kineto_names.operator(name, vocabulary)


def _batch(ctx: Context, events: list[Event], base: int) -> RawBatch:
    def texts(name: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.array([getattr(event, name) for event in events], dtype=np.int32)

    def numbers(values: list[int | None]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([NO_INT if value is None or abs(value) >= 2**63 else value for value in values], dtype=np.int64)

    start = [max(min(event.start - base, _FAR), -_FAR) for event in events]
    end = [max(min(event.start - base + event.duration, _FAR), -_FAR) for event in events]
    return batch(
        ctx,
        {"start": np.array(start, dtype=np.int64), "end": np.array(end, dtype=np.int64)},
        track=texts("track"),
        name=texts("name"),
        level=np.array([event.level for event in events], dtype=np.int8),
        lookup=texts("lookup"),
        kernel=texts("kernel"),
        category=texts("category"),
        correlation=numbers([event.correlation for event in events]),
        bytes=numbers([event.bytes for event in events]),
        value=np.array([event.value for event in events]),
        args=[f"{{{event.args}}}" if event.args else None for event in events] if ctx.wants("args") else None,
    )


def _say(ctx: Context, reading: Reading) -> None:
    """What the file holds and no event tells."""
    if reading.unread:
        told = ", ".join(f"{packet_name(number)} ({count})" for number, count in sorted(reading.unread.items()))
        ctx.completeness["packets"] = f"not read, and in no sum: {told}"
    if reading.odd:
        told = ", ".join(f"{number} ({count})" for number, count in sorted(reading.odd.items()))
        ctx.completeness["fields of events"] = f"not read, by their numbers in TrackEvent: {told}"
    losses = {name: count for name, count in reading.losses.items() if count}
    if losses:
        told = ", ".join(f"{count} {name}" for name, count in losses.items())
        ctx.completeness["profiler"] = f"the tracing service lost events: {told}"


READER: Final = PerfettoReader()
