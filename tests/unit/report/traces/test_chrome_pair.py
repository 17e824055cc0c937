"""A comparison's trace shows equal steps one above the other, their difference, and arrows between matched operators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from report_tables import event, table

from dlprof.errors import TraceError
from dlprof.report.traces import chrome_pair

US = 1_000_000
CONV = "Conv forward conv1"
"""What the convolutions of `side` are called, which both sides record under names of their own."""


def side(walls: dict[int, int], *, conv_at: int = 2, start: int = 0) -> pa.Table:
    """Steps of the given wall times (µs), 1 ms apart, each with two convolutions and one operator of its own."""
    rows = [event(name="before", op="Conv", start_ps=start, duration_ps=US)]
    for at, (number, wall) in enumerate(walls.items(), start=1):
        begin = start + at * 1000 * US
        rows.append(event(name=f"dlprof:step={number}", level="marker", start_ps=begin, duration_ps=wall * US))
        rows += [
            event(name="conv", op="Conv", phase="forward", layer="conv1", step=number, track=1, duration_ps=US,
                  start_ps=begin + (conv_at + 3 * turn) * US)
            for turn in range(2)
        ]  # fmt: skip
        rows.append(event(name=f"only {start}", op=f"Own{start}", step=number, track=1, start_ps=begin, duration_ps=US))
    return table(*rows)


def exported(a: pa.Table, b: pa.Table, **given: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(b"".join(chrome_pair.export(a, b, "TF", "MX", **given).chunks))
    return value


def slices(trace: dict[str, Any], name: str) -> list[dict[str, Any]]:
    process = {e["pid"]: e["args"]["name"] for e in trace["traceEvents"] if e.get("name") == "process_name"}
    found = [e | {"process": process[e["pid"]]} for e in trace["traceEvents"] if e["ph"] == "X" and e["name"] == name]
    return sorted(found, key=lambda e: (e["ts"], e["process"]))


def test_a_pair_of_steps_starts_at_the_same_place_after_the_longer_one_before() -> None:
    trace = exported(side({7: 10, 8: 30}), side({7: 20, 8: 10}, start=5_000 * US))
    for number, place in ((7, 0.0), (8, 120.0)):
        a, b = slices(trace, f"dlprof:step={number}")
        assert a["ts"] == b["ts"] == place
        assert a["process"].startswith("A TF")
        assert b["process"].startswith("B MX")
    assert trace["otherData"]["pairs_of_steps"] == 2
    assert trace["otherData"]["a_events_outside_them"] == 1


def test_durations_are_shifted_never_scaled() -> None:
    trace = exported(side({0: 10}), side({0: 40}))
    assert {e["dur"] for e in slices(trace, CONV)} == {1.0}
    assert [e["ts"] for e in slices(trace, CONV)] == [2.0, 2.0, 5.0, 5.0]


def test_the_difference_is_a_slice_named_by_who_is_slower() -> None:
    trace = exported(side({0: 10, 1: 30, 2: 5}), side({0: 25, 1: 10, 2: 5}))
    (slower,), (faster,), (equal,) = (slices(trace, name) for name in ("B slower", "B faster", "as fast"))
    assert (slower["ts"], slower["dur"], slower["cname"]) == (0.0, 15.0, "terrible")
    assert (faster["dur"], faster["cname"]) == (20.0, "good")
    assert equal["dur"] == 0
    assert slower["args"]["recorded"] == {"a_ms": 0.01, "b_ms": 0.025, "b_minus_a_ms": 0.015}


def test_arrows_join_the_nth_operator_of_a_step_with_the_nth_from_earlier_to_later() -> None:
    trace = exported(side({0: 10}, conv_at=2), side({0: 10}, conv_at=1, start=US))
    starts = {e["id"]: (e["pid"], e["ts"]) for e in trace["traceEvents"] if e["ph"] == "s"}
    ends = {e["id"]: (e["pid"], e["ts"]) for e in trace["traceEvents"] if e["ph"] == "f"}
    links = sorted((starts[id_][1], ends[id_][1]) for id_ in starts)
    assert links == [(1.0, 2.0), (4.0, 5.0)]
    assert all(starts[id_][0] != ends[id_][0] for id_ in starts)
    assert trace["otherData"]["flows_left_out"] == 0


def test_the_occupancy_counter_returns_to_zero() -> None:
    trace = exported(side({0: 10}), side({0: 10}))
    values = [e["args"]["value"] for e in sorted((e for e in trace["traceEvents"] if e["ph"] == "C" and
              e["name"].startswith("operators running")), key=lambda e: e["ts"])]  # fmt: skip
    assert max(values) == 1
    assert values[-1] == 0


def test_steps_can_be_chosen() -> None:
    trace = exported(side({0: 10, 1: 10, 2: 10}), side({0: 10, 1: 10, 2: 10}), steps_shown=(1, 2))
    assert trace["otherData"]["pairs_of_steps"] == 2
    assert slices(trace, "dlprof:step=0") == []


def test_by_default_the_pairs_around_the_median_are_shown_and_the_others_counted() -> None:
    walls = {number: 10 + number for number in range(9)}
    both = chrome_pair.export(side(walls), side(walls), "TF", "MX")
    assert (both.pairs, both.of) == (5, 9)
    trace = json.loads(b"".join(both.chunks))
    assert trace["otherData"]["pairs_of_steps_left_out"] == 4
    shown = [number for number in walls if slices(trace, f"dlprof:step={number}")]
    assert shown == [2, 3, 4, 5, 6]
    assert exported(side(walls), side(walls), steps_shown="all")["otherData"]["pairs_of_steps"] == 9


def test_the_same_work_has_the_same_name_and_colour_on_both_sides_and_keeps_its_own_name_beside() -> None:
    def one(name: str) -> pa.Table:
        return table(
            event(name="dlprof:step=0", level="marker", duration_ps=9 * US, stream="main"),
            event(name=name, op="Conv", phase="forward", layer="conv1", start_ps=US, duration_ps=US, track=1,
                  stream="4753260400937603674", step=0),
        )  # fmt: skip

    trace = exported(one("Conv2D"), one("Convolution"))
    a, b = slices(trace, CONV)
    assert (a["cname"], b["cname"]) == ("light_memory_dump", "light_memory_dump")
    assert (a["args"]["recorded_as"], b["args"]["recorded_as"]) == ("Conv2D", "Convolution")
    threads = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert threads.count("thread 1") == 2, "a handle of 64 bits is no name"


def test_arguments_of_the_producer_are_fields() -> None:
    def one(args: str) -> pa.Table:
        return table(
            event(name="dlprof:step=0", level="marker", duration_ps=9 * US),
            event(name="conv", op="Conv", start_ps=US, duration_ps=US, track=1, args=args, step=0),
        )

    trace = exported(one('{"Ev Idx": 3, "handle": 18446744073709551615, "dims": [[1, 2]]}'), one("no object"))
    a, b = slices(trace, "Conv")
    assert a["args"]["recorded"] == {"Ev Idx": 3, "handle": "18446744073709551615", "dims": [[1, 2]]}
    assert b["args"]["recorded"] == {"text": "no object"}


def test_steps_of_other_numbers_are_joined_by_turn() -> None:
    trace = exported(side({0: 10}), side({960: 10}))
    assert slices(trace, "dlprof:step=0")[0]["ts"] == slices(trace, "dlprof:step=960")[0]["ts"] == 0


def test_without_steps_it_says_which_side_lacks_them() -> None:
    with pytest.raises(TraceError, match="B has no marked step"):
        exported(side({0: 10}), table(event(op="Conv", duration_ps=US)))


def test_a_range_without_steps_names_the_range_there_is() -> None:
    with pytest.raises(TraceError) as raised:
        exported(side({3: 10, 5: 10}), side({3: 10, 5: 10}), steps_shown=(8, 9))
    assert raised.value.hint == "its steps are 3 to 5"


def test_a_slice_of_one_trace_keeps_what_overlaps_its_steps() -> None:
    kept = chrome_pair.within(side({0: 10, 1: 10, 2: 10}), 1, 1)
    assert set(kept["name"].to_pylist()) == {"dlprof:step=1", "conv", "only 0"}
    with pytest.raises(TraceError, match="no step between 7 and 9"):
        chrome_pair.within(side({0: 10}), 7, 9)


def test_perfetto_imports_it_without_an_error(perfetto: Any, tmp_path: Path) -> None:
    path = tmp_path / "pair.json"
    path.write_bytes(
        b"".join(chrome_pair.export(side({0: 10, 1: 30}), side({0: 20, 1: 10}, start=US), "TF", "MX").chunks)
    )
    other = json.loads(path.read_bytes())["otherData"]
    errors, counted, flows = perfetto(
        path, "select name from stats where severity in ('error', 'data_loss') and value > 0",
        "select count() n from slice", "select count() n from flow",
    )  # fmt: skip
    assert errors == []
    assert counted[0]["n"] == other["slices"]
    assert flows[0]["n"] == other["flows"] == 4
