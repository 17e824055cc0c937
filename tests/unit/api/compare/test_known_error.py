"""A saved calibration speaks of the comparisons that it was made for, and a gate that it cannot decide is refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from paced_runs import SECONDS, compare_options, run_options, trial

from dlprof.api import calibrate
from dlprof.api.compare import known_error
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.options import CompareOptions
from dlprof.api.sides import parse_side
from dlprof.errors import UsageError


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """Thirty trials of tf against itself with an SD of about .05, saved as `dlprof calibrate` saves them; read by all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLPROF_CACHE", str(tmp_path_factory.mktemp("cache")))
        options, side = run_options(), parse_side("tf")
        workload = options.resolve("tf")
        kept = calibrate._Kept(calibrate.folder(workload, side, options))
        for number, ratio in enumerate(0.05 * np.random.default_rng(5).normal(size=30)):
            kept.add(trial(number, ratio))
        yield kept.result(workload, side, options)


def asked(options: CompareOptions):
    sides = {"a": parse_side(options.a), "b": parse_side(options.b)}
    workloads = {name: options.run.resolve(side.framework.name) for name, side in sides.items()}
    pacing = Pacing(options, workloads["a"], lambda _: None, lambda _: None)
    return known_error.of(options, sides, workloads, pacing), workloads["a"]


def test_a_calibration_is_read_back_as_it_was_saved(calibrated):
    assert calibrate.read(Path(calibrated.path)) == calibrated
    assert calibrated.items["train_block"].result.sd == pytest.approx(0.05, rel=0.3)
    assert (calibrated.trials, calibrated.seconds) == (30, SECONDS)


def test_a_verdict_knows_the_rate_and_the_smallest_effect_of_its_own_design(calibrated):
    trust, _ = asked(compare_options(run_options()))
    assert trust.trials == 30  # 600 s, 20 s a trial
    assert asdict(trust.false_positives) == asdict(calibrated.items["train_block"].result.adaptive.significant)
    short, _ = asked(compare_options(run_options(), budget_s=180.0))
    fixed, _ = asked(compare_options(run_options(), trials=8))
    assert (short.trials, fixed.trials) == (8, 8)
    assert short.smallest > fixed.smallest > trust.smallest
    assert f"{100 * trust.smallest:.1f} %" in trust.statement


@pytest.mark.parametrize(
    "other",
    [
        compare_options(run_options(settings={"batch_size": "100"})),
        compare_options(run_options(threads=1)),
        compare_options(run_options(), a="tf:eager"),
    ],
)
def test_a_calibration_of_other_conditions_says_nothing(calibrated, other):
    assert asked(other)[0] is None


def test_a_gate_tighter_than_what_can_be_seen_is_refused_with_the_figure(calibrated):
    options = compare_options(run_options(), gate=0.001)
    trust, workload = asked(options)
    with pytest.raises(
        UsageError, match=rf"tighter than what can be seen here: .* is {100 * trust.smallest:.1f} %"
    ) as refused:
        known_error.check_gate(options, workload, trust)
    assert "--trials" in refused.value.hint
    wide = compare_options(run_options(), gate=trust.smallest + 0.001)
    assert known_error.check_gate(wide, workload, trust).startswith(
        "at 4.0627 %: fails a true +8.3 % and passes a true 0 %"
    )


def test_a_gate_without_a_calibration_passes_with_a_note(tmp_path, monkeypatch):
    monkeypatch.setenv("DLPROF_CACHE", str(tmp_path))
    options = compare_options(run_options(), gate=0.001)
    trust, workload = asked(options)
    assert "dlprof calibrate lenet --side tf" in known_error.check_gate(options, workload, trust)
