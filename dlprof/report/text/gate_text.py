"""A gate's answer as one sentence, the first of every output: the state, the items behind it, and what grew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlprof.analysis.explain import causes
from dlprof.analysis.model import Comparison, Gate, GatedItem, GateState, Ledger
from dlprof.analysis.same_work import parity
from dlprof.analysis.timing.ranking import Ranking
from dlprof.report.text.layout import Colour
from dlprof.report.text.verdict import item_words, percent
from dlprof.units import counted, format_bytes, format_ns, format_signed_ns

COLOURS: Final[dict[GateState, Colour]] = {
    "passed": "good",
    "failed": "bad",
    "undecided": "warn",
    "not_comparable": "warn",
}
_MOST: Final = 3
"""Items and causes that the sentence names."""


def words(found: Comparison) -> str:
    """`GATE FAILED: training step +94.3 % [+25.0 %, +202.1 %] > 5 %, because Conv backward conv1 +3.683 ms, …`.

    '' where no gate was asked for.
    """
    gate = found.gate
    if gate is None:
        return ""
    told = {"passed": _passed, "failed": _failed, "undecided": _undecided, "not_comparable": _different}[gate.state](
        gate
    )
    slower = any(one.state == "failed" and one.allowed is None for one in gate.items)  # the ledger is of time
    because = _because(found.ledger) if slower and found.facts.summary is None else ""
    allowed = [one for one in found.parity if one.get("allowed") == "yes"]
    other = f"; not the same work, as was allowed: {'; '.join(map(parity.statement, allowed))}" if allowed else ""
    return f"GATE {gate.state.replace('_', ' ').upper()}: {told}{because}{other}."


def of_several(found: Ranking) -> tuple[tuple[GateState, str], ...]:
    """State and sentence of each other side against the first that was named, by their letters; nothing without a gate."""
    labels = found.labels
    return tuple(
        (one.gate.state, words(one).replace(": ", f": {labels[pair[1]]}: ", 1))
        for pair, one in sorted(found.comparisons.items())
        if one.gate is not None
    )


def _allowed(gate: Gate, one: GatedItem | None = None) -> str:
    """The gate's limit, or an item's own."""
    return f"{100 * (gate.allowed if one is None else one.limit(gate)):g} %"


def figure(value: float, unit: str) -> str:
    """A value of an item with a limit of its own: `103.2 MiB`, `2.145 s`, `3.1 J`."""
    return {"B": format_bytes(value), "s": format_ns(value * 1e9)}.get(unit) or f"{value:.4g} {unit}"


def _own_limits(items: Sequence[GatedItem]) -> bool:
    """Whether some are held against another limit than the gate's."""
    return any(one.allowed is not None for one in items)


def item(one: GatedItem) -> str:
    """`training step +94.3 % [+25.0 %, +202.1 %]`."""
    name, ratio = item_words(one.item), one.ratio
    if ratio is None:
        return f"{name} without a ratio"
    if ratio.low is None or ratio.high is None:
        return f"{name} {percent(ratio.estimate)} (no interval)"
    return f"{name} {percent(ratio.estimate)} [{percent(ratio.low)}, {percent(ratio.high)}]"


def _listed(items: Sequence[GatedItem]) -> str:
    """The slowest first."""
    chosen = sorted(items, key=lambda one: -one.ratio.estimate if one.ratio else 0.0)
    more = f" and {len(items) - _MOST} more" if len(items) > _MOST else ""
    return ", ".join(map(item, chosen[:_MOST])) + more


def _above(gate: Gate, items: Sequence[GatedItem]) -> str:
    """`training step +12.1 % [+8.0 %, +16.3 %] > 5 %`, each against its own limit where they have several."""
    if not _own_limits(items):
        return f"{_listed(items)} > {_allowed(gate)}"
    return ", ".join(f"{item(one)} > {_allowed(gate, one)}" for one in items)


def _passed(gate: Gate) -> str:
    if len(gate.items) == 1:
        return f"{item(gate.items[0])} ≤ {_allowed(gate)}"
    if _own_limits(gate.items):
        return ", ".join(f"{item(one)} ≤ {_allowed(gate, one)}" for one in gate.items)
    slowest = max(gate.items, key=lambda one: one.ratio.high if one.ratio and one.ratio.high else 0.0)
    return f"all {len(gate.items)} items ≤ {_allowed(gate)}; the nearest to it is {item(slowest)}"


def _failed(gate: Gate) -> str:
    failed = [one for one in gate.items if one.state == "failed"]
    of = f" ({len(failed)} of {len(gate.items)} items)" if len(gate.items) > 1 else ""
    return f"{_above(gate, failed)}{of}"


def _undecided(gate: Gate) -> str:
    if not gate.items:
        return f"nothing was timed that could be held against {_allowed(gate)}"
    left = [one for one in gate.items if one.state == "undecided"]
    of = f" ({len(left)} of {len(gate.items)} items)" if len(gate.items) > 1 else ""
    if _own_limits(left):
        each = ", ".join(f"{item(one)} neither above {_allowed(gate, one)} nor at or below it" for one in left)
        told = f"shown is {each}{of}"
    else:
        told = f"{_listed(left)} is shown neither above {_allowed(gate)} nor at or below it{of}"
    more = gate.more_trials
    return told if more is None else f"{told}; about {counted(more, 'more trial')} would decide"


def _different(_: Gate) -> str:
    return "the sides did different work, so nothing is held against the gate"


def _because(ledger: Ledger | None) -> str:
    """What grew, the largest lines first, as far as the traces show the gap that was timed."""
    if ledger is None:
        return ""
    if ledger.bridge is not None and ledger.bridge.agrees is False:
        return "; why is not known, since the traces do not show the gap that was timed"
    named = grown(ledger)
    return f", because {', '.join(named)}" if named else ""


def grown(ledger: Ledger) -> list[str]:
    """The largest lines that grew and whose interval says so: `Conv backward conv1 +3.683 ms`."""
    shown = [
        line
        for line in ledger.lines
        if line.delta_ns > 0 and line.kind != "unexplained" and (line.low_ns is None or line.low_ns > 0)
    ]
    return [f"{line.name} {format_signed_ns(line.delta_ns)}" for line in causes.telling(shown)[:_MOST]]
