"""A breakdown of a trace that goes by batch by batch: to the last digit that of the whole table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from analysis_tables import events, marker, op, step
from places import ROOT

from dlprof import frameworks, ingest, keyed, schema
from dlprof.analysis import columns
from dlprof.analysis.model import Workless
from dlprof.analysis.trace import breakdown, pieces
from dlprof.api.import_traces import read_summed
from dlprof.ingest.finish import spill
from dlprof.native import library

TRACES = ROOT / "traces"
DATA = ROOT / "tests" / "unit" / "ingest" / "data"
RECORDED = [
    TRACES / "lenet-tf-exact" / "raw",
    TRACES / "lenet-mxnet-native" / "raw",
    TRACES / "transformer-jax-flax" / "raw",
    DATA / "autodiff-tf-1.12.2-eager.timeline.json",
    DATA / "pytorch" / "plain.pt.trace.json.gz",
]


def everything(found: breakdown.Breakdown) -> list[Any]:
    told = [found.outside(), found.elsewhere(), found.empty(), found.workless(), found.keys()]
    return [found.table().to_pylist(), *told]


def in_batches(table: pa.Table, size: int, by: str, where: breakdown.Where) -> breakdown.Breakdown:
    found = breakdown.Breakdown(by, where, levels=columns.text(table, "level").present())
    for at in range(0, table.num_rows, size):
        found.take(table.slice(at, size))
    return found


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.name[:12]}")
def test_where_batches_end_changes_no_digit(path, monkeypatch):
    batches: list[pa.RecordBatch] = []
    ingest.read([path], root=path.parent, vocabularies=frameworks.vocabularies(), sink=batches.append)
    table = pa.Table.from_batches(batches).combine_chunks()
    for by in breakdown.KEYS:
        for where in ("work", "host"):
            with monkeypatch.context() as smaller:
                smaller.setattr(pieces, "RANGE", 600)
                smaller.setattr(pieces, "_IN_MEMORY", 4096)
                smaller.setattr(keyed, "IN_MEMORY", 4096)
                smaller.setattr(keyed, "RUN", 300)
                found = everything(in_batches(table, table.num_rows // 9 + 1, by, where))
            assert found == everything(breakdown.of(table, by, where)), (by, where)


SMALL = events(
    step(0, 0, 100),
    op("Conv", 5, 60, name="outer", self_ps=20_000, step=0),
    op("Conv", 10, 30, name="inner", parent=1, self_ps=20_000, step=0),
    op("Conv", 35, 50, name="inner", parent=1, self_ps=15_000, step=0),
    op("Add", 70, 80, step=0),
    op("Add", 75, 90, track=1, step=0),  # beside the one on the other track
    op("Relu", 80, 95, track=1, step=0),  # and into it, without lying inside
    marker("dlprof:input", 0, 4),
)
GPU = events(
    {"level": "op", "device": "host", "op": "Gemm", "phase": "forward", "start": 0, "end": 50},
    {"level": "api", "device": "host", "name": "cudaLaunchKernel", "correlation": 1, "start": 10, "end": 12},
    {"level": "kernel", "device": "gpu:0", "track": 1, "kernel": "sgemm", "launch": 0, "start": 20, "end": 60},
    {"level": "kernel", "device": "gpu:0", "track": 1, "kernel": "lost", "launch": 1, "start": 60, "end": 70},
    {"level": "copy", "device": "gpu:0", "track": 2, "name": "Memcpy HtoD (a -> b)", "start": 65, "end": 75},
)


@pytest.mark.parametrize("by", breakdown.KEYS)
@pytest.mark.parametrize("table", [SMALL, GPU], ids=["nested", "launched"])
def test_one_event_a_batch(table, by):
    for where in ("work", "host"):
        assert everything(in_batches(table, 1, by, where)) == everything(breakdown.of(table, by, where))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.name[:12]}")
@pytest.mark.parametrize("reader", library.CHOICES)
def test_rows_of_which_only_sums_are_told_change_no_digit(path, reader, monkeypatch):
    monkeypatch.setenv(library.VARIABLE, reader)
    batches: list[pa.RecordBatch] = []
    known = frameworks.vocabularies()
    info = ingest.read([path], root=path.parent, vocabularies=known, sink=batches.append)
    table = pa.Table.from_batches(batches).combine_chunks()
    monkeypatch.setattr(spill, "RANGE_ROWS", 400)  # several ranges, of which rows reach into the next
    monkeypatch.setattr(spill, "_SAMPLE", 16)
    for by, where in (("op", "work"), ("op", "host"), ("step", "work"), ("phase", "work"), ("stream", "host")):
        manifest, found = read_summed(path, by, where, repair=False)
        assert everything(found) == everything(breakdown.of(table, by, where)), (by, where)
        facts = manifest.trace
        assert facts is not None
        assert (facts.anomalies, facts.completeness) == (info.anomalies, info.completeness)
        assert (facts.events, facts.facts) == (info.events, info.facts)


def test_few_rows_of_a_cpu_are_seen_one_by_one():
    seen: list[int] = []

    class Counting(breakdown.Breakdown):
        def take(self, batch: pa.Table) -> None:
            seen.append(batch.num_rows)
            super().take(batch)

    found: list[Counting] = []

    def begin(ahead: ingest.Ahead) -> Counting:
        found.append(Counting("op", levels=ahead.levels, launched=ahead.launched))
        return found[0]

    info = ingest.read(
        [RECORDED[0]],
        root=TRACES,
        vocabularies=frameworks.vocabularies(),
        sink=lambda batch: found[0].take(pa.Table.from_batches([batch])),
        ahead=begin,
    )
    counts = found[0].elsewhere().count + found[0].outside().count
    assert sum(seen) < info.events / 4
    assert counts > info.events / 2


def test_concurrent_work_is_divided_exactly():
    rows = [op(name, 0, 10, track=track, step=0) for track, name in enumerate(("A", "B", "C"))]
    shown = breakdown.view(events(step(0, 0, 10), *rows), "op")["wall_ns"].to_pylist()
    assert shown == pytest.approx([10 / 3] * 3, rel=1e-12)


def test_a_step_of_one_rank_is_empty_though_another_rank_worked():
    rows = [step(0, 0, 10) | {"rank": 0}, op("A", 1, 9, step=0) | {"rank": 0}, step(0, 0, 10) | {"rank": 1, "track": 1}]
    assert breakdown.of(events(*rows), "step").workless() == Workless(1, 10.0)


def test_levels_are_known_before_the_first_event():
    for path in RECORDED:
        batches: list[pa.RecordBatch] = []
        told: list[ingest.Ahead] = []

        def begin(ahead: ingest.Ahead, told=told, batches=batches) -> None:
            assert not batches
            told.append(ahead)

        ingest.read([path], root=path.parent, vocabularies=frameworks.vocabularies(), sink=batches.append, ahead=begin)
        table = pa.Table.from_batches(batches, schema.EVENTS)
        assert told[0].levels == columns.text(table, "level").present()
        assert told[0].launched or table["launch"].null_count == table.num_rows
