"""How every comparison ends: sealed, stopped, failed after some trials, or with nothing to keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from paced_runs import trial

from dlprof.analysis.model import Comparison, Gate, GateState, ItemResult, Ratio, Side
from dlprof.api.lockstep.directory import UNDER_WAY, ResultDirectory
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.walk import Walk
from dlprof.errors import ChildFailed, DlprofError, Interrupted, NotComparable
from dlprof.manifest import LockstepOptions, Manifest, Session
from dlprof.store import Capture, CaptureWriter

SIDE = Side("tf", "2", "cpu:0", "graph", "3.11", "TF")


@dataclass(frozen=True, slots=True)
class Folder(ResultDirectory[Comparison]):
    """Two sides of which B takes half as long again. gate: what a gate found, None where none was asked for."""

    gate: GateState | None = None

    def findings(self, measured, warnings):
        item = ItemResult("train_block", "slower", Ratio(1.5, 1.4, 1.6, 0.95, 6, "t"), 1.0, 1.5, "")
        gate = None if self.gate is None else Gate(0.1, self.gate, ())
        empty = ((item,), (), {}, {"a": None, "b": None}, ())
        return Comparison("w", SIDE, SIDE, *empty, tuple(warnings), {}, gate=gate)

    def manifest(self, measured, warnings):
        options = LockstepOptions(
            budget_s=1.0, trials=None, precision=None, margin=0.05, traces=0, allow=[], adaptive=True,
            stopped=measured.stopped, ended=measured.ended, listed=[], sessions=list(measured.sessions),
        )  # fmt: skip
        return Manifest(
            kind="compare", dlprof_version="1", created="2026-01-01T00:00:00+00:00", command=["dlprof", "compare"],
            complete=not measured.stopped, options=options, warnings=list(warnings),
        )  # fmt: skip


@dataclass
class Silent:
    """A progress display that keeps what was said."""

    said: list[str] = field(default_factory=list)

    def stage(self, name, estimate_s=None):
        pass

    def say(self, text):
        self.said.append(text)


def walked(tmp_path: Path, *steps, gate=None, going_on="") -> tuple[Measured, Silent, tuple | DlprofError]:
    """A walk whose trials are `steps`: trial numbers, and errors that are raised between them."""
    measured, progress = Measured(), Silent()

    def measure() -> None:
        measured.sessions.append(Session(created="2026-01-01T00:00:00+00:00", trials=0))
        for step in steps:
            if not isinstance(step, int):
                raise step
            measured.trials.append(trial(step, 0.4))
            walk.checkpoint()

    with CaptureWriter(tmp_path / "out") as writer:
        walk = Walk(measured, Folder(writer, gate), progress, lambda: ["it was hot"], going_on)
        try:
            return measured, progress, walk.go(measure)
        except DlprofError as error:
            return measured, progress, error


def manifest(tmp_path: Path) -> Manifest:
    return Capture.open(tmp_path / "out").manifest


def test_a_walk_to_its_end_is_sealed_with_its_warnings_and_the_trials_of_the_sitting(tmp_path):
    _, progress, (found, code) = walked(tmp_path, 0, 1)
    assert (found.items[0].verdict, code) == ("slower", 0)
    held = manifest(tmp_path)
    assert (held.complete, held.warnings, held.options.sessions[0].trials) == (True, ["it was hot"], 2)
    assert progress.said == [f"written: {tmp_path / 'out'}"]


def test_the_gate_decides_the_exit_code(tmp_path):
    _, _, (_, code) = walked(tmp_path, 0, gate="failed")
    assert code == 3


def test_an_interruption_keeps_what_is_finished_and_says_how_to_go_on(tmp_path):
    _, progress, (_, code) = walked(tmp_path, 0, KeyboardInterrupt(), going_on="--resume goes on with it")
    assert (code, manifest(tmp_path).complete) == (Interrupted.exit_code, False)
    assert progress.said[-1] == "--resume goes on with it"


def test_before_the_first_trial_there_is_nothing_to_keep(tmp_path):
    _, _, error = walked(tmp_path, NotComparable("other work"))
    assert isinstance(error, Interrupted)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("going_on", "hint"),
    [("", "see the log; {}"), ("--resume goes on with it", "see the log; {}, and --resume goes on with it")],
)
def test_a_side_that_fails_leaves_the_trials_before_it_and_its_error_says_where(tmp_path, going_on, hint):
    _, _, error = walked(tmp_path, 0, 1, ChildFailed("no memory\nat all", hint="see the log"), going_on=going_on)
    assert isinstance(error, ChildFailed)
    assert error.hint == hint.format(f"the 2 finished trials are in {tmp_path / 'out'}")
    held = manifest(tmp_path)
    assert (held.complete, held.options.stopped) == (False, "failed: no memory")
    assert held.warnings == ["it was hot", "stopped by a failure after 2 trials"]


def test_what_is_finished_is_on_disk_before_the_walk_ends(tmp_path):
    with CaptureWriter(tmp_path / "out") as writer:
        measured = Measured(sessions=[Session(created="2026-01-01T00:00:00+00:00", trials=0)])
        walk = Walk(measured, Folder(writer), Silent(), list)
        measured.trials.append(trial(0, 0.4))
        walk.checkpoint()
        held = Capture.open(writer.partial)
        assert (held.manifest.options.stopped, held.timings().num_rows) == (UNDER_WAY, 60)
