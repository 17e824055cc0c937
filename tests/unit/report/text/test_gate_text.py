"""A gate's answer is the first line of every output, and says why."""

from __future__ import annotations

import json as plain_json
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest
from report_tables import comparison, ledger

from dlprof.analysis.explain import causes
from dlprof.analysis.model import Amount, Bridge, Gate, GatedItem, GateState, Ratio
from dlprof.analysis.timing import verdicts
from dlprof.report import json, next_steps
from dlprof.report.html import document
from dlprof.report.text import comparison_text, gate_text


def item(name: str, estimate: float, state: GateState, more: int | None = None) -> GatedItem:
    return GatedItem(name, state, Ratio(estimate, estimate - 0.1, estimate + 0.1, 0.99, 8, "t"), 0.5, 0.5, more)


def gated(state: GateState, *items: GatedItem, **changes):
    return replace(comparison(ledger=ledger()), gate=Gate(0.05, state, items), **changes)


def test_a_failure_names_the_slow_item_and_what_grew():
    said = gate_text.words(gated("failed", item("train_block", 1.943, "failed")))
    assert said == (
        "GATE FAILED: training step +94.3 % [+84.3 %, +104.3 %] > 5 %, because Conv backward conv2 +9 ms, "
        "input pipeline +8.5 ms, Gemm forward dense1 +2 ms."
    )


def test_what_is_a_fiftieth_of_the_largest_cause_is_not_named_as_one():
    whole = ledger()
    few = replace(
        whole,
        lines=(*whole.lines[:1], replace(whole.lines[0], name="resize_ conv1", delta_ns=128, low_ns=90, high_ns=160)),
    )
    assert few.lines[0].delta_ns > 50 * 128
    assert gate_text.grown(few) == gate_text.grown(replace(whole, lines=whole.lines[:1]))
    assert [line.name for line in causes.of(few).largest] == [whole.lines[0].name]


def test_of_many_items_the_slowest_that_failed_are_named():
    bad = [item(f"matmul[size={size}]", 1 + size / 100, "failed") for size in (20, 80, 30, 40)]
    said = gate_text.words(gated("failed", *bad, item("add[size=1]", 1.0, "passed"), ledger=None))
    assert said.startswith("GATE FAILED: matmul[size=80] +80.0 % [+70.0 %, +90.0 %], matmul[size=40] ")
    assert said.endswith(" and 1 more > 5 % (4 of 5 items).")


def test_a_pass_and_an_undecided_gate():
    one = gated("passed", item("train_block", 0.9, "passed"))
    assert gate_text.words(one) == "GATE PASSED: training step −10.0 % [−20.0 %, +0.00 %] ≤ 5 %."
    two = gated("passed", item("train_block", 0.9, "passed"), item("train_step_sync", 0.94, "passed"))
    assert "all 2 items ≤ 5 %; the nearest to it is training step, synchronised −6.0 %" in gate_text.words(two)
    left = gate_text.words(gated("undecided", item("train_block", 1.06, "undecided", 7)))
    assert left.endswith("shown neither above 5 % nor at or below it; about 7 more trials would decide.")


@pytest.mark.parametrize(("more", "said"), [(1, "about 1 more trial would"), (2, "about 2 more trials would")])
def test_one_trial_more_is_one_trial(more: int, said: str) -> None:
    found = gated("undecided", item("train_block", 1.06, "undecided", more))
    assert said in gate_text.words(found)
    one = found.gate.items[0]
    sentence = verdicts.sentence("inconclusive", one.ratio, found.a, found.b, unit="a training step", more=more)
    assert said in sentence
    inconclusive = replace(found.items[0], verdict="inconclusive", more_trials=more)
    facts = replace(found.facts, folder="out", imported=False)
    steps = next_steps.of(replace(found, items=(inconclusive,), facts=facts))
    assert any(said.removesuffix(" would") in step for step in steps)


def test_one_trial_has_no_interval_and_the_sentence_can_still_be_read():
    found = gated("undecided", item("train_block", 1.801, "undecided", 5))
    alone = replace(found.gate.items[0], ratio=replace(found.gate.items[0].ratio, low=None, high=None, trials=1))
    said = gate_text.words(replace(found, gate=replace(found.gate, items=(alone,))))
    assert said == (
        "GATE UNDECIDED: training step +80.1 % (no interval) is shown neither above 5 % nor at or below it; "
        "about 5 more trials would decide."
    )


def test_work_that_was_let_through_by_name_stays_in_the_answer():
    difference = {
        "what": "batch",
        "where": "batch",
        "a": "32",
        "b": "64",
        "blocks": "no",
        "allowed": "yes",
        "sentence": "batch 32, 64",
    }
    found = gated("passed", item("train_block", 0.9, "passed"), parity=(difference,))
    assert gate_text.words(found).endswith(" ≤ 5 %; not the same work, as was allowed: batch 32, 64.")


def test_traces_that_do_not_show_the_gap_are_no_reason():
    nothing = Amount(0, None, None)
    bridge = Bridge(6, nothing, nothing, (), {}, None, None, None, agrees=False, disagreement="another gap")
    said = gate_text.words(gated("failed", item("train_block", 1.9, "failed"), ledger=ledger(bridge=bridge)))
    assert said.endswith("> 5 %; why is not known, since the traces do not show the gap that was timed.")


@pytest.mark.parametrize("state", ["passed", "failed", "undecided", "not_comparable"])
def test_it_comes_first_in_text_page_and_json(state):
    items = () if state == "not_comparable" else (item("train_block", 1.0, state),)
    found = gated(state, *items)
    first = f"GATE {state.replace('_', ' ').upper()}: "
    assert comparison_text.comparison(found).startswith(first)
    page = document.comparison(found)
    assert page.index(first) < page.index("is slower than")
    assert f'class="verdict {state}"' in page
    value = plain_json.loads(json.comparison(found))
    assert list(value)[:3] == ["schema_version", "kind", "gate"]
    assert value["gate"]["sentence"].startswith(first)
    schema = plain_json.loads(resources.files("dlprof.report.schemas").joinpath("comparison.schema.json").read_text())
    jsonschema.validate(value, schema)


def test_without_a_gate_nothing_is_said_of_one():
    found = comparison()
    assert gate_text.words(found) == ""
    assert "gate" not in json.comparison_value(found)
