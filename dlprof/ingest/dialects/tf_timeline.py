"""What the events of a TensorFlow 1 timeline mean.

GPU work stands in the file twice: on `/gpu:N/stream:all` (kernels) and `/gpu:N/memcpy` (copies), and again on the single
streams `/gpu:N/stream:S`. The streams are taken, the other side is left out and counted; where a file has no single streams,
the other side is all there is and is taken. `/job:…/gpu:0 Compute` is the host scheduling what the GPU runs.
dlprof's own markers stand in a process `dlprof`, or beside eager operators (frameworks/tensorflow/adapter/tf1_trace.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.json.common_columns import argument_texts, category_codes, counter_value, keyed, name_codes
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import Dialect, Mask, Phases
from dlprof.names import is_marker

_GPU: Final = re.compile(
    r"(?:.*/)?(?:device:)?gpu:(\d{1,9})/(stream:all|stream:(\d+)|memcpy)(?: Compute)?", re.IGNORECASE
)
_JOB: Final = re.compile(r"/job:.*/(?:device:)?(cpu|gpu):(\d{1,9}) Compute", re.IGNORECASE)

Role = Literal["stream", "all", "cpu", "scheduling", "other"]


@dataclass(frozen=True, slots=True)
class Place:
    """What a process of the timeline is: role, device index, stream."""

    role: Role
    index: int = 0
    stream: str = ""


class _Args(msgspec.Struct, gc=False):
    name: str | None = None
    op: str | None = None

    @property
    def type(self) -> str | None:
        """Eager execution leaves no label, so that the op is `unknown` and the node's name is the operator's."""
        return self.name if self.op == "unknown" else self.op

    @property
    def path(self) -> str | None:
        """The node's name, where it is one."""
        return None if self.op == "unknown" else self.name


def place(process: str) -> Place:
    """The place behind a process name."""
    if match := _GPU.fullmatch(process):
        role: Role = "stream" if match[3] else "all"
        return Place(role, int(match[1]), match[2])
    if match := _JOB.fullmatch(process):
        return Place("cpu" if match[1].lower() == "cpu" else "scheduling", int(match[2]))
    return Place("other")


@dataclass(slots=True)
class TimelineDialect(Dialect):
    """What the events of a TensorFlow 1 timeline mean (json.walk.Dialect).

    copied: (start, name) of what /memcpy lists, since a memset there has the name of its operator
    """

    copied: set[tuple[Any, str]] = field(default_factory=set)

    def dropped(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> Mask | None:
        """The second record of GPU work."""
        places = {process: place(name) for process, name in self.names.processes.items()}
        single = {where.index for where in places.values() if where.role == "stream"}
        twice = {process for process, where in places.items() if where.role == "all" and where.index in single}
        twin = np.fromiter((event.pid in twice for event in events), dtype=bool, count=len(events))
        twin &= ph == ord("X")
        self.ctx.anomalies.count("tf1_duplicate_gpu_record", int(twin.sum()))
        copies = {process for process in twice if places[process].stream == "memcpy"}
        self.copied.update(_when(event) for event in compress(events, twin) if event.pid in copies)
        return twin

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        args = [_args(event) for event in rows]
        pool = self.ctx.pool
        level = np.array([self._level(event, a) for event, a in zip(rows, args, strict=True)], dtype=np.int8)
        level[ph == ord("C")] = LEVEL["counter"]
        types = [a.type or event.name for event, a in zip(rows, args, strict=True)]
        works = (level == LEVEL["op"]) | (level == LEVEL["kernel"]) | (level == LEVEL["copy"])
        kernels = [
            t if work and kind != LEVEL["copy"] else None for t, work, kind in zip(types, works, level, strict=True)
        ]
        value = np.array(
            [counter_value(e) if kind == LEVEL["counter"] else np.nan for e, kind in zip(rows, level, strict=True)]
        )
        return RawBatch(
            track=self._tracks(rows),
            name=name_codes(self.ctx, rows),
            start_ps=start,
            duration_ps=duration,
            level=level,
            lookup=pool("lookup").encode([t if work else None for t, work in zip(types, works, strict=True)]),
            op_path=pool("op_path").encode([a.path if work else None for a, work in zip(args, works, strict=True)]),
            kernel=pool("kernel").encode(kernels),
            category=category_codes(self.ctx, rows),
            value=value,
            args=argument_texts(rows),
        )

    def _level(self, event: Event, args: _Args) -> int:
        if is_marker(event.name):
            return LEVEL["marker"]
        role = place(self.names.processes.get(event.pid, "")).role
        if role in ("stream", "all"):
            copied = _when(event) in self.copied
            named = (args.op or event.name).upper().startswith(("MEMCPY", "MEMSET"))
            return LEVEL["copy" if copied or named else "kernel"]
        return LEVEL["op"] if role in ("cpu", "scheduling") else NO_TEXT

    def _tracks(self, rows: list[Event]) -> Int32:
        return keyed([(event.pid, event.tid) for event in rows], self._track)

    def _track(self, process: Any, thread: Any) -> int:
        name = self.names.processes.get(process, "")
        where = place(name)
        if where.role in ("stream", "all"):
            return self.ctx.track(f"gpu:{where.index}", where.stream, f"{process}/{thread}", on_device=True)
        device = f"cpu:{where.index}" if where.role == "cpu" else "host"
        return self.ctx.track(device, f"{name.removesuffix(' Compute')} {thread}", f"{process}/{thread}")


def _when(event: Event) -> tuple[Any, str]:
    """Start and name; a start that came as decimal text by its text."""
    return (bytes(event.ts) if isinstance(event.ts, msgspec.Raw) else event.ts), event.name


def _args(event: Event) -> _Args:
    try:
        return msgspec.json.decode(event.args, type=_Args)
    except (msgspec.DecodeError, RecursionError):
        return _Args()
