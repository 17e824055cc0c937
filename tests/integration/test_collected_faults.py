"""Every row of the contract beside the collected faults (README.md there): small traces of traits that are easily read wrong.

What they hold is stated here as the contract states it, in µs; the tests of each trait by itself lie in tests/unit/ingest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from json_reading import recorded
from places import TRACES
from reading import read

from dlprof import frameworks
from dlprof.analysis.trace import details, steps
from dlprof.api.load import opened
from dlprof.api.results import CaptureResult
from dlprof.cli.main import main
from dlprof.errors import TraceError

US = 1_000_000
FAULTS = TRACES / "faults"
COVERED = (
    "mtia privateuse1 othercats ascend_trace_view merged_ranks multinode ddp graph two_kernels steps_plus_tail outlier_first "
    "outlier_last overflow dupes mem quote autograd17 tpu_sparsecore_megascale flax_paths"
)


def path(name: str) -> Path:
    return recorded(f"faults/{name}")


def rows(name: str, *, repair: bool = False) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """(rows, counters)."""
    table, info = read(path(name), frameworks.vocabularies(), repair)
    return table.to_pylist(), info.anomalies


def work(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """(device, name, µs, name of what launched it) of kernels and copies."""
    return [
        (
            row["device"],
            row["name"],
            row["duration_ps"] / US,
            None if row["launch"] is None else found[row["launch"]]["name"],
        )
        for row in found
        if row["level"] in ("kernel", "copy")
    ]


@contextmanager
def shown(name: str) -> Iterator[CaptureResult]:
    with opened(path(name)) as capture:
        yield CaptureResult(capture)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `dlprof show` prints, without line breaks."""
    assert main(["show", *words]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_every_collected_file_is_held_against_its_row() -> None:
    if not FAULTS.is_dir():
        pytest.skip("the collected faults are not here (../shared/traces/faults)")
    found = {file.name.partition(".")[0] for file in FAULTS.iterdir() if file.name != "README.md"}
    assert found == set(COVERED.split())


def test_mtia() -> None:
    found, _ = rows("mtia.json")
    assert work(found) == [("mtia:9", "customized_fba_mul", 500, "aten::mul")]
    assert not [row for row in found if row["device"].startswith("cpu") and row["level"] != "op"]


def test_privateuse1() -> None:
    assert work(rows("privateuse1.json")[0]) == [("privateuse1:0", "nc_exec", 100, "aten::linear")]


def test_categories_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    found, counted = rows("othercats.json")
    kernels = {row["name"]: (row["duration_ps"] / US, row["phase"]) for row in found if row["level"] == "kernel"}
    assert kernels == {"gemm": (10, None), "relu_kernel": (5, None), "nccl:all_reduce": (40, "communication")}
    assert [row["level"] for row in found if row["name"] == "kernel_range"] == ["marker"]
    assert counted["unknown_category"] == 1
    assert "gpu_pm_counter (1 event, 4 µs)" in said(capsys, str(path("othercats.json")))


def test_the_trace_view_of_msprof() -> None:
    found, counted = rows("ascend_trace_view.json")
    assert work(found) == [("npu:0", "MatMulV2", 100, "aten::mm")]
    assert counted["derived_line_events"] == 1


def test_ranks_in_one_file() -> None:
    found, _ = rows("merged_ranks.json")
    launched = {
        row["name"]: (row["device"], row["rank"], found[row["launch"]]["name"]) for row in found if row["launch"]
    }
    assert launched["softmax_kernel"] == ("gpu:1", 1, "aten::softmax")
    softmax = next(row for row in found if row["name"] == "aten::softmax")
    assert softmax["rank"] == 1


def test_two_hosts() -> None:
    with shown("multinode") as result:
        view = result.view("device").table.to_pylist()
    assert {row["device"]: row["busy_ns"] for row in view} == {"node0/rank0/gpu:0": 100e3, "node1/rank1/gpu:0": 100e3}


def test_ranks_of_which_one_computes_three_times_as_long() -> None:
    found, _ = rows("ddp")
    kernels = [row for row in found if row["level"] == "kernel"]
    compute = {
        (row["rank"], row["step"], row["duration_ps"] // US) for row in kernels if row["phase"] != "communication"
    }
    assert compute == {(rank, step, 900 if rank == 3 else 300) for rank in range(4) for step in range(3)}
    sent = {(row["rank"], row["duration_ps"] // US) for row in kernels if row["phase"] == "communication"}
    assert sent == {(rank, 50 if rank == 3 else 650) for rank in range(4)}


def test_a_graph_is_one_call() -> None:
    with shown("graph.json") as result:
        (row,) = result.view().table.to_pylist()
    assert (row["op"], row["count"], row["calls"], row["self_ns"]) == ("MyGraph", 3, 1, 14e3)


def test_two_kernels_are_one_call_of_the_operator_around() -> None:
    with shown("two_kernels.json") as result:
        (row,) = result.view().table.to_pylist()
    assert (row["count"], row["calls"], row["self_ns"]) == (2, 1, 35e3)
    found, _ = rows("two_kernels.json")
    assert [(row["name"], row["calls"]) for row in found if row["level"] == "op"] == [
        ("aten::linear", 1),
        ("aten::addmm", 0),
    ]


def test_work_outside_the_steps() -> None:
    with shown("steps_plus_tail.json") as result:
        view = result.view("step")
    assert [(row["step"], row["self_ns"]) for row in view.table.to_pylist()] == [(0, 300e3), (1, 300e3), (2, 300e3)]
    assert (view.outside.count, view.outside.self_ns) == (1, 6e6)


def test_one_clock_that_is_far_away(capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for name in ("outlier_first.json", "outlier_last.json"):
        found, counted = rows(name)
        answers.append(work(found))
        assert counted["time_out_of_range"] == 1
        assert "'memcpyD2H', is written" in said(capsys, str(path(name)))
    assert answers[0] == answers[1] == [("gpu:0", "gemm", 10, "aten::mm"), ("gpu:0", "relu_kernel", 5, "aten::relu")]


def test_a_duration_that_runs_over_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert rows("overflow.json")[1]["stream_overlap"] == 2
    assert "The longest, fmha, lasts 1 s, and 10 µs if cut" in said(capsys, str(path("overflow.json")))


def test_a_kernel_written_twice() -> None:
    found, counted = rows("dupes.json")
    assert (work(found), counted) == ([("gpu:0", "gemm", 10, "aten::mm")], {"duplicate_event": 1})


def test_memory() -> None:
    with shown("mem.json") as result:
        peaks = details.detail(result.events, "memory").tables["peaks"].to_pylist()
    assert {row["name"]: row["peak_bytes"] for row in peaks} == {"gpu:0 allocated": 3072, "gpu:0 reserved": 4096}


def test_a_quote_within_a_name() -> None:
    with pytest.raises(TraceError, match="byte 1131"):
        rows("quote.json")
    found, counted = rows("quote.json", repair=True)
    assert [name for _, name, _, _ in work(found)] == ["gemm", "relu_kernel"]
    assert counted["damage_skipped"] == 1


def test_the_legacy_autograd_export() -> None:
    found, _ = rows("autograd17.json")
    assert work(found) == [("gpu:0", "aten::mm", 90, None)] * 3
    assert Counter(row["name"] for row in found if row["level"] == "op") == {"aten::mm": 3}


def test_a_tpu_with_its_sparse_core_and_the_network() -> None:
    events, info = read(path("tpu_sparsecore_megascale.xplane.pb"), frameworks.vocabularies())
    times: Counter[str] = Counter()
    for row in events.to_pylist():
        if row["level"] in ("kernel", "copy"):
            times[row["device"]] += row["duration_ps"] // US
    assert times == {"tpu:0": 900, "sparsecore:0.0": 400, "megascale:0": 5000}
    assert info.anomalies["async_line_events"] == 1
    assert steps.table(events)["step"].to_pylist() == [1]
    assert [row["phase"] for row in events.to_pylist() if row["device"] == "megascale:0"] == ["communication"]


def test_name_stacks_of_flax_and_maxtext() -> None:
    found, _ = rows("flax_paths.xplane.pb")
    assert [(row["layer"], row["phase"]) for row in found] == [
        ("layers_0/attention/query", "forward"),
        ("layers_0/mlp/wi", "backward"),
        ("layers/mlp", "backward"),
        ("adamw", "optimizer"),
        ("decoder/layers/self_attention/out", "forward"),
        ("loss", "backward"),
        (None, "communication"),
    ]
