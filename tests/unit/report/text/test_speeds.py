"""Two speeds of a side's processes stand beside the verdict in text, page and JSON."""

from __future__ import annotations

import json as stdlib_json

import pytest
from report_tables import comparison

from dlprof.analysis.facts import Facts, TwoSpeeds
from dlprof.report import json
from dlprof.report.html import document
from dlprof.report.text import comparison_text

SAID = "B's processes come in two speeds: 9 ms (4 of 6 trials) and 12.5 ms (2 of 6) (MXNet)"
SPEEDS = TwoSpeeds("b", "train_block", 9e6, 12.5e6, (0, 1, 2, 4), (3, 5), SAID)
TRACED = TwoSpeeds("b", "train_block", 9e6, 12.5e6, (0, 1, 2, 4), (3, 5), SAID, "Their traces differ in Conv.")


def found(*speeds: TwoSpeeds):
    return comparison(facts=Facts(kind="network", method="lockstep", speeds=speeds or None))


def words(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").replace("&#x27;", "'").split())


@pytest.mark.parametrize("render", [comparison_text.comparison, document.comparison])
def test_two_speeds_stand_above_the_timings_with_what_the_traces_tell(render) -> None:
    text = words(render(found(TRACED)))
    assert f"{SAID}. Their traces differ in Conv." in text
    assert text.index(SAID) < text.index("Timings")
    assert f"{SAID}." in words(render(found(SPEEDS)))
    assert "two speeds" not in words(render(found()))


def test_json_has_them_in_numbers_and_leaves_the_key_out_where_there_are_none() -> None:
    written = stdlib_json.loads(json.comparison(found(SPEEDS)))["facts"]["speeds"]
    assert written == [
        {
            "side": "b",
            "item": "train_block",
            "fast_ns": 9e6,
            "slow_ns": 12.5e6,
            "fast_trials": [0, 1, 2, 4],
            "slow_trials": [3, 5],
            "sentence": SAID,
            "traces": None,
        }
    ]
    assert "speeds" not in stdlib_json.loads(json.comparison(found()))["facts"]
