"""Lockstep trials with fake workers: order, warm-up, idleness, stopping, interruption."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pyarrow.compute as pc
import pytest

from dlprof import schema
from dlprof.capture.workers import order, schedule
from dlprof.capture.workers.schedule import run_trials
from dlprof.capture.workers.trial import Compiled, Plan, Trial
from dlprof.errors import ChildFailed, UsageError
from dlprof.manifest import Disturbance
from dlprof.protocol import Burst, Ready


class FakeWorker:
    """Answers at once with set times; writes what it was asked to a common journal."""

    def __init__(
        self, side: str, trial: int, journal: list[Any], per_ns: int, items: list[str], lazy_ns: int = 0
    ) -> None:
        self.side, self.trial, self.journal, self.per_ns, self.lazy_ns = side, trial, journal, per_ns, lazy_ns
        self.ready = Ready(items=items)
        self.used_ns = 0
        self.fail_on: str | None = None
        journal.append(("start", side, trial))

    def run(self, item: str, iterations: int, *, timed: bool = False) -> Burst:
        self.journal.append((self.side, item, iterations))
        if self.fail_on == item:
            raise ChildFailed("it crashed")
        return Burst([self.per_ns] * iterations, [1] * iterations, list(range(iterations)), 5)

    def cpu_ns(self) -> int:
        self.used_ns += self.lazy_ns
        return self.used_ns

    def close(self) -> None:
        self.journal.append(("close", self.side, self.trial))

    def stop(self) -> None:
        self.journal.append(("stop", self.side, self.trial))


class Bench:
    """A set of fake workers and what happened to them."""

    def __init__(
        self, items: tuple[str, ...] = ("x",), a_ns: int = 1_000_000, b_ns: int = 2_000_000, **more: int
    ) -> None:
        self.items, self.per_ns = list(items), {"a": a_ns, "b": b_ns, **more}
        self.journal: list[Any] = []
        self.seen: list[Trial] = []
        self.lazy_ns = 0

    def start(self, side: str, trial: int) -> FakeWorker:
        return FakeWorker(side, trial, self.journal, self.per_ns[side], self.items, self.lazy_ns)

    def run(self, plan: Plan, stop_after: int = 99, **options: Any) -> schedule.Trials:
        def on_trial(trial: Trial) -> bool:
            self.seen.append(trial)
            return len(self.seen) < stop_after

        return run_trials(plan, self.start, on_trial, **({"enough": lambda walls: len(walls) >= 8} | options))

    def timed(self) -> list[tuple[str, str]]:
        return [(entry[0], entry[1]) for entry in self.journal if entry[2] == 3 and entry[0] in self.per_ns]


def test_every_trial_has_fresh_workers_and_all_are_stopped() -> None:
    bench = Bench()
    bench.run(Plan(trials=3, target_s=0.01))
    for what in ("start", "close", "stop"):
        assert Counter(entry for entry in bench.journal if entry[0] == what) == {
            (what, side, trial): 1 for side in "ab" for trial in range(3)
        }


def test_both_workers_start_before_either_is_asked_anything() -> None:
    bench = Bench()
    bench.run(Plan(trials=1, target_s=0.01))
    assert {entry[:2] for entry in bench.journal[:2]} == {("start", "a"), ("start", "b")}


def test_the_table_is_timings_as_declared() -> None:
    table = Bench().run(Plan(trials=2, target_s=0.01, min_rounds=10, max_rounds=10)).timings
    assert table.schema.equals(schema.TIMINGS)
    table.validate(full=True)
    stages = Counter(zip(table["side"].to_pylist(), table["stage"].to_pylist(), strict=True))
    assert stages == {
        (side, stage): 2 * count for side in "ab" for stage, count in (("first_call", 1), ("warmup", 12), ("timed", 30))
    }
    timed = table.filter(pc.equal(table["stage"], "timed"))
    assert timed["kept"].to_pylist() == [i > 0 for i in timed["iteration"].to_pylist()]
    assert sorted(set(timed["round"].to_pylist())) == list(range(10))
    rest = table.filter(pc.not_equal(table["stage"], "timed"))
    assert set(rest["round"].to_pylist()) == {-1}
    assert not any(rest["kept"].to_pylist())


def test_each_side_runs_first_in_half_of_the_rounds_in_an_order_that_the_seed_decides() -> None:
    orders = []
    for seed in (1, 1, 2):
        bench = Bench()
        bench.run(Plan(trials=1, seed=seed, target_s=0.001, min_rounds=20, max_rounds=20))
        orders.append([side for side, _ in bench.timed()])
    assert orders[0] == orders[1] != orders[2]
    firsts = orders[0][::2]
    assert Counter(firsts) == {"a": 10, "b": 10}
    assert all({first, second} == {"a", "b"} for first, second in zip(orders[0][::2], orders[0][1::2], strict=True))
    assert firsts != ["a", "b"] * 10


def test_an_odd_number_of_rounds_is_balanced_but_for_one() -> None:
    generator = np.random.default_rng(1)
    sums = Counter(sum(order.balanced(7, generator)) for _ in range(100))
    assert set(sums) == {3, 4}
    assert sum(order.balanced(8, generator)) == 4


def test_four_sides_are_alive_together_and_each_runs_before_each_other_in_half_of_the_rounds() -> None:
    bench = Bench(c=3_000_000, d=500_000)
    done = bench.run(Plan(trials=1, target_s=0.001, min_rounds=12, max_rounds=12, sides=("a", "b", "c", "d")))
    assert {entry[:2] for entry in bench.journal[:4]} == {("start", side) for side in "abcd"}
    turns = [side for side, _ in bench.timed()]
    rounds = [turns[at : at + 4] for at in range(0, 48, 4)]
    assert all(sorted(each) == list("abcd") for each in rounds)
    for one, other in itertools.combinations("abcd", 2):
        assert sum(each.index(one) < each.index(other) for each in rounds) == 6
    timed = done.timings.filter(pc.equal(done.timings["stage"], "timed"))
    assert Counter(zip(timed["side"].to_pylist(), timed["position"].to_pylist(), strict=True)) == {
        (side, place): 3 * 3 for side in "abcd" for place in range(4)
    }, "each side has each place in three of twelve rounds, with bursts of three"
    assert set(done.trials[0].idle) == set("abcd")


def test_a_side_that_is_busy_while_any_other_runs_is_named() -> None:
    bench = Bench(c=1_000_000)
    bench.lazy_ns = 10**9
    (trial,) = bench.run(Plan(trials=1, target_s=0.001, sides=("a", "b", "c"))).trials
    assert [text.split("used")[0] for text in trial.warnings] == [
        f"trial 0: the waiting worker of side {side} " for side in "abc"
    ]
    assert all("while another was timed" in text for text in trial.warnings)


def test_items_come_in_random_order_within_a_round_and_each_once() -> None:
    bench = Bench(items=("x", "y", "z"))
    bench.run(Plan(trials=1, target_s=0.001, min_rounds=10, max_rounds=10))
    rounds = [[item for _, item in bench.timed()[i : i + 6 : 2]] for i in range(0, 60, 6)]
    assert all(sorted(each) == ["x", "y", "z"] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1


@pytest.mark.parametrize(("round_ns", "rounds"), [(1e9, 12), (12e9, 10), (1e6, 200), (0.9e9, 14), (0.0, 200)])
def test_rounds_fill_the_target_between_their_bounds(round_ns: float, rounds: int) -> None:
    assert schedule.rounds_for(Plan(trials=1, target_s=12, min_rounds=10, max_rounds=200), round_ns) == rounds


def test_all_trials_have_as_many_rounds_as_the_first() -> None:
    bench = Bench(a_ns=100_000_000, b_ns=100_000_000)

    def slow_down(trial: Trial) -> bool:
        bench.per_ns = {"a": 1_000, "b": 1_000}
        bench.seen.append(trial)
        return True

    run_trials(Plan(trials=2, target_s=12), bench.start, slow_down, enough=lambda walls: True)
    assert [trial.rounds for trial in bench.seen] == [20, 20]


def test_the_rounds_of_each_trial_are_asked_for_after_its_warm_up_with_what_a_round_takes() -> None:
    bench, asked = Bench(a_ns=1_000_000, b_ns=3_000_000), []

    def rounds_of(trial: int, spent_s: float, round_s: float) -> int:
        warm = [entry for entry in bench.journal if entry[0] in ("a", "b")]
        asked.append((trial, len(warm) > 0, spent_s < 5, round(round_s, 3)))
        return (8, 12)[trial]

    done = run_trials(Plan(trials=2), bench.start, lambda _: True, enough=lambda walls: True, rounds_of=rounds_of)
    assert [trial.rounds for trial in done.trials] == [8, 12]
    assert asked == [(0, True, True, pytest.approx(0.012, abs=0.002)), (1, True, True, pytest.approx(0.012, abs=0.002))]


def test_groups_are_warmed_up_and_timed_one_after_the_other_without_what_the_check_rules_out() -> None:
    bench = Bench(items=("w", "x", "y", "z"))
    plan = Plan(trials=2, grouping=lambda items: (items[:2], items[2:]), target_s=0.001, min_rounds=10, max_rounds=10)
    done = bench.run(plan, on_ready=lambda number, workers: {"y"} if number == 0 else ())
    assert Counter(item for _, item in bench.timed()) == {"w": 40, "x": 40, "z": 40}
    runs = [bench.journal[i][1] == "z" for i in range(len(bench.journal)) if bench.journal[i][0] in ("a", "b")]
    changes = sum(left != right for left, right in itertools.pairwise(runs))
    assert changes <= 3, "each trial has one stretch of z, whatever comes first"
    assert [trial.group_rounds for trial in done.trials] == [(10, 10), (10, 10)]


def test_the_target_is_shared_among_groups_by_their_items() -> None:
    bench = Bench(items=("w", "x", "y"), a_ns=100_000_000, b_ns=100_000_000)
    done = bench.run(
        Plan(trials=1, grouping=lambda items: (items[:2], items[2:]), target_s=36), enough=lambda walls: True
    )
    assert done.trials[0].group_rounds == (20, 20)


def test_warm_up_goes_on_until_it_is_enough() -> None:
    table = Bench().run(Plan(trials=1, target_s=0.01), enough=lambda walls: len(walls) >= 20).timings
    assert Counter(table["stage"].to_pylist())["warmup"] == 40


def test_warm_up_that_is_never_enough_ends_at_its_cap_with_a_warning() -> None:
    bench = Bench()
    table = bench.run(Plan(trials=1, target_s=0.01, warmup_cap=30), enough=lambda walls: False).timings
    assert Counter(table["stage"].to_pylist())["warmup"] == 60
    assert set(bench.seen[0].not_warm) == {("a", "x"), ("b", "x")}
    assert "trial 0: x of side a was not steady after its warm-up" in bench.seen[0].warnings


def test_level_times_are_steady_and_falling_ones_are_not() -> None:
    assert schedule.steady([1000, 1010, 990, 1005] * 3)
    assert not schedule.steady([1000] * 8)
    assert not schedule.steady([1000, 1010, 990, 1005, 1000, 995, 1002, 1001, 1000, 300, 301])


def test_an_idle_worker_is_idle_and_a_spinning_one_is_told() -> None:
    quiet, loud = Bench(), Bench()
    loud.lazy_ns = 10_000_000
    assert quiet.run(Plan(trials=1, target_s=0.01)).trials[0].idle == {"a": 0.0, "b": 0.0}
    trial = loud.run(Plan(trials=1, target_s=0.01)).trials[0]
    assert trial.idle["a"] > schedule.IDLE_LIMIT
    assert any("the waiting worker of side a used" in warning for warning in trial.warnings)
    assert quiet.seen[0].warnings == ()


def test_a_trial_tells_what_the_machine_did() -> None:
    machine = Bench().run(Plan(trials=1, target_s=0.01)).trials[0].machine
    assert isinstance(machine, Disturbance)
    assert machine.wall_s > 0


def test_the_caller_ends_the_run() -> None:
    done = Bench().run(Plan(trials=9, target_s=0.01), stop_after=2)
    assert [trial.number for trial in done.trials] == [0, 1]
    assert not done.interrupted


def test_an_interrupt_keeps_all_finished_trials_and_stops_the_workers() -> None:
    bench = Bench()

    def check(trial: int, workers: Any) -> None:
        if trial == 2:
            raise KeyboardInterrupt

    done = bench.run(Plan(trials=9, target_s=0.01), on_ready=check)
    assert done.interrupted
    assert set(done.timings["trial"].to_pylist()) == {0, 1}
    assert {("stop", "a", 2), ("stop", "b", 2)} <= set(bench.journal)
    assert ("close", "a", 2) not in bench.journal


def test_an_interrupt_before_anything_is_finished_gives_an_empty_table() -> None:
    def check(trial: int, workers: Any) -> None:
        raise KeyboardInterrupt

    done = Bench().run(Plan(trials=9), on_ready=check)
    assert (done.timings.num_rows, done.interrupted) == (0, True)
    assert done.timings.schema.equals(schema.TIMINGS)


def test_a_worker_that_fails_ends_the_run_with_its_error_and_both_are_stopped() -> None:
    bench = Bench(items=("x", "y"))
    plain = bench.start

    def start(side: str, trial: int) -> FakeWorker:
        worker = plain(side, trial)
        worker.fail_on = "y" if (side, trial) == ("b", 1) else None
        return worker

    seen: list[Trial] = []
    with pytest.raises(ChildFailed, match="it crashed"):
        run_trials(Plan(trials=3, target_s=0.01), start, lambda t: seen.append(t) is None, enough=lambda walls: True)
    assert [trial.number for trial in seen] == [0]
    assert {("stop", "a", 1), ("stop", "b", 1)} <= set(bench.journal)


def test_parity_is_checked_when_both_are_ready_and_nothing_is_timed_yet() -> None:
    bench = Bench()
    bench.run(
        Plan(trials=1, target_s=0.01), on_ready=lambda n, workers: bench.journal.append(("parity", n, set(workers)))
    )
    assert bench.journal.index(("parity", 0, {"a", "b"})) == 2


def test_a_resumed_run_goes_on_with_fresh_numbers_and_another_order() -> None:
    whole, part = Bench(), Bench()
    plan = {"target_s": 0.001, "min_rounds": 20, "max_rounds": 20}
    whole.run(Plan(trials=2, **plan))
    assert [trial.number for trial in part.run(Plan(trials=1, **plan), first=1).trials] == [1]
    assert whole.timed()[40:] == part.timed()


def test_an_item_that_a_side_lacks_is_an_error() -> None:
    with pytest.raises(UsageError, match="side a has no item zz") as error:
        Bench().run(Plan(trials=1, items=("zz",)))
    assert error.value.hint == "it offers: x"


@pytest.mark.parametrize("bad", [{"burst": 2}, {"trials": 0}, {"min_rounds": 1}, {"warmup_floor": 50}])
def test_a_plan_that_could_not_be_sound_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Plan(**({"trials": 6} | bad))  # type: ignore[arg-type]


def test_interleaved_workers_are_alone_and_which_comes_first_is_balanced_over_trials() -> None:
    bench = Bench()
    done = bench.run(Plan(trials=8, target_s=0.001, min_rounds=10, max_rounds=10, interleaved=True))
    alive: set[str] = set()
    for entry in bench.journal:
        if entry[0] == "start":
            assert not alive
            alive.add(entry[1])
        elif entry[0] == "stop":
            alive.discard(entry[1])
    firsts = [next(e[1] for e in bench.journal if e[0] == "start" and e[2] == trial) for trial in range(8)]
    assert Counter(firsts) == {"a": 4, "b": 4}
    timed = done.timings.filter(pc.equal(done.timings["stage"], "timed")).to_pylist()
    assert {(row["trial"], row["side"], row["position"]) for row in timed} == {
        (trial, side, int(side != firsts[trial])) for trial in range(8) for side in "ab"
    }
    assert Counter(row["side"] for row in timed) == {"a": 8 * 30, "b": 8 * 30}, (
        "both sides have the rounds of the first"
    )
    assert all(trial.idle == {"a": 0.0, "b": 0.0} for trial in done.trials)


def test_the_order_of_interleaved_sides_is_decided_by_the_seed_and_reversed_in_the_next_trial() -> None:
    orders = [[order.turns(("a", "b"), seed, trial) for trial in range(40)] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert set(orders[0][::2]) == {("a", "b"), ("b", "a")}
    assert all(one == other[::-1] for one, other in zip(orders[0][::2], orders[0][1::2], strict=True))


def _compiling(bench: Bench, side: str, calls: set[int]) -> None:
    """Has the worker's so many-th runs compile something; the first two are the first call and the warm-up."""
    made = bench.start

    def start(name: str, trial: int) -> FakeWorker:
        worker = made(name, trial)
        run, count = worker.run, itertools.count()
        if name == side:
            worker.run = lambda item, n, **_: msgspec.structs.replace(run(item, n), compiled=int(next(count) in calls))  # type: ignore[method-assign, assignment]
        return worker

    bench.start = start  # type: ignore[method-assign]


