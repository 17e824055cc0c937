"""Two speeds in words."""

import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.analysis.model import Side
from dlprof.analysis.timing import speeds

A = Side("tf", "2.21.0", "cpu:0", "graph", "3.11.7", "TensorFlow 2.21.0 (graph)")
B = Side("mxnet", "1.9.1", "cpu:0", "hybrid", "3.11.7", "MXNet 1.9.1 (hybrid)")


def trials(b_ms: dict[int, float]) -> pa.Table:
    """Trials, by number, in which A takes 6 ms and B so many."""
    g = np.random.default_rng(0)
    rows = [
        (number, side, "train_block", "timed", r, at, i, i > 0, 5, round(5e6 * ms * np.exp(g.normal(0, 0.003))), 0, 0)
        for number, b in b_ms.items()
        for r in range(8)
        for at, (side, ms) in enumerate((("a", 6.0), ("b", b)))
        for i in range(3)
    ]
    columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), schema.TIMINGS, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema.TIMINGS)


def test_two_speeds_are_told_with_the_share_of_each_and_what_the_ratio_then_is():
    (found,) = speeds.of(trials({2: 9.0, 3: 12.5, 4: 9.1, 5: 9.0, 7: 12.4, 8: 9.0}), "train_block", A, B)
    assert (found.side, found.fast_trials, found.slow_trials) == ("b", (2, 4, 5, 8), (3, 7))
    assert found.sentence == (
        "B's processes come in two speeds: 8.994 ms (4 of 6 trials) and 12.45 ms (2 of 6) (MXNet 1.9.1 (hybrid)); "
        "the ratio is a mean over both, at which no process ran, and its interval is too narrow where one speed is much rarer "
        "than the other"
    )
    assert found.traces is None


def test_one_speed_and_an_item_that_was_not_timed_have_nothing_to_say():
    same = trials(dict.fromkeys(range(8), 9.0))
    assert speeds.of(same, "train_block", A, B) == ()
    assert speeds.of(same, "infer_block", A, B) == ()
