"""Jobs whose clocks, delays and collectives are known: what is said of their ranks is what was put in."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from pathlib import Path

import pytest
from rank_traces import EPOCH, job, trace

from dlprof.analysis.ranks.model import Ranks
from dlprof.api.ranks.build import build
from dlprof.api.ranks.read import analyse
from dlprof.report.text import ranks_text

US = 1000.0


def found(folder: Path, tmp_path: Path) -> Ranks:
    build(folder, tmp_path / "dataset", jobs=1)
    return analyse(tmp_path / "dataset")


def test_a_straggler_is_named_and_sized_and_what_others_wait_is_charged_to_it(tmp_path: Path) -> None:
    ranks = found(job(tmp_path / "job", lambda rank, step: 200.0 if rank == 2 else 0.0), tmp_path)
    (one,) = ranks.stragglers
    assert (one.rank, one.part, one.pattern, one.steps) == (2, "compute", "persistent", 12)
    assert (one.excess.mean, one.part_ns) == (200 * US, 200 * US)
    assert [place.parts.waiting for place in ranks.by_rank] == [200 * US, 200 * US, 0, 200 * US]
    assert {place.parts.transfer for place in ranks.by_rank} == {40 * US}, (
        "the collective's own duration is charged to nobody"
    )
    assert [place.charged for place in ranks.by_rank] == [0, 0, 600 * US, 0]
    assert [place.last for place in ranks.by_rank] == [0, 0, 12, 0]
    assert {step.critical for step in ranks.by_step} == {2}


def test_a_rank_of_which_steps_stand_out_is_told_those_steps_of_all(tmp_path: Path) -> None:
    """Rank 2 is late by 300 µs in each tenth step and by 12 in others, and ahead of the rest by 40 in most."""

    def delay(rank: int, step: int) -> float:
        if rank != 2:
            return 40.0
        return 340.0 if step % 10 == 9 else 52.0 if step % 3 == 0 else 0.0

    ranks = found(job(tmp_path / "job", delay, steps=100), tmp_path)
    (one,) = ranks.stragglers
    late = sum(delay(2, step) > 40 for step in range(100))
    assert (one.pattern, one.steps, one.of, one.excess.steps) == ("now and then", late, 100, 10)
    said = ranks_text.straggler(one, marked=True)
    assert "takes 300 µs longer than the median of the others in 10 of 100 steps, which stand out" in said


def test_what_a_device_computes_while_its_host_calls_a_collective_is_compute(tmp_path: Path) -> None:
    """The call of each step's all-reduce (nccl:all_reduce, half a microsecond) lies under the product that runs meanwhile."""
    folder = tmp_path / "job"
    folder.mkdir()
    for rank in range(2):
        one = trace(rank, lambda _: 300.0, lambda _: 340.0, world=2, steps=8, launch=0.0)
        (folder / f"rank{rank}.json").write_text(json.dumps(one))
    ranks = found(folder, tmp_path)
    assert [place.parts.compute for place in ranks.by_rank] == [300 * US, 300 * US]
    assert ranks.critical.compute == 300 * US


def test_the_parts_of_each_step_sum_to_the_time_of_the_critical_path(tmp_path: Path) -> None:
    ranks = found(job(tmp_path / "job", lambda rank, step: 37.0 * ((rank * 5 + step * 3) % 7)), tmp_path)
    assert sum(step.parts.wall for step in ranks.by_step) == pytest.approx(12 * 1000 * US)
    for step in ranks.by_step:
        slowest = max(300 + 37.0 * ((rank * 5 + step.step * 3) % 7) for rank in range(4))
        assert step.parts.compute == slowest * US
        assert step.parts.transfer == 40 * US
        assert (step.parts.waiting, step.parts.wall) == (0, 1000 * US)
    assert {place.parts.wall for place in ranks.by_rank} == {1000 * US}


def test_clocks_of_hosts_are_aligned_on_the_ends_of_collectives(tmp_path: Path) -> None:
    """Without it rank 3, whose clock is late, would seem to come last everywhere."""
    hosts, aheads = ("a", "a", "b", "b"), (0.0, 0.0, -1500.0, -1500.0)
    ranks = found(job(tmp_path / "job", lambda rank, step: 200.0 * (rank == 1), aheads=aheads, hosts=hosts), tmp_path)
    assert {one.name: one.offset for one in ranks.clocks} == {"a": 0.0, "b": -1500 * US}
    assert [(one.rank, one.host, one.excess.mean) for one in ranks.stragglers] == [(1, "a", 200 * US)]
    assert [place.last for place in ranks.by_rank] == [0, 12, 0, 0]
    assert [(place.name, place.parts.waiting) for place in ranks.by_host] == [("a", 100 * US), ("b", 200 * US)]
    assert ranks.notes == ()


