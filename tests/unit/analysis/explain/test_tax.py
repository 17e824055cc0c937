"""The tax of profiling: each level against none, by step and by class of operator."""

from __future__ import annotations

import pytest
from analysis_tables import events, marker, op, step

from dlprof.analysis import model
from dlprof.analysis.explain import tax


def full(conv):
    return events(*(row for n in range(2) for row in (
        step(n, 1000 * n, 1000 * n + 600), op("Conv", 1000 * n, 1000 * n + conv, phase="forward", step=n)
    )))  # fmt: skip


LIGHT = events(
    marker("dlprof:unsynced_step=0", 0, 10),
    marker("dlprof:unsynced_step=1", 10, 20),
    marker("dlprof:sync", 20, 1060),
    op("Bulk", 5, 1000),
)


def test_levels_are_set_against_the_untraced_step():
    found = tax.build([500.0, 540.0], LIGHT, [full(400)], difference_ns=200.0)
    assert [(level.name, level.step_ns, level.cost_ns) for level in found.levels] == [
        ("off", 520.0, None),
        ("light", 530.0, 10.0),
        ("full", 600.0, 80.0),
    ]
    assert dict(found.levels[2].classes) == {"forward": 400.0}
    assert dict(found.levels[1].classes) == {"bulks": 497.5}
    assert found.explains is True


def test_a_tax_above_the_difference_says_that_the_traces_cannot_explain_it():
    found = tax.build([520.0], None, [full(400)], difference_ns=30.0)
    assert found.explains is False
    assert "which these traces cannot explain" in found.statement


def test_without_an_untraced_step_there_is_no_cost_and_no_claim():
    found = tax.build([], None, [full(400)], difference_ns=30.0)
    assert (found.explains, found.levels[0].cost_ns) == (None, None)
    assert found.statement == "what profiling costs was not measured"


def test_an_unsynchronised_window_counts_until_its_work_is_done_even_without_a_recorded_wait():
    steps_, ns = tax.step_ns(events(marker("dlprof:unsynced_step=3", 100, 110), op("Bulk", 105, 400)))
    assert (steps_, ns) == (1, pytest.approx(300.0))


def ledger(gap, untraced):
    return model.Ledger("step", 1, 1, 1, 1000, 1000 + gap, gap, untraced, None, (), 0, "")


@pytest.mark.parametrize(
    ("gap", "untraced", "costs", "said"),
    [
        (300, 250, {"a": 100.0, "b": 200.0}, []),
        (300, None, {"a": None, "b": None}, []),
        (300, -50, {"a": 100.0, "b": 200.0}, ["without profiler B's step is 50 ns shorter, with it 300 ns longer"]),
        (-30, -250, {"a": 100.0, "b": None}, ["a step of A by 100 ns, and the traced steps differ by 30 ns only"]),
        (30, -250, {"a": 10.0, "b": 400.0}, ["without profiler B's step", "a step of B by 400 ns"]),
    ],
)
def test_traces_that_cannot_explain_the_difference_are_said_to_be_such(gap, untraced, costs, said):
    found = tax.limits(ledger(gap, untraced), costs)
    assert len(found) == len(said)
    assert all(text in sentence for text, sentence in zip(said, found, strict=True))
    assert all("the traces cannot explain this difference" in sentence for sentence in found)
