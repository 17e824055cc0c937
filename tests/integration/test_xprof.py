"""TensorFlow's own numbers: per-operator times of a fresh TensorFlow 2.21 trace, by xprof and by dlprof."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]


def test_per_op_times_of_a_fresh_trace_equal_xprofs_and_counts_equal_the_events(comparison):
    convert = pytest.importorskip("xprof.convert.raw_to_tool_data", reason="xprof, TensorBoard's profile plugin")
    import dlprof

    capture = dlprof.load(comparison.path / "a-exact-1")
    (file,) = (comparison.path / "a-exact-1" / "raw").rglob("*.xplane.pb")
    data, _ = convert.xspace_to_tool_data([str(file)], "framework_op_stats", {})
    table = json.loads(data)[0]
    names = [column["id"] for column in table["cols"]]
    theirs = [dict(zip(names, (cell["v"] for cell in row["c"]), strict=True)) for row in table["rows"]]
    # xprof takes any name with a colon for an operator, so our markers (dlprof:step=3) stand among its operators.
    theirs = [row for row in theirs if row["type"] != "IDLE" and row["operation"] != "dlprof"]

    events = capture.events.select(["level", "op_path", "kernel", "duration_ps"]).to_pylist()
    ours: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for event in events:
        if event["level"] in ("op", "copy"):
            total = ours[event["op_path"], event["kernel"]]
            total[0] += 1
            total[1] += event["duration_ps"] / 1e6

    assert len(theirs) > 40
    for row in theirs:
        count, time_us = ours[row["operation"], row["type"]]
        assert time_us == pytest.approx(row["total_time"], rel=1e-6), row["operation"]
        # xprof shows some host operators twice as often as they stand in the file; their times are right.
        assert row["occurrences"] in (count, 2 * count), row["operation"]
    assert sum(time for _, time in ours.values()) == pytest.approx(sum(row["total_time"] for row in theirs), rel=1e-6)
