"""Ratios of several hours: what carries from one to another, and how sure their mean is."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from places import ROOT

sys.path.insert(0, str(ROOT / "analysis"))

import results
import transfer


def item(
    task: str, size: int, ratio: float, low: float, high: float, faster: str = "b", machine: str = "one"
) -> results.Item:
    verdict = {"b": "faster", "a": "slower", "": "inconclusive"}[faster]
    return results.Item(
        "cell",
        "experiment",
        "A",
        "B",
        task,
        size,
        ratio,
        low,
        high,
        0.95,
        6,
        verdict,
        0.01,
        1e6,
        1e6,
        "",
        "03:50",
        machine,
    )


def test_one_run_carries_nothing() -> None:
    assert transfer.carried([[item("dot", 1000, 2.0, 1.9, 2.1)]]) == []
    assert transfer.words([]) == []


def test_directions_and_sizes_are_told_apart() -> None:
    first = [item("dot", 1000, 2.0, 1.9, 2.1), item("relu", 500, 1.2, 1.1, 1.3), item("tanh", 500, 3.0, 2.9, 3.1)]
    second = [
        item("dot", 1000, 2.5, 2.4, 2.6),
        item("relu", 500, 0.8, 0.7, 0.9, "a"),
        item("tanh", 500, 3.05, 3.0, 3.1),
    ]
    found = transfer.carried([first, second])
    assert [one.same_direction for one in found] == [True, False, True]
    assert [one.contradicted for one in found] == [False, True, False]
    assert [one.later_inside for one in found] == [[False], [False], [True]]
    assert [one.ratio for one in found] == pytest.approx([5**0.5, 0.96**0.5, 9.15**0.5])
    text = "\n".join(transfer.words([first, second]))
    assert "lies on the same side of 1 every time at 2 of 3 operations and sizes (not relu 500)" in text
    assert "at 2 every run's own interval excludes 1, and runs contradict each other at relu 500" in text
    assert "at another hour on the same machine (one): 1 of 3 later ratios" in text
    assert "another machine" not in text.replace("same machine", "")


def test_hours_and_machines_are_told_apart() -> None:
    def run(ratio: float, machine: str) -> list[results.Item]:
        return [item("dot", size, ratio, ratio * 0.9, ratio * 1.1, "b", machine) for size in (10, 20)]

    text = "\n".join(transfer.words([run(2.0, "one"), run(3.0, "other"), run(3.1, "other")]))
    assert "at another hour on the same machine (other): 2 of 2 later ratios" in text
    assert "on another machine (one, other): 0 of 2 later ratios" in text
    assert "| dot | 10 | 2 [1.8, 2.2] | 3 [2.7, 3.3] | 3.1 [2.8, 3.4] | 3 [" in text
    assert (
        "So 2 of 2 directions held on 2 machines, as point estimates; 2 of 2 have an interval over machines without 1"
        in text
    )
    assert "What a further one would show is not known" in text
    assert "the hour moves it by a factor of 1.02 (other), the machine (and the hour) by 1.3" in text
    assert (
        "a factor of 1.02 (one standard deviation of its logarithm), no more than the runs' own intervals make it"
        in text
    )
    assert (
        "a factor of 1.33 (one standard deviation of its logarithm), more than the runs' own intervals make it (1.05)"
        in text
    )
    only_elsewhere = "\n".join(transfer.words([run(2.0, "one"), run(3.0, "other")]))
    assert "at another hour" not in only_elsewhere


def test_two_runs_that_agree_by_luck_are_no_surer_than_their_own_intervals() -> None:
    runs = [[item("dot", size, 2.0, 1.5, 2.7) for size in (10, 20, 30)] for _ in range(2)]
    runs[1][0] = item("dot", 10, 2.02, 1.5, 2.7)
    for one in transfer.carried(runs):
        error = np.log(2.7 / 1.5) / 3.92 / 2**0.5
        assert np.log(one.high / one.ratio) >= 1.96 * error
    assert transfer.own_error(item("dot", 10, 2.0, 1.5, 2.7)) == pytest.approx(np.log(2.7 / 1.5) / 3.92, rel=1e-3)


def test_hours_and_machines_stand_in_rows_of_their_own() -> None:
    def run(ratio: float, machine: str) -> list[results.Item]:
        return [item("dot", size, ratio, ratio * 0.9, ratio * 1.1, "b", machine) for size in (10, 20)]

    runs = [run(2.0, "one"), run(3.0, "other"), run(3.1, "other")]
    found = transfer.rows(runs)
    assert [(row["over"], row["where"], row["size"], row["runs"]) for row in found] == [
        ("hours", "other", 10, 2),
        ("hours", "other", 20, 2),
        ("machines", "one, other", 10, 2),
        ("machines", "one, other", 20, 2),
    ]
    assert [row["ratio"] for row in found[::2]] == pytest.approx([9.3**0.5, 6**0.5])
    assert [(row["run"], row["machine"], row["ratio"]) for row in transfer.run_rows(runs)[::2]] == [
        (1, "one", 2.0),
        (2, "other", 3.0),
        (3, "other", 3.1),
    ]


def test_where_a_run_does_not_show_the_direction_that_is_said() -> None:
    sure, unsure = item("dot", 10, 2.0, 1.8, 2.2), item("dot", 20, 1.2, 0.9, 1.5, "")
    text = "\n".join(transfer.words([[sure, unsure], [sure, unsure]]))
    assert "at 1 every run's own interval excludes 1 (not at dot 20), and no two runs contradict each other" in text
    assert (
        "So 2 of 2 directions held on one machine, as point estimates. What a further one would show is not known."
        in text
    )


def test_an_item_that_a_run_lacks_stands_in_no_row() -> None:
    first = [item("dot", 1000, 2.0, 1.9, 2.1), item("relu", 500, 1.2, 1.1, 1.3)]
    assert [one.task for one in transfer.carried([first, first[:1]])] == ["dot"]


def test_the_interval_over_hours_covers_the_mean_over_hours() -> None:
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(300):
        truth = rng.normal(0, 1, 22)
        spreads = 0.2 * np.sqrt(5 / rng.chisquare(5, 22))
        logs = truth + spreads * rng.normal(size=(3, 22))
        runs = [[item("t", at, float(np.exp(x)), 1, 1) for at, x in enumerate(of_run)] for of_run in logs]
        covered += [
            np.log(one.low) <= mean <= np.log(one.high) for one, mean in zip(transfer.carried(runs), truth, strict=True)
        ]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_variances_alike_are_shared_and_others_drawn_towards_the_prior() -> None:
    rng = np.random.default_rng(1)
    alike, freedom = transfer.moderated(rng.chisquare(2, 4000) / 2, 2)
    assert freedom > 50
    assert np.allclose(alike, 1, atol=0.1)
    unlike, freedom = transfer.moderated(rng.chisquare(2, 4000) / 2 * 6 / rng.chisquare(6, 4000), 2)
    assert freedom == pytest.approx(8, abs=1.5)
    assert unlike.min() > 0.5


def test_a_figure_that_is_not_the_repeated_one_is_told_beside_it() -> None:
    spec = importlib.util.spec_from_file_location("audit_render", ROOT / "analysis" / "audit" / "render.py")
    assert spec is not None
    assert spec.loader is not None
    render = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(render)
    again = [[item("matmul", 50, 6.5, 4.9, 8.9), item("dot", 1000, 2.0, 1.9, 2.1)]]
    sound = [item("matmul", 50, 7.9, 7.0, 9.2), item("matmul", 150, 1.1, 1.0, 1.2), item("dot", 1000, 2.0, 1.9, 2.1)]
    told = render.measured_twice(sound, again)
    assert told[-1].endswith("(matmul 50: 7.9 [7, 9.2] above, 6.5 [4.9, 8.9] below).")
    assert render.measured_twice(sound[1:], again) == render.measured_twice(sound, []) == []
