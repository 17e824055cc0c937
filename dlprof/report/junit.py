"""A gate as JUnit XML, which build servers show as tests: a case for each item, failed where it is above what is allowed.

An item that is undecided is an error and not a failure: the gate could not say. Where a side did other work, the suite
has one case.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from dlprof.analysis.model import Comparison, Gate, GatedItem, GateState
from dlprof.analysis.timing.ranking import Ranking
from dlprof.report.text import gate_text
from dlprof.report.text.layout import neutral
from dlprof.report.text.verdict import item_words

_TAGS: Final[dict[GateState, str]] = {"failed": "failure", "undecided": "error", "not_comparable": "error"}
_NO_XML: Final = {0xFFFE: None, 0xFFFF: None}
"""What XML 1.0 cannot hold beside what `neutral` writes out."""


def gates(found: Comparison | Ranking) -> str:
    """The whole file. A suite a comparison: of more than two sides each other one against the first that was named.

    Raises `ValueError` where no gate was asked for.
    """
    judged = [found] if isinstance(found, Comparison) else [one for _, one in sorted(found.comparisons.items())]
    suites = [line for one in judged if one.gate is not None for line in _suite(one, one.gate)]
    if not suites:
        raise ValueError("no gate was asked for")
    return "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="dlprof gate">', *suites, "</testsuites>", ""]
    )


def _suite(found: Comparison, gate: Gate) -> Iterator[str]:
    items = gate.items or (GatedItem(found.workload or "comparison", gate.state, None, None, None, None),)
    tags = [_TAGS.get(one.state, "") for one in items]
    name = _text(f"{found.workload}: {found.b.label} against {found.a.label}")
    counts = f'tests="{len(items)}" failures="{tags.count("failure")}" errors="{tags.count("error")}"'
    said = _text(gate_text.words(found))
    yield f'  <testsuite name="{name}" {counts}>'
    for one, tag in zip(items, tags, strict=True):
        case = f'    <testcase classname="dlprof.{_text(found.workload)}" name="{_text(item_words(one.item))}"'
        why = f'<{tag} message="{said}" type="{one.state}">{_text(gate_text.item(one))}</{tag}>'
        yield f"{case}>{why}</testcase>" if tag else f"{case}/>"
    yield f"    <system-out>{said}</system-out>"
    yield "  </testsuite>"


def _text(text: str) -> str:
    return escape(neutral(text).translate(_NO_XML)).replace("\n", "&#10;").replace("\t", "&#9;")
