"""Findings and event tables written out by hand, for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dlprof import schema
from dlprof.analysis import exhibits as ex
from dlprof.analysis.facts import Facts
from dlprof.analysis.model import (
    Alignment,
    Comparison,
    Completeness,
    Explained,
    ItemResult,
    Ledger,
    LedgerLine,
    Match,
    Ratio,
    Row,
    Side,
    VerdictWord,
    View,
)
from dlprof.analysis.step_timeline import Bar, Lane, Launch, Timeline
from dlprof.analysis.trace.cells import label

TF = Side("tf", "2.21.0", "cpu:0", "graph", "3.11.7", "TensorFlow 2.21.0 (graph)", "cmp/a-exact-1", "sha256:aa")
MX = Side("mxnet", "1.9.1", "cpu:0", "hybrid", "3.11.7", "MXNet 1.9.1 (hybrid)", "cmp/b-exact-1", "sha256:bb")

RATIO = Ratio(2.113, 2.021, 2.209, 0.95, 6, "t over trials of log ratios (Hodges-Lehmann per trial)")
SENTENCE = (
    "MXNet 1.9.1 (hybrid) is slower than TensorFlow 2.21.0 (graph): +111.3 % [+102.1 %, +120.9 %] time for a training "
    "step (6 trials, 95 % confidence)"
)


def ledger(**changes: Any) -> Ledger:
    """A ledger whose lines sum to its walls: 17.1 ms and 33.9 ms a step."""
    lines = (
        LedgerLine(
            "Conv backward conv2",
            "op",
            3_000_000,
            12_000_000,
            9_000_000,
            None,
            None,
            1.0,
            "same phase and layer",
            1.0,
            1.0,
            key="Conv backward conv2 ~ Conv backward conv2",
        ),
        LedgerLine("input pipeline", "input", 500_000, 9_000_000, 8_500_000, None, None, None, "no work ran"),
        LedgerLine("framework dispatch", "dispatch", 5_000_000, 2_000_000, -3_000_000, None, None, None, "in calls"),
        LedgerLine("Gemm forward dense1", "op", 8_000_000, 10_000_000, 2_000_000, None, None, 0.9, "fused"),
        LedgerLine("unexplained", "unexplained", 600_000, 900_000, 300_000, None, None, None, "no event"),
    )
    given: dict[str, Any] = {
        "basis": "step", "a_steps": 10, "b_steps": 10, "replicates": 1, "a_wall_ns": 17_100_000, "b_wall_ns": 33_900_000,
        "gap_ns": 16_800_000, "untraced_gap_ns": 17_700_000, "profiling_ns": -900_000, "lines": lines,
        "unexplained_ns": 1_500_000, "statement": "B's step is 16.8 ms longer than A's: Conv backward conv2 +9 ms",
        "notes": ("traced windows a side: 1; intervals take 6",),
    }  # fmt: skip
    return Ledger(**(given | changes))


ALIGNED = Alignment(
    (Match("Conv backward conv2", "op", ("Conv backward conv2",), ("Conv backward conv2",), 1.0, "same", 3e6, 1.2e7, 1, 1),),
    0.01, 0.02, (), ("odd_op",),
)  # fmt: skip


def event(**given: Any) -> dict[str, Any]:
    """An event with every column: what is not given is null, or plain where null is not allowed."""
    base: dict[str, Any] = dict.fromkeys(schema.EVENTS.names)
    base |= {"source": "t.json", "device": "cpu:0", "stream": "main", "track": 0, "level": "op", "name": "op"}
    base |= {"start_ps": 0, "duration_ps": 0, "self_ps": 0, "occurrences": 1, "calls": 1}
    return base | given


def table(*events: dict[str, Any], origin_ns: int | None = 1_700_000_000_000_000_000) -> pa.Table:
    """A table of schema.EVENTS; ids are the positions unless given."""
    rows = [row | {"id": at if row["id"] is None else row["id"]} for at, row in enumerate(events)]
    metadata = {"dlprof_schema_version": "1"} | ({} if origin_ns is None else {"origin_ns": str(origin_ns)})
    return pa.Table.from_pylist(rows, schema=schema.EVENTS.with_metadata(metadata))


def comparison(
    verdict: VerdictWord = "slower",
    ratio: Ratio | None = RATIO,
    rows: Sequence[Row] | None = None,
    **changes: Any,
) -> Comparison:
    """A LeNet comparison with round figures: ten traced steps a side."""
    item = ItemResult("train_block", verdict, ratio, 15_900_000.0, 33_600_000.0, SENTENCE)
    sync = ItemResult(
        "train_step_sync", "slower", Ratio(1.92, 1.85, 1.99, 0.95, 6, "t"), 17_100_000.0, 33_900_000.0, ""
    )
    given: dict[str, Any] = {
        "workload": "lenet",
        "a": TF,
        "b": MX,
        "items": (item, sync),
        "rows": tuple(ROWS if rows is None else rows),
        "explained": {
            "a": Explained(10, 171_000_000.0, 150_000_000.0, 0.8772),
            "b": Explained(10, 339_000_000.0, 322_000_000.0, 0.9499),
        },
        "profiling_overhead": {"a": 0.031, "b": None},
        "parity": ({"what": "fact", "where": "threads", "a": "2", "b": "1", "blocks": "no"},),
        "warnings": ("trial 3: the idle worker used 2.4 % of a core",),
        "anomalies": {"a.unknown_operator": 4},
        "facts": Facts(),
    }
    return Comparison(**(given | changes))


ROWS = (
    Row("Conv", "forward", "conv1", 21_000_000.0, 52_500_000.0, 31_500_000.0, 10, 10, 10, 10),
    Row("Conv", "backward", "conv2", 30_000_000.0, 90_000_000.0, 60_000_000.0, 10, 10, 20, 10),
    Row("Gemm", "forward", "dense1", 12_000_000.0, 11_000_000.0, -1_000_000.0, 10, 10, 10, 10),
    Row("BiasAdd", "forward", "dense1", 3_000_000.0, None, -3_000_000.0, 10, 0, 10, 0),
    Row("DeleteVariable", "bookkeeping", None, None, 40_000.0, 40_000.0, 0, 35, 0, 35),
    Row("Cast", "input", None, 50_000.0, None, -50_000.0, 10, 0, 10, 0),
)


def view(by: str = "op", keys: tuple[str, ...] = ("op", "phase"), rows: Sequence[dict[str, Any]] = ()) -> View:
    """A `show` table of the given rows."""
    shown = rows or (
        {"op": "Conv", "phase": "forward", "count": 480, "calls": 480, "total_ns": 2.5e9, "self_ns": 2.4e9,
         "share": 0.75, "wall_ns": 2.0e9, "known": True},
        {"op": "_npi_odd\x1b[31m", "phase": None, "count": 3, "calls": 3, "total_ns": 8e8, "self_ns": 8e8,
         "share": 0.25, "wall_ns": None, "known": False},
    )  # fmt: skip
    complete = Completeness(True, "all 240 steps hold every expected operator", {"steps": "240 of 240"})
    return View(by, keys, pa.Table.from_pylist(list(shown)), {"unknown_operator": 3}, complete)


def timeline(side: str, scale: float = 1.0) -> Timeline:
    """A step of 9 ms (times `scale`): a convolution with a kernel that was launched before, and three events of other kinds."""
    of = [
        ("Conv", "backward", "conv2", "volta_sgemm", Launch("cudaLaunchKernel", 0.0)),
        ("Gemm", "forward", "dense1", None, None),
        ("Adam", "optimizer", None, None, None),
        ("odd", None, None, None, None),
    ]
    bars = tuple(
        Bar(op, op, phase, layer, at * 2e6 * scale, 1.8e6 * scale, at % 2, label(op, phase, layer), kernel, launch)
        for at, (op, phase, layer, kernel, launch) in enumerate(of)
    )
    lanes = (Lane("cpu:0", "main"), Lane("cpu:0", "tf_Compute/-3250986219939490050"))
    return Timeline(side, 3, 9e6 * scale, lanes, bars, 2, idle=((7.8e6 * scale, 1.2e6 * scale),))


def exhibits() -> ex.Exhibits:
    """A little of everything that a page can draw."""
    ratio = Ratio(1.2, 1.1, 1.3, 0.95, 6, "t")
    return ex.Exhibits(
        trials=(ex.Trials("train_block", (0, 1, 2), (2.0, 2.1, 2.2)), ex.Trials("train_step_sync", (0, 1), (1.9, 2.0))),
        step_times=tuple(ex.StepTimes(s, "train_block", (1e7, 1.1e7), (1.2e7, 1.3e7)) for s in "ab"),
        timelines=(timeline("a"), timeline("b", 2.0)),
        epochs=tuple(ex.Epochs(s, (1, 2), (0.5, 0.2), (0.9, 0.95), (None, 0.96)) for s in "ab"),
        sweeps=(ex.Sweep("matmul", "size", (50, 150), (ratio, None), (1e5, 2e5), (2e5, None), None),),
        memory=(ex.Memory("b", "Memory: cpu/0", (0.0, 1e6, 2e6), (0.0, 2**20, 2**21)),),
    )
