"""Two of several sides as a comparison of two: timings, captures and facts under the letters a and b."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dlprof import schema
from dlprof.analysis.timing import lockstep
from dlprof.api.findings import pairs

ORDERS = ("acb", "bac", "cba", "abc")
"""Of the sides in four rounds."""

NS = {"a": 1000, "b": 2000, "c": 4000}


def timings(sides: str = "abc") -> pa.Table:
    """Two trials of one item: rounds in which the sides run in the orders above, and a warm-up."""
    rows = []
    for trial in range(2):
        for at, side in enumerate("cab"):
            rows.append((trial, side, "x", "warmup", -1, at, 0, False, 1, 9, 0, 0))
        for number, order in enumerate(ORDERS):
            for at, side in enumerate(order):
                rows += [(trial, side, "x", "timed", number, at, i, i > 0, 1, NS[side], 0, 0) for i in range(3)]
    rows = [row for row in rows if row[1] in sides]
    columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), schema.TIMINGS, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema.TIMINGS)


def test_a_pair_is_called_a_and_b_and_its_positions_count_the_two_alone():
    found = pairs.timings(timings(), ("b", "c"))
    assert found.schema.equals(schema.TIMINGS)
    found.validate(full=True)
    assert found.num_rows == 2 * (2 + 4 * 6)
    assert set(found["side"].to_pylist()) == {"a", "b"}
    first = {(row["trial"], row["round"]): row["side"] for row in found.to_pylist() if row["position"] == 0}
    assert first[0, -1] == "b", "c was warmed up first"
    assert [first[1, number] for number in range(4)] == ["b", "a", "b", "a"], "c, b, c, b"
    (trial, *_) = lockstep.by_item(found)["x"].values()
    assert (trial.a_ns, trial.b_ns) == (pytest.approx(2000), pytest.approx(4000))
    assert trial.rounds == 4


def test_a_table_of_two_sides_is_left_as_it_is():
    table = timings("ab")
    assert pairs.timings(table, ("a", "b")) is table


def test_captures_and_facts_of_a_pair_take_its_letters():
    captures = {"a-exact-1": 1, "b-exact-1": 2, "c-exact-1": 3, "c-exact-2": 4, "c-native-1": 5, "raw": 6}
    assert pairs.captures(captures, ("a", "c")) == {"a-exact-1": 1, "b-exact-1": 3, "b-exact-2": 4, "b-native-1": 5}
    assert pairs.of_sides({"a": 1, "b": 2, "c": 3}, ("b", "c")) == {"a": 2, "b": 3}
