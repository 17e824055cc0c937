"""The answer alone as JSON below 4 kB, for programs and assistants: verdict, causes, checks, next steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from dlprof.analysis.explain import causes
from dlprof.analysis.model import Comparison, ItemResult, Ratio
from dlprof.analysis.timing.ranking import Ranking
from dlprof.report import json, next_steps
from dlprof.report.text import gate_text, trust_text, work_text
from dlprof.report.text.verdict import headline, verdict_word

SCHEMA_VERSION: Final = 1
MOST: Final = 4000
"""Bytes of the whole."""
_TEXT: Final = 300
"""Characters of one text: names come from traces, and may have thousands."""
_FEW: Final = 3
_GIVES_WAY: Final = ("pairs", "items", "next_steps", "warnings", "causes")
"""What is shortened, in this order, where the whole would be too long; then texts, and of very many sides the last ones."""
_WORD: Final = 40
"""Characters that are left of a text in any case."""


def comparison(found: Comparison) -> str:
    """A comparison or a diff."""
    return _fitting(comparison_value(found))


def comparison_value(found: Comparison) -> dict[str, Any]:
    """The same as plain values, not yet below the limit."""
    first = found.items[0] if found.items else None
    value: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": "brief",
        "workload": _short(found.workload),
        "a": _short(found.a.label),
        "b": _short(found.b.label),
        "verdict": verdict_word(found),
        "sentence": _short(headline(found)),
        "ratio": _ratio(first.ratio if first else None),
        **_family(found),
        **_causes(found),
        "checks": _checks(found),
        "warnings": [_short(text) for text in _warnings(found)[:_FEW]],
        "next_steps": [_short(text) for text in next_steps.of(found)[: _FEW + 1]],
    }
    if found.gate is not None:
        value["gate"] = {"state": found.gate.state, "sentence": _short(gate_text.words(found))}
    return value


def ranking(found: Ranking) -> str:
    """A comparison of more than two sides: the order and each pair's verdict."""
    value: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": "brief",
        "workload": _short(found.workload),
        "sentence": _short(found.statement),
        "sides": [
            {
                "letter": one.letter,
                "label": _short(one.side.label),
                "best": one.best,
                "worst": one.worst,
                "ratio": _ratio(one.ratio),
            }
            for one in found.sides
        ],
        "pairs": [{"a": one.a, "b": one.b, "verdict": one.verdict, "ratio": _ratio(one.ratio)} for one in found.pairs],
        "warnings": [_short(text) for text in found.warnings[:_FEW]],
        "next_steps": ["see two sides as a comparison: dlprof report DIR --pair a,b -o report.html"],
    }
    return _fitting(value)


def _ratio(ratio: Ratio | None) -> dict[str, Any] | None:
    if ratio is None:
        return None
    return {name: json.plain(getattr(ratio, name)) for name in ("estimate", "low", "high", "confidence", "trials")}


def _family(found: Comparison) -> dict[str, Any]:
    """Of several items: how many have which verdict, and those that differ most."""
    if found.facts.summary is None:
        return {}
    sure = [one for one in found.items if one.verdict in ("faster", "slower") and one.ratio]
    return {
        "verdicts": dict(Counter(one.verdict for one in found.items)),
        "items": [
            {"item": _short(one.item), "verdict": one.verdict, "ratio": _ratio(one.ratio)}
            for one in sorted(sure, key=_distance)[:_FEW]
        ],
    }


def _distance(one: ItemResult) -> float:
    assert one.ratio is not None
    return -max(one.ratio.estimate, 1 / one.ratio.estimate)


def _causes(found: Comparison) -> dict[str, Any]:
    """The largest causes with their share of the traced gap; null where nothing was traced."""
    if found.ledger is None:
        return {"gap_ns": None, "causes": [], "unexplained_ns": None, "explained_share": None}
    bridge = found.ledger.bridge
    known = causes.of(found.ledger)
    shares = (known.share or (None,) * len(known.named))[: len(known.largest)]
    disagree = bridge is not None and bridge.agrees is False
    named = [
        {
            "name": _short(line.name),
            "delta_ns": line.delta_ns,
            "share_of_gap": None if share is None else round(share, 4),
        }
        for line, share in zip(known.largest, shares, strict=True)
    ]
    return {
        "gap_ns": known.gap_ns,
        "causes": [] if disagree else named,
        "unexplained_ns": None if known.unexplained is None else known.unexplained.delta_ns,
        "explained_share": None if bridge is None else json.plain(bridge.explained_share),
    }


def _checks(found: Comparison) -> dict[str, Any]:
    """What tells how far to trust it."""
    machines = [one.machine for one in found.facts.trials if one.machine]
    disturbed = any(map(trust_text.disturbed, machines)) if machines else None
    blocking = any(one.get("blocks") == "yes" for one in found.parity)
    work = "differs" if blocking else "not checked" if work_text.recorded(found) else "agrees"
    bridge = found.ledger.bridge if found.ledger else None
    return {
        "same_work": work,
        "differences": len(found.parity),
        "machine_disturbed": disturbed,
        "calibrated": found.facts.calibration is not None,
        "traces_show_the_timed_gap": None if bridge is None else bridge.agrees,
        "warnings": len(_warnings(found)),
    }


def _warnings(found: Comparison) -> list[str]:
    of_items = [text for item in found.items for text in item.warnings]
    return list(dict.fromkeys([*of_items, *work_text.warnings(found)]))


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"


def _fitting(value: dict[str, Any]) -> str:
    """As JSON below the limit: lists lose their last entries, one list after the other, then texts their ends."""
    text = json.dump(value)
    while len(text.encode()) > MOST:
        name = next((name for name in _GIVES_WAY if value.get(name)), None)
        if name is not None:
            value = _without_last(value, name)
        elif (shorter := _shorter(value)) != value:
            value = shorter
        else:
            value = _without_last(value, "sides")
        text = json.dump(value)
    return text


def _without_last(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**value, name: value[name][:-1]}


def _shorter(value: Any) -> Any:
    """All texts in it cut to half: names made of characters that take several bytes each."""
    if isinstance(value, dict):
        return {key: _shorter(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shorter(one) for one in value]
    return f"{value[: len(value) // 2]}…" if isinstance(value, str) and len(value) > _WORD else value
