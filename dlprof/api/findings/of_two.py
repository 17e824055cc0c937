"""What a comparison found, put together from its parts: the one way to it, for a run that ends and for a directory read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dlprof.analysis import compare
from dlprof.analysis.evidence import Evidence
from dlprof.analysis.explain import speeds_traced
from dlprof.analysis.facts import TwoSpeeds
from dlprof.analysis.model import Comparison, ItemResult, Side
from dlprof.analysis.timing import families, interleaved, speeds
from dlprof.api.findings import profiling_cost
from dlprof.api.findings.evidence import evidence_of, side_of, trial_of
from dlprof.names import SIDES, CaptureName, SideLetter
from dlprof.store import Capture


@dataclass(frozen=True, slots=True)
class Parts:
    """What findings are made of.

    measured: the timings and what belongs to them.
    asked: the sides, for one without a capture.
    captures: by folder. paths: the folder that reports name, by side.
    family: the items are judged and summed up together. listed: their order in the workload.
    """

    measured: compare.Measured
    asked: Mapping[str, Side]
    captures: Mapping[str, Capture]
    paths: Mapping[str, str]
    family: bool = False
    listed: Sequence[str] = ()


def build(parts: Parts) -> Comparison:
    """Verdicts from the timings, explanations from the captures, and what profiling cost.

    Of the facts, those that are computed here (profiling, tax, speeds, interleaved, summary, sweeps, …) replace what was told.
    """
    evidence = {}
    for name in SIDES:
        mine = _paired(parts.captures, name)
        side = side_of(mine[0], path=parts.paths[name]) if mine else parts.asked[name]
        evidence[name] = evidence_of(mine, side)
    measured = parts.measured
    found = compare.build(evidence["a"], evidence["b"], measured)
    gap = found.ledger.untraced_gap_ns if found.ledger else None
    found = _with(found, tax=profiling_cost.of(parts.captures, gap))
    if measured.facts.kind == "op":
        found = _with(found, explained_of_items=_explained_of_items(found, parts))
    if parts.family:
        return _with_family(found, parts)
    told = measured.facts.interleaved
    if told is not None and found.items:
        told = interleaved.of(told, measured.timings, found.items[0].item, adaptive=measured.adaptive)
        found = _with(found, interleaved=told)
    in_two = speeds.of(measured.timings, found.items[0].item, found.a, found.b) if found.items else ()
    return _with(found, speeds=_with_traces(in_two, evidence) or None)


def _with_traces(in_two: Sequence[TwoSpeeds], evidence: Mapping[SideLetter, Evidence]) -> tuple[TwoSpeeds, ...]:
    """With what the traced windows tell of the speeds, where there are two."""
    explanation = compare.explain(evidence["a"], evidence["b"]) if in_two else None
    if explanation is None:
        return tuple(in_two)
    return tuple(replace(one, traces=speeds_traced.told(one, explanation, evidence["a"].trials)) for one in in_two)


def _paired(captures: Mapping[str, Capture], side: str) -> list[Capture]:
    """A side's exact windows. Of windows that belong to trials, those of which the other side has one too: a run that was
    killed between the two keeps one of them alone."""
    mine, other = (
        [captures[folder] for folder in CaptureName.exact_runs(captures, name)]
        for name in (side, *(one for one in SIDES if one != side))
    )
    known = {trial_of(capture) for capture in other}
    return [one for one in mine if trial_of(one) is None or trial_of(one) in known]


def _explained_of_items(found: Comparison, parts: Parts) -> dict[str, dict[str, float]]:
    """Side → item → share of its traced calls that operators cover."""
    names = [item.item for item in found.items]
    return {
        side: dict(families.explained_of_items(parts.captures[CaptureName.first(side)].events(), names))
        for side in SIDES
        if CaptureName.first(side) in parts.captures
    }


def _with_family(found: Comparison, parts: Parts) -> Comparison:
    """With what the items say together; a family's report starts with it."""
    found = replace(found, items=_in_order(found.items, parts.listed))
    names = [item.item for item in found.items]
    events = {
        side: dict(families.events_of_items(parts.captures[CaptureName.first(side)].events(), names))
        for side in SIDES
        if CaptureName.first(side) in parts.captures
    }
    return _with(
        found,
        summary=families.summary(found.items, found.a, found.b),
        geometric_mean=families.geometric_mean(
            parts.measured.timings,
            [item.item for item in found.items if item.verdict != "not_comparable"],
            parts.measured.margin,
            parts.measured.sides,
        ),
        sweeps=families.sweeps(found, parts.measured.timings),
        events_of_items=events,
    )


def _with(found: Comparison, **facts: Any) -> Comparison:
    return replace(found, facts=replace(found.facts, **facts))


def _in_order(found: Sequence[ItemResult], listed: Sequence[str]) -> tuple[ItemResult, ...]:
    """As the workload lists them, whatever group came first; those that were not comparable at the end."""
    place = {name: at for at, name in enumerate(listed)}
    return tuple(sorted(found, key=lambda item: (item.verdict == "not_comparable", place.get(item.item, len(listed)))))
