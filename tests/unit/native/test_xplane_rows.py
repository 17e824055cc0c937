"""Rows of a thread by the compiled part: of any events what NumPy finds, and nothing where something is counted or left out."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields

import numpy as np
import pytest

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import Pools
from dlprof.ingest.protobuf.event_windows import Events, Stats
from dlprof.ingest.protobuf.small_lines import Line
from dlprof.ingest.protobuf.space import ByteFile, EventName, Plane, Space
from dlprof.ingest.protobuf.wire import Window
from dlprof.ingest.reader import Context
from dlprof.ingest.xplane.hlo_columns import HloColumns
from dlprof.ingest.xplane.hlo_module import Modules
from dlprof.ingest.xplane.rows import PlaneRows, Shared
from dlprof.native import library, xplane_rows

pytestmark = pytest.mark.skipif(library.found().functions is None, reason="no C compiler when dlprof was installed")
INPUTS = 300
NAMES = (
    "forward/conv1/Conv2D:Conv2D",
    "EagerLocalExecute: Relu",
    "EagerLocalExecute: MatMul",
    "EagerLocalExecute: __inference_f_3",
    "KernelAndDeviceFunc::Run",
    "KernelAndDeviceFunc::Run",
    "ExecutorState::Process",
    "dlprof:step=3",
)
NO_STATS = Stats(*(np.empty(0, dtype=kind) for kind in ("i8", "i8", "u1", "u8", "i8")))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def compiled_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reader the tests are run with."""
    monkeypatch.setenv(library.VARIABLE, "native")


def of_plane(ids: list[int]) -> PlaneRows:
    context = Context("m", "m", Pools(), Anomalies(), repair=True)
    plane = Plane(
        name="/host:CPU", events={id_: EventName(name, "", ()) for id_, name in zip(ids, NAMES, strict=False)}
    )
    modules = Modules(ByteFile(io.BytesIO()), Space(), lambda: None)
    return PlaneRows(plane, Shared(context, bytes.decode, HloColumns(modules, context), accelerated=False), None)


@dataclass
class Drawn:
    """Events of a few lines, some in pieces, and the place in time of each line."""

    lines: list[Line]
    rows: list[int]
    events: Events
    number: np.ndarray


def drawn(draws: np.random.Generator, ids: list[int], odd: bool) -> Drawn:
    rows = draws.integers(0, 12, int(draws.integers(1, 5))).tolist()
    count = sum(rows)
    zero = int(draws.choice([0, 1_700_000_000_000_000_000, 5]))
    lines = [Line(int(draws.integers(0, 3)), b"python", zero + int(draws.integers(0, 10**9))) for _ in rows]
    id_ = draws.choice(ids, count).astype(np.int64)
    offset, duration = draws.integers(0, 2**50, count), draws.integers(0, 2**40, count)
    if odd and count:
        where = int(draws.integers(0, count))
        column, value = [
            (id_, 999),
            (id_, -1),
            (id_, 2**63 - 1),
            (offset, 2**62),
            (offset, -(2**63)),
            (duration, -1),
            (duration, 2**62),
        ][int(draws.integers(0, 7))]
        column[where] = value
    if odd and not draws.integers(0, 4):
        lines[0].timestamp_ns = int(draws.choice([2**63 - 1, -(2**63)]))
    once, none = np.ones(count, dtype=np.int64), np.zeros(count, dtype=bool)
    number = np.cumsum(draws.integers(0, 2, len(rows)))
    return Drawn(lines, rows, Events(Window(b"", 0), id_, offset, duration, once, none, NO_STATS, 0), number)


def told(rows: xplane_rows.Rows) -> dict[str, object]:
    values = {one.name: getattr(rows, one.name) for one in fields(rows)}
    return {
        name: (value.dtype, value.tolist()) if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


@pytest.mark.parametrize("ids", [[1, 2, 3, 4, 5, 9, 10, 11], [0, 3, 4, 8, 70, 71], [7, 8, 9]])
@pytest.mark.parametrize("odd", [False, True])
def test_rows_of_threads_are_those_of_numpy(ids: list[int], odd: bool) -> None:
    here, there = of_plane(ids), of_plane(ids)
    taken = 0
    for seed in range(INPUTS):
        one = drawn(np.random.default_rng(seed), ids, odd)
        if seed % 3:  # else the operator that was dispatched last is still known
            here.new_line()
            there.new_line()
        given = one.lines, one.rows, one.events, one.number
        found, duration, plain = here._threads(*given)
        expected, lasting = there._in_numpy(*given)
        assert told(found) == told(expected)
        assert duration.tolist() == lasting.tolist()
        assert not plain or (np.abs(found.start_ps) <= xplane_rows.FURTHEST_PS).all()
        taken += plain
    assert here._ctx.anomalies.counts == there._ctx.anomalies.counts
    assert here._ctx.pools.text == there._ctx.pools.text
    assert taken == INPUTS if not odd else 0 < taken < INPUTS / 2


def test_ids_too_large_for_a_table_are_left_to_numpy() -> None:
    rows = of_plane([1, 2**40])
    one = drawn(np.random.default_rng(1), [1, 2**40], odd=False)
    assert not rows._threads(one.lines, one.rows, one.events, one.number)[2]


def test_codes_outside_of_their_tables_are_refused() -> None:
    codes, flags = np.array([0, 5], dtype=np.int32), np.zeros(2, dtype=np.bool_)
    events = tuple(np.zeros(1, dtype=np.int64) for _ in range(3))
    runs = xplane_rows.Runs(np.zeros(1, dtype=np.int64), [1], [0], [0])

    def asked(places: list[int], lookup: list[int], runs: xplane_rows.Runs = runs) -> xplane_rows.Rows | None:
        names = xplane_rows.Names(
            *(2, np.array(places), codes, np.zeros(2, dtype=np.int8), np.array(lookup, dtype=np.int32), codes),
            *((flags, flags, codes), 1),
        )
        return xplane_rows.host_rows(events, runs, names, np.array([3, -1], dtype=np.int32), -1)  # type: ignore[arg-type]

    assert asked([2, 0, 1], [0, 0]) is not None
    assert asked([2, 2, 1], [0, 0]) is None
    assert asked([2, -1, 1], [0, 0]) is None
    assert asked([2], [0, 0]) is None
    assert asked([2, 0, 1], [1, 0]) is None
    assert asked([2, 0, 1], [-2, 0]) is None
    for events_of in ([0], [2], [-1], []):
        wrong = xplane_rows.Runs(np.zeros(1, dtype=np.int64), events_of, [0] * len(events_of), [0] * len(events_of))
        assert asked([2, 0, 1], [0, 0], wrong) is None
