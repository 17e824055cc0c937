"""What a gate can show, from an earlier comparison of the script and before the first trial."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from dlprof import schema
from dlprof.api.lockstep import earlier_spread
from dlprof.api.lockstep.earlier_spread import Spread
from dlprof.capture.machine import provenance
from dlprof.errors import UsageError
from dlprof.manifest import LockstepOptions, Machine, Manifest, TrialFacts
from dlprof.store import CaptureWriter

SHIFTS = (0.01, -0.02, 0.0, 0.03, -0.01, -0.01, 0.02, -0.02)


def comparison(target: Path, shifts: tuple[float, ...] = SHIFTS, machine: Machine | None = None) -> Path:
    """A directory as `dlprof compare` leaves it, with a trial of ten rounds for each shift of B."""
    names = [column.name for column in schema.TIMING_COLUMNS]
    rows = [
        dict.fromkeys(names, 0)
        | {"trial": trial, "side": side, "item": "train_block", "stage": "timed", "round": number, "position": position}
        | {"iteration": 1, "kept": True, "units": 1, "wall_ns": round(1e6 * (1 + shift * (side == "b")))}
        for trial, shift in enumerate(shifts)
        for number in range(10)
        for position, side in enumerate("ab" if number % 2 else "ba")
    ]
    trials = [
        TrialFacts(number=trial, rounds=[10], wall_s=12.0, idle={"a": 0.0, "b": 0.0}, machine=None)
        for trial in range(len(shifts))
    ]
    with CaptureWriter(target) as writer:
        writer.timings(pa.Table.from_pylist(rows, schema=schema.TIMINGS))
        writer.comparison("{}")
        writer.commit(
            Manifest(
                kind="compare",
                dlprof_version="0",
                created="2026-01-01T00:00:00+00:00",
                command=[],
                options=LockstepOptions(trials=None, margin=0.05),
                machine=machine or provenance.machine(),
                trials=trials,
            )
        )
    return target


def test_the_spread_of_the_trials_and_what_one_takes(tmp_path: Path) -> None:
    found = earlier_spread.read(comparison(tmp_path / "earlier"))
    assert (found.trials, found.trial_s) == (8, 12.0)
    assert found.sd == pytest.approx(0.0185, abs=0.001)


def test_another_machine_says_nothing_of_this_one(tmp_path: Path) -> None:
    other = msgspec.structs.replace(provenance.machine(), cpu="Z80")
    with pytest.raises(UsageError, match=r"another machine \(cpu: Z80 then"):
        earlier_spread.read(comparison(tmp_path / "earlier", machine=other))


def test_a_handful_of_trials_tells_no_spread(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="5 usable trials tell no spread"):
        earlier_spread.read(comparison(tmp_path / "earlier", SHIFTS[:5]))


def test_what_a_gate_can_show_is_said_beforehand() -> None:
    said = earlier_spread.words(Spread(0.02, 12, 10.0), 0.05, 600.0, None)
    assert said.startswith("at 5 %: fails a true +10.3 % and passes a true 0 % with 80 % in ")
    assert said.endswith("by 12 earlier trials")


@pytest.mark.parametrize(("budget_s", "trials"), [(600.0, None), (60.0, 8)])
def test_a_gate_that_is_too_tight_is_refused_with_the_figure_and_the_remedy(
    budget_s: float, trials: int | None
) -> None:
    with pytest.raises(
        UsageError, match=r"a gate of 5 % is tighter than what can be seen here in .*SD 0\.200"
    ) as refused:
        earlier_spread.words(Spread(0.2, 12, 10.0), 0.05, budget_s, trials)
    assert "or wider, or --trials" in str(refused.value.hint)


def test_a_budget_that_is_too_short_names_the_one_that_is_not() -> None:
    with pytest.raises(UsageError) as refused:
        earlier_spread.words(Spread(0.03, 30, 10.0), 0.05, 60.0, None)
    assert "--budget" in str(refused.value.hint)
