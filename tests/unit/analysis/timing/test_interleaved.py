"""What it costs that the sides were alive one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dlprof import schema
from dlprof.analysis.facts import Interleaved
from dlprof.analysis.timing import interleaved


def _trials(count: int, sd: float) -> pa.Table:
    """Pairs whose log-ratio varies by exactly so much."""
    g = np.random.default_rng(0)
    drawn = g.normal(0, 1, count)
    logs = (drawn - drawn.mean()) / (drawn.std(ddof=1) if count > 1 else 1.0) * sd
    rows = [
        (trial, side, "train_block", "timed", r, at, i, i > 0, 5, round(5e6 * np.exp(log if side == "b" else 0)), 0, 0)
        for trial, log in enumerate(logs)
        for at, side in enumerate("ab")
        for r in range(8)
        for i in range(3)
    ]
    columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), schema.TIMINGS, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema.TIMINGS)


def test_what_pairs_find_is_told_beside_what_trials_in_lockstep_would() -> None:
    found = interleaved.of(Interleaved("no memory for both"), _trials(8, 0.5), "train_block", adaptive=False)
    assert found.measured
    assert found.sd == pytest.approx(0.5, rel=0.01)
    assert found.trials == 8
    assert found.smallest is not None
    assert found.lockstep_smallest is not None
    assert 0.8 < found.smallest < 1.5
    assert found.lockstep_smallest < found.smallest / 2
    assert "not in lockstep: no memory for both" in found.statement
    assert "SD 0.500 as these pairs do" in found.statement


def test_few_pairs_are_told_of_by_a_prior() -> None:
    found = interleaved.of(Interleaved("as asked"), _trials(2, 0.01), "train_block", adaptive=True)
    assert not found.measured
    assert found.sd == interleaved.PRIOR_SD
    assert "as a prior says" in found.statement


def test_pairs_that_vary_as_little_as_trials_in_lockstep_cost_nothing() -> None:
    found = interleaved.of(Interleaved("as asked"), _trials(8, 0.02), "train_block", adaptive=False)
    assert "would be no better here" in found.statement


def test_the_priors_are_those_of_the_benchmark_in_the_documentation() -> None:
    page = (Path(__file__).parents[4] / "docs" / "statistics.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines()]
    found = {
        row[0].removeprefix("| "): float(row[2]) for row in rows if row[0] in ("| in lockstep", "| one after the other")
    }
    assert found == {"in lockstep": interleaved.LOCKSTEP_SD, "one after the other": interleaved.PRIOR_SD}