def test_a_rank_whose_clock_differs_from_its_hosts_others_is_aligned_by_itself_and_named(tmp_path: Path) -> None:
    hosts, aheads = ("a",) * 4, (0.0, 0.0, 0.0, 9000.0)
    ranks = found(job(tmp_path / "job", lambda rank, step: 0.0, aheads=aheads, hosts=hosts), tmp_path)
    assert {one.name: one.offset for one in ranks.clocks} == {"a": 0.0, "rank 3": 9000 * US}
    assert any("clock of rank 3 differs" in note for note in ranks.notes)
    assert ranks.stragglers == ()


def test_ranks_of_one_host_are_not_aligned_on_ends_that_scatter(tmp_path: Path) -> None:
    """What one host's clock says stays: a rank that is told late of an end has no other clock."""
    folder = job(
        tmp_path / "job", lambda rank, step: 100.0 * (rank == 0), hosts=("a",) * 4, aheads=(0.0, 0.0, 0.0, 60.0)
    )
    ranks = found(folder, tmp_path)
    assert [(one.name, one.offset) for one in ranks.clocks] == [("a", 0.0)]


def test_a_delay_that_moves_from_rank_to_rank_is_nobodys_habit(tmp_path: Path) -> None:
    ranks = found(job(tmp_path / "job", lambda rank, step: 300.0 * (rank == step % 4)), tmp_path)
    assert ranks.rotating
    assert ranks.stragglers == (), "nobody is named, least of all with an interval that holds 0"
    assert [step.critical for step in ranks.by_step] == [step % 4 for step in range(12)]


def test_a_single_late_step_is_a_one_off_with_its_step(tmp_path: Path) -> None:
    ranks = found(job(tmp_path / "job", lambda rank, step: 400.0 * (rank == 1 and step == 7)), tmp_path)
    assert [(one.rank, one.pattern, one.worst) for one in ranks.stragglers] == [(1, "one-off", (7,))]
    (one,) = ranks.stragglers
    assert (one.excess.mean, one.excess.low) == (400 * US, None), (
        "of its step, not of all with an interval that holds 0"
    )
    assert not ranks.rotating


@pytest.mark.parametrize("ranks", [2, 4, 16])
def test_a_step_that_the_machine_disturbed_hides_no_straggler(tmp_path: Path, ranks: int) -> None:
    """The mean of eight steps of which one is off by more than all others together has an interval that holds 0."""
    folder = job(
        tmp_path / "job",
        lambda rank, step: 200.0 * (rank == 1) + 7.0 * ((rank * 5 + step * 3) % 4) - 190.0 * (rank == 1 and step == 4)
        + 600.0 * (rank == 0 and step == 4),
        ranks=ranks,
        steps=8,
    )  # fmt: skip
    at_fault = [one for one in found(folder, tmp_path).stragglers if one.pattern == "persistent"]
    assert [one.rank for one in at_fault] == [1]
    assert at_fault[0].excess.low is not None
    assert 0 < at_fault[0].excess.low < 200 * US < at_fault[0].excess.high
    assert at_fault[0].part_ns == pytest.approx(200 * US, rel=0.1)


def test_a_straggler_in_each_of_few_uneven_steps_is_named_without_an_interval(tmp_path: Path) -> None:
    sizes = (60.0, 900.0, 65.0, 80.0, 60.0, 850.0)
    (one,) = found(job(tmp_path / "job", lambda rank, step: sizes[step] * (rank == 3), steps=6), tmp_path).stragglers
    assert (one.rank, one.pattern, one.excess.low) == (3, "persistent", None)


def test_without_marked_steps_none_is_spoken_of(tmp_path: Path) -> None:
    folder = unmarked(job(tmp_path / "job", lambda rank, step: 200.0 * (rank == 2), steps=8), range(4))
    ranks = found(folder, tmp_path)
    assert (ranks.marked, ranks.steps) == (False, 1)
    for by in ("rank", "step"):
        said = ranks_text.text(ranks, by, colour=False)
        assert "no step is marked: a recording of 7.54 ms" in said
        assert " a step" not in said.replace("no step is marked", "")


def test_a_rank_that_marks_no_steps_is_not_compared_with_those_that_do(tmp_path: Path) -> None:
    ranks = found(unmarked(job(tmp_path / "job", lambda rank, step: 0.0), [3]), tmp_path)
    assert (ranks.marked, ranks.ranks, ranks.missing) == (True, (0, 1, 2), (3,))
    assert "Rank 3 marks no steps, as the others do, and is left out." in ranks.notes


