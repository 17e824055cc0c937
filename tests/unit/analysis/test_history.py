"""A history: which comparisons belong together, what is said of those that do not, and where the level changed."""

from __future__ import annotations

import dataclasses
import math

import pytest

from dlprof.analysis import history
from dlprof.analysis.history import Entry, Figures
from dlprof.report import csv
from dlprof.report.html import history_plot


def entry(number: int, ratio: float = 1.0, *, base: str = "v1", machine: str = "quiet", item: str = "step") -> Entry:
    """Six trials whose ratios lie around `ratio`."""
    wobble = [0.01 * (at % 3 - 1) + 0.002 * (number % 4) for at in range(6)]
    logs = tuple(math.log(ratio) + one for one in wobble)
    head = tuple(1e6 * math.exp(one) for one in logs)
    when = f"2026-01-{number + 1:02d}T00:00:00+00:00"
    return Entry(
        kind="comparison",
        revision=f"r{number}",
        when=when,
        measured=when,
        base=base,
        head="train",
        machine=machine,
        items={item: Figures(logs, (1e6,) * 6, head)},
    )


def test_points_stand_in_the_order_of_their_revisions_with_intervals() -> None:
    found = history.of("train", [entry(2), entry(0), entry(1)])
    assert [point.revision for point in found.points] == ["r0", "r1", "r2"]
    assert all(point.low < point.value < point.high for point in found.points if point.low and point.high)


def test_a_change_of_level_names_the_first_revision_after_it_and_the_last_before_it() -> None:
    found = history.of("train", [entry(at, 1.0 if at < 12 else 1.2) for at in range(24)])
    (step,) = found.steps
    assert (step.revision, step.before) == ("r12", "r11")
    assert step.low < 1.2 < step.high


def test_ratios_to_another_base_are_left_out_and_said() -> None:
    found = history.of("train", [entry(0, base="v0"), entry(1), entry(2)])
    assert [point.revision for point in found.points] == ["r1", "r2"]
    assert any("1 comparison against another base" in note for note in found.notes)


def test_times_are_shown_whatever_the_base_and_warn_of_the_hours() -> None:
    found = history.of("train", [entry(0, base="v0"), entry(1), entry(2, 1.5)], metric="time")
    assert len(found.points) == 3
    assert found.points[2].value == pytest.approx(1.5e6, rel=0.02)
    assert any("different hours" in note for note in found.notes)


def test_another_machine_is_another_history() -> None:
    found = history.of("train", [entry(0, machine="other"), entry(1)])
    assert [point.revision for point in found.points] == ["r1"]
    assert any("another machine" in note for note in found.notes)


def test_one_trial_gives_a_point_without_an_interval() -> None:
    one = entry(0)
    figures = Figures(one.items["step"].log_ratios[:1], (1e6,), (1e6,))
    (point,) = history.of("train", [_with(one, figures)]).points
    assert (point.trials, point.low, point.high) == (1, None, None)


def test_trials_without_a_ratio_do_not_count() -> None:
    (point,) = history.of("train", [_with(entry(0), Figures((0.1, math.nan, 0.1)))]).points
    assert point.trials == 2


def test_an_item_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="no item epoch; it has step"):
        history.of("train", [entry(0)], item="epoch")


def test_a_calibration_says_how_much_the_machine_varies() -> None:
    told = entry(3)
    calibrated = Entry(
        kind="calibration",
        revision="c",
        when=told.when,
        measured=told.measured,
        base="train",
        head="train",
        machine="quiet",
        items=told.items,
    )
    assert any("against itself" in note for note in history.of("train", [entry(0), calibrated]).notes)


def _with(one: Entry, figures: Figures) -> Entry:
    return Entry(
        kind=one.kind,
        revision=one.revision,
        when=one.when,
        measured=one.measured,
        base=one.base,
        head=one.head,
        machine=one.machine,
        items={"step": figures},
    )


def test_a_change_between_points_of_one_revision_stands_where_it_is() -> None:
    measured = [dataclasses.replace(entry(at, 1.0 if at < 12 else 1.2), revision="nightly") for at in range(24)]
    found = history.of("train", measured)
    assert [step.at for step in found.steps] == [12]
    rows = csv.history(found).splitlines()[1:]
    assert [row.rsplit(",", 1)[1] for row in rows] == ["1" if at == 12 else "0" for at in range(24)]
    assert history_plot.draw(found)
