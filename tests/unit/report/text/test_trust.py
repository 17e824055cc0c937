"""How far a verdict can be trusted: the machine during the trials and the calibration, in words."""

from dataclasses import replace

from report_tables import comparison

from dlprof.analysis.facts import ErrorRate, Facts, KnownError, TrialNote
from dlprof.manifest import Disturbance
from dlprof.report.text import comparison_text, trust_text

QUIET = Disturbance(
    wall_s=30.0,
    load_1m=(0.3, 0.4),
    steal=0.0,
    other_cpu=0.02,
    context_switches_per_s=900,
    frequency_mhz=(2600.0, 2600.0),
)
BUSY = Disturbance(
    wall_s=30.0,
    load_1m=(2.1, 3.8),
    steal=0.031,
    other_cpu=0.45,
    context_switches_per_s=21000,
    frequency_mhz=(2400.0, 2600.0),
    temperature_c=(61.0, 72.0),
)
KNOWN = KnownError(
    label="TensorFlow",
    item="train_block",
    calibrated_trials=20,
    created="2026-01-01T00:00:00+00:00",
    false_positives=ErrorRate(0.04, 0.02, 0.06, 1000, 20),
    sd=0.02,
    seconds=30.0,
    trials=8,
    alpha=0.05,
    smallest=0.03,
    statement="on this machine …",
)


def test_a_quiet_machine_is_said_to_be_quiet():
    assert trust_text.machine([QUIET] * 3) == (
        "The machine was quiet during the trials: other processes used 2.0 % of all cores, steal 0.0 %, load 0.4, "
        "900 context switches a second, clock 2600 MHz."
    )


def test_a_disturbed_machine_says_in_how_many_trials_and_by_how_much():
    said = trust_text.machine([QUIET, BUSY, QUIET])
    assert said.startswith("The machine was disturbed in 1 of 3 trials: other processes used 2.0 % (up to 45.0 %)")
    for part in (
        "steal 0.0 % (up to 3.1 %)",
        "load 0.4 (up to 3.8)",
        "clock 2600 MHz (down to 2400 MHz)",
        "CPU at 72 °C",
    ):
        assert part in said


def test_the_report_holds_the_calibration_and_the_machine_and_nothing_where_neither_is_known():
    facts = Facts(calibration=KNOWN, trials=(TrialNote(0, machine=BUSY),))
    shown = comparison_text.comparison(replace(comparison(), facts=facts))
    assert "How far to trust it\n  On this machine ….\n  The machine was disturbed in 1 of 1 trials" in shown
    assert "How far to trust it" not in comparison_text.comparison(comparison())
