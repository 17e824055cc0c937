"""Jobs whose clocks, delays and collectives are known: what is said of their ranks is what was put in."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from rank_traces import job

from dlprof.analysis.ranks.model import Ranks
from dlprof.api.ranks.build import build
from dlprof.api.ranks.read import analyse

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
    assert [one for one in ranks.stragglers if one.pattern == "persistent"] == []
    assert [step.critical for step in ranks.by_step] == [step % 4 for step in range(12)]


def test_a_single_late_step_is_a_one_off_with_its_step(tmp_path: Path) -> None:
    ranks = found(job(tmp_path / "job", lambda rank, step: 400.0 * (rank == 1 and step == 7)), tmp_path)
    assert [(one.rank, one.pattern, one.worst) for one in ranks.stragglers] == [(1, "one-off", (7,))]
    assert not ranks.rotating


def test_equal_ranks_have_no_straggler_and_a_slow_collective_is_the_collectives_own(tmp_path: Path) -> None:
    ranks = found(job(tmp_path / "job", lambda rank, step: 0.0, transfer=500.0), tmp_path)
    (kind,) = ranks.by_collective
    assert ranks.stragglers == ()
    assert (kind.op, kind.bytes, kind.calls, kind.waiting, kind.transfer) == ("AllReduce", 4000, 12, 0.0, 500 * US)
    assert kind.bandwidth == pytest.approx(4000 * 2 * 3 / 4 / 500e-6)
    assert kind.share == pytest.approx(0.5)


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
