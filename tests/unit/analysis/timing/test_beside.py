"""What trials tell beside their timed steps: which figures there are, and how a gate judges them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from dlprof import schema
from dlprof.analysis.timing import beside, gates
from dlprof.analysis.timing.beside import Beside
from dlprof.manifest import Start, Used

MIB = 2**20
NOTHING = schema.TIMINGS.empty_table()


@dataclass
class Told:
    """A trial as a manifest keeps it."""

    number: int
    starts: dict[str, Start] = field(default_factory=dict)
    used: dict[str, Used] = field(default_factory=dict)


@dataclass
class Trial:
    log_ratio: float


def memory(*pairs: tuple[int, int]) -> list[Told]:
    return [
        Told(at, used={"a": Used(peak_bytes=a * MIB), "b": Used(peak_bytes=b * MIB)}) for at, (a, b) in enumerate(pairs)
    ]


def steps(shift: float = 0.0) -> dict[str, list[Trial]]:
    return {"train_block": [Trial(shift + one) for one in (0.004, -0.006, 0.001, 0.008, -0.003, 0.002)]}


def test_a_figure_is_there_only_of_trials_whose_two_sides_tell_it() -> None:
    trials = [*memory((100, 110), (100, 120)), Told(2, used={"a": Used(peak_bytes=1)}), Told(3)]
    found = beside.of(trials, NOTHING)
    assert list(found) == ["peak-memory"]
    assert found["peak-memory"].log_ratios == pytest.approx([math.log(1.1), math.log(1.2)])


def test_scripts_tell_their_first_step_and_what_they_compile() -> None:
    start = {"a": Start(seconds=3, first_step=2.0, compiling=0.5), "b": Start(seconds=3, first_step=3.0, compiling=1.0)}
    found = beside.of([Told(0, starts=start)], NOTHING)
    assert found["first-step"].log_ratios == pytest.approx([math.log(1.5)])
    assert found["compile-time"].log_ratios == pytest.approx([math.log(2)])


def test_where_neither_side_compiles_anything_the_ratio_is_one() -> None:
    start = {side: Start(seconds=3, compiling=0.0) for side in "ab"}
    assert beside.of([Told(0, starts=start)], NOTHING)["compile-time"].log_ratios == (0.0,)


def test_the_first_step_of_a_workload_is_its_first_call() -> None:
    names = [column.name for column in schema.TIMING_COLUMNS]
    rows = [
        dict.fromkeys(names, 0) | {"side": side, "item": item, "stage": "first_call", "kept": False, "wall_ns": wall}
        for item, side, wall in (
            ("train_step_sync", "a", 7),
            ("train_block", "a", 2_000_000_000),
            ("train_block", "b", 4_000_000_000),
        )
    ]
    found = beside.of([Told(0)], pa.Table.from_pylist(rows, schema=schema.TIMINGS))
    assert (found["first-step"].a, found["first-step"].b) == ((2.0,), (4.0,))


def test_memory_that_grows_fails_a_gate_whose_steps_are_as_fast() -> None:
    others = beside.of(memory((100, 121), (101, 120), (99, 119), (100, 120), (100, 122), (101, 121)), NOTHING)
    found = gates.judge(steps(), 0.05, others=others, limits={"peak-memory": 0.03})
    assert [(one.item, one.state) for one in found.items] == [("train_block", "passed"), ("peak-memory", "failed")]
    assert (found.state, found.items[1].allowed, found.items[1].unit) == ("failed", 0.03, "B")
    assert found.items[1].b_median == 120.5 * MIB


@pytest.mark.parametrize(("b", "state"), [(100, "passed"), (103, "passed"), (104, "failed")])
def test_memory_that_is_the_same_in_every_trial_is_what_it_is(b: int, state: str) -> None:
    others = beside.of(memory(*[(100, b)] * 6), NOTHING)
    found = gates.judge(steps(), 0.05, others=others, limits={"peak-memory": 0.03})
    assert (found.items[1].state, found.state) == (state, state)


def test_four_trials_of_the_same_memory_are_too_few() -> None:
    others = beside.of(memory(*[(100, 100)] * 4), NOTHING)
    assert gates.judge({}, 0.05, others=others, limits={"peak-memory": 0.03}).state == "undecided"


def test_what_no_side_tells_leaves_the_gate_undecided() -> None:
    found = gates.judge(steps(), 0.05, limits={"energy": 0.1})
    assert [(one.item, one.state) for one in found.items] == [("train_block", "passed"), ("energy", "undecided")]
    assert found.state == "undecided"


def test_a_limit_that_nobody_asked_for_is_not_judged() -> None:
    others = {"peak-memory": Beside("peak-memory", (1.0,) * 6, (9.0,) * 6)}
    assert [one.item for one in gates.judge(steps(), 0.05, others=others).items] == ["train_block"]
