"""What the items of an op workload say together, and how much of a call its operators explain."""

import numpy as np
import pyarrow as pa
import pytest
from analysis_tables import events, marker, op

from dlprof import schema
from dlprof.analysis.timing import families


def test_the_share_of_a_call_that_its_operators_cover_counts_overlap_once_and_bookkeeping_never():
    tiny, large = {"layer": "relu[size=5]"}, {"layer": "relu[size=500000]"}
    table = events(
        marker("dlprof:item=relu[size=5]@0", 0, 100, **tiny),
        op("Relu", 50, 52, phase="forward", **tiny),
        op("DeleteVariable", 60, 95, phase="bookkeeping", **tiny),
        marker("dlprof:item=relu[size=500000]@0", 200, 300, **large),
        op("Relu", 205, 275, phase="forward", **large),
        op("Relu", 215, 295, phase="forward", track=1, **large),
    )
    found = families.explained_of_items(table, ["relu[size=5]", "relu[size=500000]", "not traced"])
    assert found == pytest.approx({"relu[size=5]": 0.02, "relu[size=500000]": 0.9})
    assert found["relu[size=5]"] < families.DISPATCH_BOUND < found["relu[size=500000]"]


def one_trial_each(ratios):
    """schema.TIMINGS with item → log-ratio of each trial, without noise."""
    rows = [
        (trial, side, item, "timed", r, at, i, i > 0, 1, round(1e7 * np.exp(ratio * at)), 0, 0)
        for item, of_trials in ratios.items()
        for trial, ratio in enumerate(of_trials)
        for r in range(4)
        for at, side in enumerate("ab")
        for i in range(3)
    ]
    columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), schema.TIMINGS, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema.TIMINGS)


def test_the_ratio_of_a_family_is_the_geometric_mean_of_its_items_and_says_so():
    noise = np.array([0.01, -0.01, 0.005, -0.005, 0.0, 0.002])
    table = one_trial_each({"x": np.log(2) + noise, "y": -np.log(2) + noise, "z": np.log(1.5) - noise})
    found = families.geometric_mean(table, ["x", "y", "z"], 0.05)
    assert found.estimate == pytest.approx(1.5 ** (1 / 3), rel=1e-3)
    assert found.low < found.estimate < found.high
    assert (found.trials, found.method) == (6, "geometric mean of 3 items, each counting alike")
    assert families.geometric_mean(table, ["x"], 0.05) is None


def test_items_that_were_not_measured_in_the_same_trials_have_no_common_ratio():
    table = one_trial_each({"x": [0.1] * 6, "y": [0.2] * 5})
    assert families.geometric_mean(table, ["x", "y"], 0.05) is None
