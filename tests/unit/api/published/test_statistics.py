"""The study's way of measuring: it gives its ratio, no interval, no verdict, and says in every output that it is unsound."""

from __future__ import annotations

import pyarrow as pa

from dlprof import schema
from dlprof.analysis.facts import Facts
from dlprof.analysis.model import Comparison, Side
from dlprof.api.published import statistics
from dlprof.report import csv, json
from dlprof.report.text import comparison_text


def side(name: str) -> Side:
    return Side(name, "1", "cpu:0", "eager", "3.7", name)


def found() -> Comparison:
    rows = []
    for repetition in range(3):
        # MXNet (b) first: 1 ms of CPU while it queues; then TensorFlow (a) with MXNet's work in its slot: 300 ms.
        for position, name, cpu_ns in ((0, "b", 1_000_000), (1, "a", 300_000_000)):
            start = repetition * 10**9 + position * 10**8
            rows.append(
                (0, name, "matmul[size=550]", "timed", repetition, position, 0, True, 50, cpu_ns // 2, cpu_ns, start)
            )
    records = [dict(zip(schema.TIMINGS.names, row, strict=True)) for row in rows]
    timings = pa.Table.from_pylist(records, schema=schema.TIMINGS)
    return statistics.build(workload="matmul", a=side("TF"), b=side("MX"), timings=timings, facts=Facts(kind="op"))


def test_the_ratio_is_that_of_cpu_seconds_and_nothing_is_decided() -> None:
    (item,) = found().items
    assert item.verdict == "inconclusive"
    assert item.ratio is not None
    assert (round(1 / item.ratio.estimate), item.ratio.low, item.ratio.high) == (300, None, None)
    assert (item.a_median_ns, item.b_median_ns) == (6_000_000, 20_000)


def test_every_output_says_that_it_is_unsound() -> None:
    comparison = found()
    assert comparison_text.comparison(comparison).startswith("UNSOUND METHOD")
    assert "Same work?" not in comparison_text.comparison(comparison), "parity was not checked"
    value = json.comparison_value(comparison)
    assert value["facts"]["method"] == "as-published"
    assert value["warnings"][0].startswith("UNSOUND")
    assert all("UNSOUND" in item["sentence"] for item in value["items"])
    header, *lines = csv.comparison(comparison).splitlines()
    assert header.startswith("item,verdict,ratio")
    assert len(lines) == 1
    assert all("UNSOUND" in line for line in lines)
