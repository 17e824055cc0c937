"""The simulated summaries of benchmarks/ranks.py: what they are timed on is a job of which the right things are found."""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
from rank_traces import job

from dlprof.analysis.ranks import drawn
from dlprof.api.ranks.build import build
from dlprof.api.ranks.read import analyse, opened

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


def loaded(name: str) -> ModuleType:
    """A benchmark as a module; benchmarks/ is a place of modules while it is loaded alone."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


benchmark, planted = loaded("ranks"), loaded("ranks_planted")
ranks_made, ranks_imported = benchmark.ranks_made, benchmark.ranks_imported
against = loaded("ranks_against_hta")


def test_the_planted_rank_is_named_and_the_clocks_of_hosts_are_aligned(tmp_path: Path) -> None:
    benchmark.simulated(tmp_path / "set", 24, 12, 3)
    found = analyse(tmp_path / "set")
    (one,) = found.stragglers
    planted = benchmark.STRAGGLER_US * 1000.0
    assert (one.rank, one.part, one.pattern) == (benchmark.AT_FAULT, "compute", "persistent")
    assert one.excess.low is not None
    assert one.excess.high is not None
    assert one.excess.low < planted < one.excess.high
    assert [clock.name for clock in found.clocks] == ["node0", "node1", "node2"]
    assert any(abs(clock.offset) > 1e6 for clock in found.clocks)
    assert {step.critical for step in found.by_step} == {benchmark.AT_FAULT}
    assert found.critical.wall == pytest.approx(found.critical.compute + found.critical.transfer)


def test_the_table_says_what_was_kept() -> None:
    kept = {"ranks": 10, "steps": 2, "buckets": 1, "stored_bytes": 2e6, "seconds": 1.0, "cpu_s": 0.5, "memory_bytes": 1e8,
            "named": 3, "stragglers": 1, "excess_us": 30000.0}  # fmt: skip
    large = {**kept, "ranks": 1010, "cpu_s": 1.5, "memory_bytes": 2e8}
    text = benchmark.table({"sizes": [kept, large], "cpus": 2, "load": 9.0})
    assert (
        "each costs 1.00 ms of CPU and 0.100 MB more; 10 000 by that: 10 s and 1.1 GB (extrapolated, not measured)"
        in text
    )
    assert "a load of 9.0 when it ended with others' work" in text


@pytest.mark.parametrize(("late", "named"), [(2, True), (1, False)])
def test_a_recording_is_judged_by_what_was_planted(tmp_path: Path, late: int, named: bool) -> None:
    """30 ms of compute count as no sleep of the host; the right rank in the right part does."""
    job(tmp_path / "traces", lambda rank, step: 30_000.0 * (rank == late), wall=40_000.0)
    assert planted.judged("slow-rank", tmp_path)["named"] is False
    planted.FAULTS["made"] = (2, ("compute",))
    try:
        found = planted.judged("made", tmp_path)
    finally:
        del planted.FAULTS["made"]
    assert (found["named"], found["sized"]) == (named, named)


def test_planted_faults_are_counted() -> None:
    runs = [
        {"fault": "slow-rank", "named": True, "sized": False, "load": 4.0},
        {"fault": "slow-rank", "named": True, "sized": True, "load": 9.0},
        {"fault": "pinned", "named": False, "sized": None, "load": 5.0},
    ]
    text = planted.table({"torch": "2", "cpus": 2, "runs": runs})
    assert "| slow-rank | 2 of 2 | 1 of 2 |" in text
    assert "| pinned | 0 of 1 | size not known |" in text
    assert "| all | 2 of 3 | 1 of 2 |" in text
    assert "a load of 4 to 9" in text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "job"
    assert ranks_made.made(folder, 8, 700_000) == 12
    return folder


def test_made_ranks_are_the_recorded_ones_on_clocks_of_their_own(made: Path) -> None:
    """Rank 6 is recording 2 but for who and where it is; the rank at fault is recording 1, each step later by what was
    planted."""
    whole = {rank: json.loads((made / f"rank{rank}.json").read_bytes()) for rank in (1, 2, 5, 6)}
    assert whole[2]["traceEvents"] == whole[6]["traceEvents"]
    assert whole[6]["distributedInfo"]["rank"] == 6
    assert whole[6]["distributedInfo"]["world_size"] == 8
    ends = {rank: [one["ts"] + one["dur"] for one in whole[rank]["traceEvents"] if one["name"].startswith("ProfilerStep#")]
            for rank in (1, 5)}  # fmt: skip
    assert ends[1] == pytest.approx(ends[5], abs=0.002)
    recorded = json.loads(gzip.decompress((BENCHMARKS / "data" / "ranks-recorded" / "rank1.json.gz").read_bytes()))
    names = [one["name"] for one in recorded["traceEvents"] if one["ph"] == "X" and one["cat"] != "Trace"]
    assert [one["name"] for one in whole[5]["traceEvents"] if one["ph"] == "X"] == names


def test_made_ranks_are_the_same_every_time(made: Path, tmp_path: Path) -> None:
    ranks_made.made(tmp_path / "job", 8, 700_000)
    for file in made.iterdir():
        assert file.read_bytes() == (tmp_path / "job" / file.name).read_bytes(), file.name


def test_the_rank_at_fault_of_made_ones_is_named_and_sized(made: Path, tmp_path: Path) -> None:
    build(made, tmp_path / "set", jobs=1)
    worst = analyse(tmp_path / "set").stragglers[0]
    assert (worst.rank, worst.part) == (ranks_made.AT_FAULT, "host")
    assert worst.excess.low is not None
    assert worst.excess.high is not None
    assert worst.excess.low < ranks_made.SLEEP_NS < worst.excess.high


def test_a_step_is_waited_for_the_rank_that_came_last(made: Path, tmp_path: Path) -> None:
    """Each step of these has one all-reduce. The rank that the critical path spends most time on is another in some."""
    build(made, tmp_path / "set", jobs=1)
    read = opened(tmp_path / "set")
    found = read.found()
    origin = {part.rank: part.origin_ns or 0 for part in read.parts}
    came: dict[int, dict[int, int]] = {}
    for row in pq.read_table(tmp_path / "set" / "_dlprof" / "collectives.parquet").to_pylist():
        assert row["op"] == "AllReduce"
        came.setdefault(row["step"], {})[row["rank"]] = row["start_ps"] // 1000 + origin[row["rank"]]
    for step in found.by_step:
        assert step.latest is not None
        assert came[step.step][step.latest] == max(came[step.step].values())
        assert step.charged == step.waited > 0
    assert any(step.critical != step.latest for step in found.by_step)
    latest = {step.step: step.latest for step in found.by_step}
    worst = drawn.build(read.job, found).worst
    assert [one.culprit for one in worst] == [latest[one.step] for one in worst]


def test_repeated_steps_follow_each_other(tmp_path: Path) -> None:
    """Three times the recording: step after step, each number of an event once."""
    assert ranks_made.made(tmp_path / "job", 1, 3 * 700_000) in (36, 48)
    events = json.loads((tmp_path / "job" / "rank0.json").read_bytes())["traceEvents"]
    steps = [(int(one["name"].partition("#")[2]), one["ts"], one["ts"] + one["dur"])
             for one in events if one["name"].startswith("ProfilerStep#")]  # fmt: skip
    assert [number for number, *_ in steps] == list(range(2, 2 + len(steps)))
    assert all(before[2] <= after[1] for before, after in itertools.pairwise(steps))
    ids = [one["args"]["External id"] for one in events if "External id" in one.get("args", {})]
    assert len(ids) == len(set(ids))


def test_an_import_is_told_by_its_medians_and_whether_all_are_the_same() -> None:
    def runs(*seconds: float) -> list[dict[str, Any]]:
        return [{"s": one, "cpu_s": 18.0, "worker_bytes": [3e8, 2e8]} for one in seconds]

    engine = {"1": runs(18, 20, 30), "2": runs(10, 10, 10)}
    whole = {"ranks": 64, "bytes": 64 * 50e6, "same": True, "runs": {"processes": runs(40)[0]},
             "named": {"rank": 5, "ns": 30.2e6, "low": 29e6, "high": 31e6, "alike": 9, "alike_ns": 0.2e6}}  # fmt: skip
    scaling = {"ranks": 16, "same": True, "runs": {"processes": engine}, "whole": whole, "cpus": 2, "load": 2.0}
    text = ranks_imported.told(scaling, {"ranks": 8, "runs": {"Dask": {"s": 9.0, "same": False}}})
    assert "| processes | 20.0 | 10.0 | 2.00 (1.80 to 3.00) | 300 | 300 | 40.0 | 300 |" in text
    assert "A rank is 50 MB of JSON. All data sets of the same ranks are the same to the last byte" in text
    assert (
        "Rank 5 is named, with 30.20 ms [29.00, 31.00] where 30 were planted in a recording that, as rank 9 shows"
        in text
    )
    assert "exceeds the others by 0.20 undisturbed. One worker's import kept 0.90 processors busy" in text
    assert "by Dask 9.0 s, ANOTHER result" in text
    assert "DIFFER" in ranks_imported.told({**scaling, "same": False}, None)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a worker is found by /proc")
def test_a_killed_worker_of_the_benchmark_leaves_the_same(tmp_path: Path) -> None:
    ranks_made.made(tmp_path / "job", 4, 4_000_000)
    found = ranks_imported.killed(tmp_path / "job", 4, ("processes",))
    assert found["runs"]["processes"]["same"]


def test_figures_of_two_tools_are_counted_as_equal_up_to_what_they_round() -> None:
    here = {"ranks": {"0": {"compute": 1.0341, "other": 5.5, "hidden": 4.504}}, "last": {"0": 3}, "charged": {"0": 2.0}}
    there = {"version": "1", "late": [0, 1], "ranks": {"0": {"compute": 1.034, "other": 5.51, "hidden": 4.5}}}
    text = against.text({"job": {"dlprof": here, "hta": there}})
    assert "| job | 0 | 1.034 / 1.034 | 5.500 / 5.510 | 4.50 / 4.50 | 3 | 2.00 |" in text
    assert "job: 2 of 3 figures are equal; HTA's candidates for a straggler are ranks 0 and 1." in text


def test_what_is_read_for_the_comparison_is_what_was_put_in(tmp_path: Path) -> None:
    found = against.dlprof(job(tmp_path / "job", lambda rank, _: 200.0 * (rank == 2), steps=8))
    assert found["ranks"]["2"] == pytest.approx({"compute": 8 * 0.5, "other": 8 * 0.04, "hidden": 0.0})
    assert found["ranks"]["0"] == pytest.approx({"compute": 8 * 0.3, "other": 8 * 0.24, "hidden": 0.0})
    assert found["charged"]["2"] == pytest.approx(8 * 0.6)
    assert found["last"]["2"] == 8
