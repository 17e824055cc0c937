"""The tax of profiling: each level against none, by step and by class of operator."""

from __future__ import annotations

import pytest
from analysis_tables import events, marker, op, step

from dlprof.analysis import tax


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
    found = tax.build([500.0, 540.0], LIGHT, full(400), difference_ns=200.0)
    assert [(level.name, level.step_ns, level.cost_ns) for level in found.levels] == [
        ("off", 520.0, None),
        ("light", 530.0, 10.0),
        ("full", 600.0, 80.0),
    ]
    assert dict(found.levels[2].classes) == {"forward": 400.0}
    assert dict(found.levels[1].classes) == {"bulks": 497.5}
    assert found.explains is True


def test_a_tax_above_the_difference_says_that_the_traces_cannot_explain_it():
    found = tax.build([520.0], None, full(400), difference_ns=30.0)
    assert found.explains is False
    assert "which these traces cannot explain" in found.statement


def test_without_an_untraced_step_there_is_no_cost_and_no_claim():
    found = tax.build([], None, full(400), difference_ns=30.0)
    assert (found.explains, found.levels[0].cost_ns) == (None, None)
    assert found.statement == "what profiling costs was not measured"


def test_an_unsynchronised_window_counts_until_its_work_is_done_even_without_a_recorded_wait():
    steps_, ns = tax.step_ns(events(marker("dlprof:unsynced_step=3", 100, 110), op("Bulk", 105, 400)))
    assert (steps_, ns) == (1, pytest.approx(300.0))