def test_timed_bursts_that_compiled_something_are_marked_and_left_out() -> None:
    bench = Bench()
    _compiling(bench, "b", {0, 1, 4, 7})
    (trial,) = bench.run(Plan(trials=1, target_s=0.001, min_rounds=12, max_rounds=12)).trials
    assert trial.compiled["b"] == Compiled(warming=2, timed=2, bursts=2, of=12, left_out=True)
    assert trial.compiled["a"] == Compiled(of=12)
    marked = [row for row in trial.timings.to_pylist() if row["stage"] == "compiled"]
    assert {(row["side"], row["kept"], row["iteration"]) for row in marked} == {("b", False, at) for at in range(3)}
    assert sorted({row["round"] for row in marked}) == [2, 5]


def test_where_most_bursts_compile_something_that_is_part_of_the_step() -> None:
    bench = Bench()
    _compiling(bench, "b", set(range(2, 99)))
    (trial,) = bench.run(Plan(trials=1, target_s=0.001, min_rounds=12, max_rounds=12)).trials
    assert trial.compiled["b"] == Compiled(timed=12, bursts=12, of=12)
    assert "compiled" not in trial.timings["stage"].to_pylist()


def test_energy_is_that_of_a_unit_of_the_first_item_while_its_side_runs_alone() -> None:
    bench, used = Bench(items=("x", "y")), [0.0]

    class Hungry(FakeWorker):
        """Each iteration of x takes 1 J on side a and 2 J on b; of y 50 J."""

        def run(self, item: str, iterations: int, *, timed: bool = False) -> Burst:
            used[0] += iterations * {"x": 1.0 if self.side == "a" else 2.0, "y": 50.0}[item]
            return super().run(item, iterations)

    def start(side: str, trial: int) -> FakeWorker:
        return Hungry(side, trial, bench.journal, bench.per_ns[side], bench.items, 0)

    plan = Plan(trials=1, target_s=0.01, joules=lambda: used[0])
    (trial,) = run_trials(plan, start, lambda _: True, enough=lambda walls: len(walls) >= 8).trials
    assert trial.joules == {"a": pytest.approx(1 / 5), "b": pytest.approx(2 / 5)}  # a burst's iteration has five units


def test_energy_that_nobody_asks_for_is_not_read() -> None:
    (trial,) = Bench().run(Plan(trials=1, target_s=0.01)).trials
    assert trial.joules == {}


def test_a_worker_is_told_which_of_its_bursts_are_timed() -> None:
    """Before those it is looked at (the child's looks.py)."""
    bench, told = Bench(items=("x", "y")), list[tuple[str, bool]]()

    class Told(FakeWorker):
        def run(self, item: str, iterations: int, *, timed: bool = False) -> Burst:
            told.append((item, timed))
            return super().run(item, iterations)

    def start(side: str, trial: int) -> FakeWorker:
        return Told(side, trial, bench.journal, bench.per_ns[side], bench.items, 0)

    plan = Plan(trials=1, target_s=0.001, min_rounds=10, max_rounds=10)
    run_trials(plan, start, lambda _: True, enough=lambda walls: True)
    assert Counter(told)["x", True] == Counter(told)["y", True] == 2 * 10
    assert not any(timed for _, timed in told[:8]), "first call and warm-up of both items on both sides"
