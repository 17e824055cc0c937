"""Findings on more than two sides: each pair as a comparison of two, ranked, with a ledger for each pair of the fastest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dlprof import stats
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing import families, ranking
from dlprof.analysis.timing.ranking import Headline, Ranking
from dlprof.api.findings import of_two
from dlprof.names import SIDES, CaptureName, Pair, pairs_of

PartsOf = Callable[[Pair], of_two.Parts]
"""Two sides → what the findings on them are made of, as A and B."""


def rank(letters: Sequence[str], parts_of: PartsOf, *, warnings: Sequence[str]) -> Ranking:
    """The ranking of all sides. The timings of all pairs say who is the fastest; only its pairs' traces are looked at."""
    found: dict[Pair, Comparison] = {}
    heads: dict[Pair, Headline | None] = {}
    for pair in pairs_of(letters):
        parts = parts_of(pair)
        found[pair] = of_two.build(replace(parts, captures={}))
        heads[pair] = _headline(found[pair], parts)
    first = ranking.order(letters, heads)[0]
    found |= {pair: of_two.build(parts_of(pair)) for pair in found if first in pair}
    return ranking.build(found, heads, warnings=warnings, alpha=_alpha(heads, parts_of(SIDES)))


def paths(folder: Path, pair: Pair) -> dict[str, str]:
    """The captures that reports name, of two sides as A and B."""
    return {role: str(folder / CaptureName.first(side)) for side, role in zip(pair, SIDES, strict=True)}


def _headline(found: Comparison, parts: of_two.Parts) -> Headline | None:
    measured = parts.measured
    if not parts.family:
        return ranking.headline(found)
    names = [item.item for item in found.items if item.verdict != "not_comparable"]
    return ranking.headline(found, families.over_all(measured.timings, names, measured.margin, measured.sides))


def _alpha(heads: dict[Pair, Headline | None], parts: of_two.Parts) -> float | None:
    """At which all intervals hold together: a look's own level, else .05."""
    ratios = [head.ratio for head in heads.values() if head is not None and head.ratio is not None]
    if not ratios:
        return None
    adaptive = parts.measured.adaptive and not parts.family
    return stats.look_alpha(ratios[0].trials) if adaptive else stats.FIXED_ALPHA
