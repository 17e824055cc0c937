"""What a reader is told before any table: how sure the verdict is, and the largest causes with their share of the gap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dlprof.analysis.explain import causes
from dlprof.analysis.explain.causes import Causes
from dlprof.analysis.model import Comparison, ItemResult
from dlprof.report.text import trust_text, work_text
from dlprof.report.text.layout import Column, paragraph, table
from dlprof.report.text.verdict import interval_words, item_words, percent
from dlprof.units import common_unit, format_signed, in_one_unit, minus

WORDS: Final = "Words such as lockstep, trial and self time: `dlprof help glossary`."
_ITEMS: Final = 3
"""Items of a family that are named."""


def lines(found: Comparison) -> list[str]:
    """How sure, why, and where the words are explained; of what was neither traced nor repeated only what is known."""
    if found.items and found.items[0].verdict == "not_comparable":
        return [*_different(found), *paragraph(WORDS)]
    out = paragraph(f"How sure: {sure_words(found)}.", rest="  ")
    if found.facts.summary is not None:
        out += _furthest(found)
    elif found.ledger is not None:
        out += _why(found, causes.of(found.ledger))
    return [*out, *paragraph(WORDS)]


def sentences(found: Comparison) -> list[str]:
    """The same without a layout, for a page: how sure, and the largest causes in one sentence."""
    if found.items and found.items[0].verdict == "not_comparable":
        return [_different_words(found)]
    out = [f"How sure: {sure_words(found)}."]
    if found.facts.summary is not None or found.ledger is None:
        return out
    known = causes.of(found.ledger)
    why = _why_words(found, known)
    if not why.endswith(":"):
        return [*out, why]
    shares: Sequence[float | None] = known.share or [None] * len(known.named)
    words = in_one_unit([known.gap_ns])
    named = [_cause(line.name, line.delta_ns, share, words) for line, share in zip(known.named, shares, strict=True)]
    left = None if known.share is None else 1 - sum(known.share)
    return [*out, f"{why} {', '.join(named)}; {_cause(_others(known, words), known.others_ns, left, words)}."]


def _cause(name: str, ns: float, share: float | None, words: Callable[[float], str]) -> str:
    return f"{name} {words(ns)}" + ("" if share is None else minus(f" ({100 * share:.0f} % of the gap)"))


def _different(found: Comparison) -> list[str]:
    """What of the work differs most, where there is no verdict because of it."""
    return paragraph(_different_words(found), rest="  ")


def _different_words(found: Comparison) -> str:
    settings = work_text.settings(found)
    said = "No ratio: times of different work say nothing about the sides."
    return f"{said} {work_text.folded(settings)}" if settings else said


def sure_words(found: Comparison) -> str:
    """`98.5 % interval [+5.0 %, +463.9 %], 4 trials; the machine was quiet; 2 warnings below`."""
    said = [_interval(found)]
    if found.facts.calibration is None and found.facts.trials:
        said.append("this machine is not calibrated for it (`dlprof calibrate`)")
    measured = [trial.machine for trial in found.facts.trials if trial.machine]
    if measured:
        quiet = not any(map(trust_text.disturbed, measured))
        said.append("the machine was quiet" if quiet else "the machine was disturbed, as told below")
    count = len(work_text.warnings(found)) + sum(
        len(one.warnings) for one in found.items if not work_text.recorded(found)
    )
    if count:
        said.append(f"{count} warning{'' if count == 1 else 's'} below")
    return "; ".join(said)


def cause_words(found: Comparison) -> str:
    """What the causes below are shares of."""
    ledger = found.ledger
    assert ledger is not None
    what = "mean traced step" if ledger.basis == "step" else "whole trace"
    # The verdict above may be of busy time, and point the other way.
    wall = "" if ledger.basis == "step" else " by wall time, idle time included"
    way = "longer" if ledger.gap_ns >= 0 else "shorter"
    return f"B's {what} is {in_one_unit([ledger.gap_ns])(abs(ledger.gap_ns))[1:]} {way} than A's{wall}"


def _interval(found: Comparison) -> str:
    first = found.items[0] if found.items else None
    if work_text.recorded(found):
        return "no interval, for there is one run a side (`dlprof compare` runs enough trials for one)"
    if first is None or first.ratio is None:
        return "nothing was timed"
    if found.facts.summary is None:
        return interval_words(first.ratio)
    level = {one.ratio.confidence for one in found.items if one.ratio}
    return f"{len(found.items)} items judged as one family, {max(level) * 100:.4g} % interval each"


def _why(found: Comparison, known: Causes) -> list[str]:
    """The largest causes, a line each, and what is left; where the traces do not show the timed gap, that."""
    why = _why_words(found, known)
    out = paragraph(why, rest="  ")
    if not why.endswith(":"):
        return out
    shares: Sequence[float | None] = known.share or [None] * len(known.named)
    scale, unit = common_unit([known.gap_ns])
    rows = [_row(line.name, line.delta_ns, share, scale) for line, share in zip(known.named, shares, strict=True)]
    left = None if known.share is None else 1 - sum(known.share)
    rows.append(_row(_others(known, in_one_unit([known.gap_ns])), known.others_ns, left, scale))
    columns = [Column("of gap", 8), Column(f"B−A {unit}", 9), Column("cause", 61, right=False, path=True)]
    return out + table(columns, rows)


def _why_words(found: Comparison, known: Causes) -> str:
    """What is before the causes; it ends with a colon where some follow."""
    bridge = found.ledger.bridge if found.ledger else None
    if bridge is not None and bridge.agrees is False:
        return "Why: not known, for the traces do not show the gap that was timed."
    if not known.largest:
        return f"Why: {cause_words(found)}; no single part of it stands out."
    return f"Why: {cause_words(found)}{_share_of_timed(found)}. The largest causes:"


def _others(known: Causes, words: Callable[[float], str]) -> str:
    rest = f"{known.others} other part{'' if known.others == 1 else 's'}"
    if known.against_ns:
        rest += f" ({words(known.against_ns)} of it the other way)"
    return rest


def _row(name: str, ns: int, share: float | None, scale: int) -> tuple[str, ...]:
    return "–" if share is None else minus(f"{100 * share:.0f} %"), format_signed(ns / scale, 3), name


def _share_of_timed(found: Comparison) -> str:
    """How much of the gap that was timed without profiler the ledger accounts for."""
    bridge = found.ledger.bridge if found.ledger else None
    if bridge is None:
        return ""
    if bridge.explained_share is None:
        return "; what share of the timed gap that explains cannot be said"
    return f"; its parts explain {100 * bridge.explained_share:.0f} % of the gap that was timed without profiler"


def _furthest(found: Comparison) -> list[str]:
    """The items of a family that differ most, of those that surely differ."""
    sure = [one for one in found.items if one.verdict in ("faster", "slower") and one.ratio]
    if not sure:
        return paragraph("No item surely differs.", rest="  ")
    chosen = sorted(sure, key=_distance)[:_ITEMS]
    out = paragraph(f"{len(sure)} of {len(found.items)} items surely differ, most of all:", rest="  ")
    for one in chosen:
        assert one.ratio is not None
        out += paragraph(f"{item_words(one.item)}: {percent(one.ratio.estimate)} ({one.verdict})", first="  ")
    return out


def _distance(one: ItemResult) -> float:
    assert one.ratio is not None
    return -max(one.ratio.estimate, 1 / one.ratio.estimate)
