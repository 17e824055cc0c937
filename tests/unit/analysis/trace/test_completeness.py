"""Completeness: a trace that lost work says so, and where; one with nothing to check against says that."""

from __future__ import annotations

from analysis_tables import events, op, step

from dlprof.analysis.trace import completeness


def trace(*counts):
    rows = []
    for number, count in enumerate(counts):
        rows.append(step(number, number * 100, number * 100 + 90))
        rows += [
            op("Conv", number * 100 + i, number * 100 + i + 1, name="Convolution", step=number) for i in range(count)
        ]
    return events(*rows)


def test_every_expected_execution_in_every_step_is_complete():
    found = completeness.check(trace(2, 2, 2), expected={"Convolution": 2}, window_steps=3)
    assert found.complete is True
    assert found.details == {"steps": "3 of 3 marked", "Convolution": "6 of 6"}


def test_one_lost_event_is_found_and_its_step_named_even_where_another_step_has_one_too_many():
    found = completeness.check(trace(2, 1, 3), expected={"Convolution": 2}, window_steps=3)
    assert found.complete is False
    assert found.details["Convolution"] == "6 of 6; not 2 in 2 steps, first in step 1"


def test_missing_steps_and_lost_events_make_it_incomplete():
    found = completeness.check(trace(2, 2), window_steps=3, anomalies={"events_capped": 17, "json_repaired": 4})
    assert found.complete is False
    assert "2 of 3 steps are marked" in found.statement
    assert found.details["lost"] == "events_capped: 17"


def test_without_anything_to_check_against_it_is_unknown():
    assert completeness.check(trace(2)).complete is None


def test_what_is_said_of_several_files_is_said_once_with_their_names():
    found = completeness.check(
        trace(2), reader={"a.json: place": "no host", "b.json: place": "no host", "empty files": "c: missing"}
    )
    assert found.statement == "unknown: a.json, b.json: no host; c: missing"
    assert len(found.details) == 3
    many = completeness.check(trace(2), reader={f"{n}.json: place": "no host" for n in range(9)})
    assert many.statement == "unknown: 0.json, 1.json, 2.json, 3.json and 5 more: no host"
