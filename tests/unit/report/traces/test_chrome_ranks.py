"""Some ranks of a job as one trace: what is in it, on which clock, who waits for whom, and that Perfetto reads it alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rank_traces import job

from dlprof.api.ranks.build import build
from dlprof.api.ranks.export import export
from dlprof.api.ranks.read import Opened, opened
from dlprof.cli.main import main
from dlprof.errors import UsageError

HOSTS, AHEADS = ("a", "a", "b", "b"), (0.0, 0.0, -1500.0, -1500.0)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Rank 2, on a host whose clock is 1.5 ms behind, is 200 µs late in each step, 400 in the sixth."""
    place = tmp_path_factory.mktemp("late")
    delays = lambda rank, step: (rank == 2) * (400.0 if step == 5 else 200.0)  # noqa: E731
    build(job(place / "job", delays, steps=8, hosts=HOSTS, aheads=AHEADS), place / "set", jobs=1)
    return opened(place / "set")


def read(found: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(b"".join(found.chunks))
    return value


def slices(trace: dict[str, Any]) -> list[tuple[str, float, float, str]]:
    """Process, start, duration (µs) and name."""
    names = {one["pid"]: one["args"]["name"] for one in trace["traceEvents"] if one["name"] == "process_name"}
    return [(names[one["pid"]], one["ts"], one["dur"], one["name"]) for one in trace["traceEvents"] if one["ph"] == "X"]


def test_chosen_ranks_and_steps_stand_on_one_clock(late: Opened) -> None:
    trace = read(export(late, [1, 2], (3, 4)))
    gemms = sorted(one for one in slices(trace) if one[3] == "gemm")
    assert gemms == [
        ("a/rank1/gpu:0", 10.0, 300.0, "gemm"),
        ("a/rank1/gpu:0", 1010.0, 300.0, "gemm"),
        ("b/rank2/gpu:0", 10.0, 500.0, "gemm"),
        ("b/rank2/gpu:0", 1010.0, 500.0, "gemm"),
    ]
    told = trace["otherData"]
    assert (told["ranks"], told["first_step"], told["last_step"]) == ([1, 2], 3, 4)


def test_waits_are_drawn_and_lead_to_the_last_rank(late: Opened) -> None:
    trace = read(export(late, None, None))
    assert (trace["otherData"]["first_step"], trace["otherData"]["ranks"]) == (5, [0, 1, 2, 3]), (
        "the worst step, all ranks"
    )
    waits = [one for one in slices(trace) if one[0] == "waits for the last rank"]
    assert waits == [("waits for the last rank", 310.0, 400.0, "rank 2")] * 3
    ends = {one["id"]: one for one in trace["traceEvents"] if one["ph"] == "f" and one["name"] == "collective"}
    starts = [one for one in trace["traceEvents"] if one["ph"] == "s" and one["name"] == "collective"]
    assert len(starts) == 3
    assert {(one["ts"], ends[one["id"]]["ts"]) for one in starts} == {(310.0, 710.0)}
    threads = {(one["pid"], one["tid"]) for one in trace["traceEvents"] if one["ph"] == "X"}
    assert len({tid for _, tid in threads}) == len(threads), (
        "Perfetto takes one thread id for one thread wherever it stands"
    )


def test_perfetto_reads_the_same(late: Opened, tmp_path: Path, perfetto: Callable[..., Any]) -> None:
    file = tmp_path / "ranks.json"
    file.write_bytes(b"".join(export(late, None, (2, 5)).chunks))
    (counted,), (flows,), (errors,) = perfetto(
        file,
        "select count(*) as n from slice where name = 'gemm'",
        "select count(*) as n from flow",
        "select coalesce(sum(value), 0) as n from stats where severity = 'error' and value > 0",
    )
    told = json.loads(file.read_bytes())["otherData"]
    assert (counted["n"], flows["n"], errors["n"]) == (16, told["flows"], 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ranks", "9"], "no rank 9"),
        (["--ranks", "3-1"], "no list of ranks"),
        (["--ranks", "a"], "no list of ranks"),
        (["--steps", "90..99"], "no step that all ranks have"),
        (["--run", "other"], "no run other"),
    ],
)
def test_what_is_not_there_is_said(
    late: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    code = main(["export", str(late.path), "--to", "chrome", "-o", str(tmp_path / "x.json"), *words])
    assert code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x.json").exists()


def test_the_command_says_what_it_shows(late: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.json"
    assert main(["export", str(late.path), "--to", "chrome", "--ranks", "0,2-3", "-o", str(target)]) == 0
    assert "ranks 0, 2, 3; steps 5 to 5" in capsys.readouterr().err
    assert json.loads(target.read_bytes())["otherData"]["ranks"] == [0, 2, 3]
    assert main(["export", str(late.path), "--to", "csv", "-o", str(tmp_path / "x.csv")]) == 2


def test_ranks_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rank"):
        export(one_rank(tmp_path), [5], None)


def one_rank(folder: Path) -> Opened:
    build(job(folder / "job", lambda rank, step: 0.0, ranks=2, steps=1), folder / "set", jobs=1)
    return opened(folder / "set")
