"""The distinct event names of a plane: what each is, found out once and not for every event of that name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_TEXT, Int32, Int64
from dlprof.ingest.protobuf.space import Plane
from dlprof.ingest.reader import Context
from dlprof.ingest.xplane.eager_ops import EagerKernels
from dlprof.ingest.xplane.event_metadata import SharedStats
from dlprof.ingest.xplane.hlo_columns import HloColumns
from dlprof.ingest.xplane.hlo_names import communication, moving
from dlprof.ingest.xplane.plane_names import NETWORK, device, host_op, is_copy
from dlprof.ingest.xplane.run_programs import called_program
from dlprof.ingest.xplane.run_steps import is_launch
from dlprof.names import is_marker

_DENSE: Final = 1 << 14
"""Ids below which there is a table of all of them: profilers count from one."""


@dataclass(frozen=True, slots=True)
class EventNames:
    """Per distinct event name of a plane, indexed by position in `ids` (sorted): pool codes and the level hint.

    places: of each id from -1 on its position, of one that is unknown len(ids); None where ids are too large for a table
    name, lookup, op_path: codes in the pools of these columns; the last of each, and of level, is for unknown ids
    moving: code in the pool of lookup of what a device's kernel sends or receives by its own name, NO_TEXT for all others
    eager: which operator an eager kernel's run executed
    shared: what the names' metadata say of all their events
    launch: whether the name is that of a program's launch; calls: code of the module that it calls (HloColumns.module)
    """

    ids: Int64
    places: Int64 | None
    name: Int32
    lookup: Int32
    op_path: Int32
    moving: Int32
    level: npt.NDArray[np.int8]
    eager: EagerKernels
    shared: SharedStats
    launch: npt.NDArray[np.bool_]
    calls: Int32
    on_device: bool

    def rows(self, metadata_id: Int64) -> tuple[Int64, npt.NDArray[np.bool_]]:
        """(position of each id, whether it is known); an unknown id has position len(ids)."""
        if not len(self.ids):
            return np.zeros(len(metadata_id), dtype=np.int64), np.zeros(len(metadata_id), dtype=bool)
        if self.places is not None:
            at = self.places.take(metadata_id + 1, mode="clip")
            return at, at < len(self.ids)
        at = np.minimum(np.searchsorted(self.ids, metadata_id), len(self.ids) - 1)
        known = self.ids[at] == metadata_id
        return np.where(known, at, len(self.ids)), known

    @classmethod
    def of(cls, plane: Plane, ctx: Context, hlo: HloColumns, *, on_device: bool) -> Self:
        """The names of a plane."""
        known = sorted(plane.events.items())
        name, lookup, path, moved = (np.full(len(known) + 1, NO_TEXT, dtype=np.int32) for _ in range(4))
        level = np.full(len(known) + 1, LEVEL["kernel" if on_device else "api"], dtype=np.int8)
        for row, (_, meta) in enumerate(known):
            text = meta.name or meta.display_name
            name[row] = ctx.pool("name")[text]
            if on_device:
                if is_copy(text):
                    level[row] = LEVEL["copy"]
                elif (told := moving(text)) is not None:
                    moved[row] = ctx.pool("lookup")[told]
                continue
            if is_marker(text):
                level[row] = LEVEL["marker"]
            elif op := host_op(text):
                level[row] = LEVEL["op"]
                path[row] = ctx.pool("op_path")[op.path]
                lookup[row] = ctx.pool("lookup")[op.type or text]
        eager = EagerKernels([meta.name for _, meta in known], ctx.pool("lookup"))
        network = on_device and (device(plane.name) or ("",))[0] == NETWORK
        if network:
            lookup[:-1] = [ctx.pool("lookup")[communication(meta.name)] for _, meta in known]
        shared = SharedStats(plane, [meta for _, meta in known] if on_device else [], ctx, hlo)
        ids = np.array([key for key, _ in known], dtype=np.int64)
        launch = np.array([*(is_launch(meta.name) for _, meta in known), False], dtype=bool)
        called = [None if on_device else called_program(meta.name) for _, meta in known]
        calls = np.array([*(NO_TEXT if one is None else hlo.module(one) for one in called), NO_TEXT], dtype=np.int32)
        return cls(ids, places(ids), name, lookup, path, moved, level, eager, shared, launch, calls, on_device)


def places(ids: Int64) -> Int64 | None:
    """The position of each id from -1 on, of ids in order; the first place and the last are for what lies outside."""
    if not len(ids) or ids[0] < 0 or ids[-1] >= _DENSE:
        return None
    table = np.full(int(ids[-1]) + 3, len(ids), dtype=np.int64)
    table[ids + 1] = np.arange(len(ids))
    return table