def unmarked(folder: Path, ranks: Iterable[int]) -> Path:
    for rank in ranks:
        plain = json.loads((folder / f"rank{rank}.json").read_bytes())
        plain["traceEvents"] = [one for one in plain["traceEvents"] if one["cat"] != "user_annotation"]
        (folder / f"rank{rank}.json").write_text(json.dumps(plain))
    return folder


def test_a_mean_step_that_is_not_like_the_median_one_is_explained(tmp_path: Path) -> None:
    plain = ranks_text.text(found(job(tmp_path / "job", lambda rank, step: 0.0), tmp_path), "rank", colour=False)
    assert "12 steps of 1 ms (mean)" in plain
    assert "median step" not in plain
    uneven = dataclasses.replace(analyse(tmp_path / "dataset"), wall=900 * US)
    assert "the median step of a rank takes 900 µs" in " ".join(ranks_text.text(uneven, "rank", colour=False).split())


def test_equal_ranks_have_no_straggler_and_a_slow_collective_is_the_collectives_own(tmp_path: Path) -> None:
    ranks = found(job(tmp_path / "job", lambda rank, step: 0.0, transfer=500.0), tmp_path)
    (kind,) = ranks.by_collective
    assert ranks.stragglers == ()
    assert (kind.op, kind.bytes, kind.calls, kind.waiting, kind.transfer) == ("AllReduce", 4000, 12, 0.0, 500 * US)
    assert kind.bandwidth == pytest.approx(4000 * 2 * 3 / 4 / 500e-6)
    assert kind.share == pytest.approx(0.5)


def test_a_rank_that_is_missing_may_have_come_last(tmp_path: Path) -> None:
    folder = job(tmp_path / "job", lambda rank, step: 500.0 * (rank == 2))
    whole = found(folder, tmp_path)
    assert [one.rank for one in whole.stragglers] == [2]
    (folder / "rank2.json").unlink()
    build(folder, tmp_path / "without", jobs=1)
    ranks = analyse(tmp_path / "without")
    assert (ranks.missing, ranks.stragglers) == ((2,), ())
    said = " ".join(ranks_text.sentences(ranks))
    assert "after the last recorded rank has arrived" in said
    assert "that is no recorded rank's delay, but the collective's own, or that of a rank that is missing." in said
    assert any("Missing: rank 2. What others waited for" in one for one in ranks_text.rests_on(ranks))
    for rank in (1, 3):
        (folder / f"rank{rank}.json").unlink()
    build(folder, tmp_path / "one", jobs=1)
    assert ranks_text.sentences(analyse(tmp_path / "one"))[0].startswith("One rank alone was recorded")
    slow = found(job(tmp_path / "slow", lambda rank, step: 0.0, transfer=500.0), tmp_path / "whole")
    assert "that is no rank's delay, but the collective's own." in " ".join(ranks_text.sentences(slow))


def test_the_steps_of_the_title_are_those_of_the_mean_beside_them(tmp_path: Path) -> None:
    folder = job(tmp_path / "job", lambda rank, step: 0.0)
    cut = json.loads((folder / "rank3.json").read_text())
    cut["traceEvents"] = [one for one in cut["traceEvents"] if one["ts"] < EPOCH + 5000]
    (folder / "rank3.json").write_text(json.dumps(cut))
    ranks = found(folder, tmp_path)
    assert (ranks.steps, len(ranks.by_step)) == (5, 12)
    assert ranks_text.title(ranks).startswith("job: 4 ranks, 12 steps of ")


def test_with_few_steps_there_is_no_interval_and_of_one_step_no_habit(tmp_path: Path) -> None:
    for steps, pattern in ((4, "persistent"), (1, "unknown")):
        folder = job(tmp_path / f"job{steps}", lambda rank, step: 200.0 * (rank == 0), steps=steps)
        build(folder, tmp_path / f"dataset{steps}", jobs=1)
        (one,) = analyse(tmp_path / f"dataset{steps}").stragglers
        assert (one.rank, one.excess.low, one.pattern) == (0, None, pattern)


def test_noise_that_all_ranks_have_alike_makes_no_straggler(tmp_path: Path) -> None:
    ranks = found(
        job(tmp_path / "job", lambda rank, step: 60 * abs(math.sin(12.9898 * rank + 78.233 * step)), steps=30), tmp_path
    )
    assert ranks.stragglers == ()
