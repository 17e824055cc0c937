"""More than two sides ranked by their pairs: places with what is known of them, ratios to the fastest, q over the pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dlprof import stats
from dlprof.analysis.model import Comparison, ItemResult, Ratio, Side, VerdictWord
from dlprof.names import Pair
from dlprof.units import format_change

ALL_ITEMS: Final = "geometric mean"
"""What a family of items is ranked by."""

_SHOWN: Final = ("faster", "slower", "negligible")
"""Verdicts by which a pair's order is shown, whether or not the difference matters."""

_UNITS: Final = {
    "train_block": "a training step",
    "train_step_sync": "a training step, synchronised",
    "infer_block": "an inference step",
    ALL_ITEMS: "all items, by the geometric mean of their ratios",
}


@dataclass(frozen=True, slots=True)
class RankedSide:
    """A side in its place.

    letter: by which its files are named (a, b, …)
    median_ns: time of a unit of work, median over trials; None where it was not timed, or of a family of items
    best, worst: the first and the last place that it may have: 1 + the sides shown to be faster, and as many as are not shown
        to be slower
    ratio: its time ÷ the time of the first; None for the first, and where there is none
    """

    letter: str
    side: Side
    median_ns: float | None
    best: int
    worst: int
    ratio: Ratio | None


@dataclass(frozen=True, slots=True)
class RankedPair:
    """What the trials say of two sides, the one that was named later (b) seen from the other (a).

    ratio: time of b ÷ time of a, with an interval that holds together with those of all other pairs
    p: of the pair alone; q: over all pairs (Benjamini-Hochberg); None where it could not be tested
    """

    a: str
    b: str
    verdict: VerdictWord
    ratio: Ratio | None
    p: float | None
    q: float | None
    sentence: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """Everything that a comparison of more than two sides found.

    item: what they are ranked by; None where nothing was timed
    sides: the fastest first, by what the trials say of all pairs together
    confidence: of all intervals together; pair_confidence: of each, None where there is none
    comparisons: each pair as a comparison of two; those with the first side have a ledger
    warnings: of the run as a whole
    """

    workload: str
    item: str | None
    trials: int
    confidence: float | None
    pair_confidence: float | None
    sides: tuple[RankedSide, ...]
    pairs: tuple[RankedPair, ...]
    comparisons: Mapping[Pair, Comparison]
    warnings: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """The order in words."""
        return _statement(self)

    @property
    def against_first(self) -> tuple[Pair, ...]:
        """The pairs of the first side with each other, in the order of the places."""
        if not self.sides:
            return ()
        first = self.sides[0].letter
        return tuple(_ordered(first, one.letter) for one in self.sides[1:])

    @property
    def labels(self) -> Mapping[str, str]:
        """Letter → the side's label, with its letter where another side has the same."""
        labels = [one.side.label for one in self.sides]
        return {
            one.letter: one.side.label if labels.count(one.side.label) == 1 else f"{one.side.label} [{one.letter}]"
            for one in self.sides
        }


@dataclass(frozen=True, slots=True)
class Headline:
    """What a pair is ranked by: its first item, or the geometric mean of a family of items."""

    item: str
    verdict: VerdictWord
    ratio: Ratio | None
    p: float | None
    sentence: str
    warnings: tuple[str, ...] = ()


def headline(found: Comparison, family: stats.Result | None = None) -> Headline | None:
    """family: what the trials say of the geometric mean of all items; None for a comparison of one item. None where nothing
    was timed."""
    if family is not None and found.facts.summary is not None:
        mean = found.facts.geometric_mean
        return Headline(ALL_ITEMS, family.verdict, mean, family.p, found.facts.summary, family.warnings)
    if not found.items:
        return None
    first: ItemResult = found.items[0]
    return Headline(first.item, first.verdict, first.ratio, first.p, first.sentence, first.warnings)


def order(letters: Sequence[str], heads: Mapping[Pair, Headline | None]) -> tuple[str, ...]:
    """The sides by their mean log-ratio to all others, the fastest first; as named where nothing is known."""
    slow = dict.fromkeys(letters, 0.0)
    for (a, b), head in heads.items():
        if head is not None and head.ratio is not None:
            slow[a] -= math.log(head.ratio.estimate)
            slow[b] += math.log(head.ratio.estimate)
    return tuple(sorted(letters, key=lambda letter: (slow[letter], letter)))


def build(
    comparisons: Mapping[Pair, Comparison],
    heads: Mapping[Pair, Headline | None],
    *,
    warnings: Sequence[str] = (),
    alpha: float | None = None,
) -> Ranking:
    """The ranking of all pairs. alpha: at which all intervals hold together."""
    letters = sorted({letter for pair in comparisons for letter in pair})
    ranked = order(letters, heads)
    q = _q(heads)
    known = [head for head in heads.values() if head is not None]
    ratios = [head.ratio for head in known if head.ratio is not None]
    item = known[0].item if known else None
    sides = tuple(_side(letter, ranked, comparisons, heads) for letter in ranked)
    return Ranking(
        workload=next(iter(comparisons.values())).workload,
        item=item,
        trials=max((ratio.trials for ratio in ratios), default=0),
        confidence=None if alpha is None else round(1 - alpha, 12),
        pair_confidence=next((ratio.confidence for ratio in ratios if ratio.low is not None), None),
        sides=sides,
        pairs=tuple(_pair(pair, head, q.get(pair)) for pair, head in heads.items()),
        comparisons=comparisons,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _ordered(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)


def _q(heads: Mapping[Pair, Headline | None]) -> dict[Pair, float | None]:
    p = [math.nan if head is None or head.p is None else head.p for head in heads.values()]
    adjusted = stats.benjamini_hochberg(p).q
    return {pair: float(q) if math.isfinite(q) else None for pair, q in zip(heads, adjusted, strict=True)}


def _pair(pair: Pair, head: Headline | None, q: float | None) -> RankedPair:
    a, b = pair
    if head is None:
        return RankedPair(a, b, "inconclusive", None, None, None, "nothing was timed")
    return RankedPair(a, b, head.verdict, head.ratio, head.p, q, head.sentence, head.warnings)


def _side(
    letter: str, ranked: Sequence[str], comparisons: Mapping[Pair, Comparison], heads: Mapping[Pair, Headline | None]
) -> RankedSide:
    shown = [_slower(letter, other, heads) for other in ranked if other != letter]
    # The pair with the first one has the traces, and so the side as it was recorded.
    pair = _ordered(letter, ranked[0] if letter != ranked[0] else ranked[1])
    at_b = letter == pair[1]
    found = comparisons[pair]
    times = [item.b_median_ns if at_b else item.a_median_ns for item in found.items]
    return RankedSide(
        letter=letter,
        side=found.b if at_b else found.a,
        median_ns=times[0] if times and found.facts.summary is None else None,
        best=1 + sum(slower == "yes" for slower in shown),
        worst=len(ranked) - sum(slower == "no" for slower in shown),
        ratio=None if letter == ranked[0] else _against(letter, ranked[0], heads),
    )


def _slower(letter: str, other: str, heads: Mapping[Pair, Headline | None]) -> Literal["yes", "no", "unknown"]:
    """Whether a side is shown to take longer than another."""
    head = heads[_ordered(letter, other)]
    if head is None or head.ratio is None or head.verdict not in _SHOWN:
        return "unknown"
    b_is_slower = head.ratio.estimate > 1
    return "yes" if b_is_slower == (letter > other) else "no"


def _against(letter: str, first: str, heads: Mapping[Pair, Headline | None]) -> Ratio | None:
    """The side's time ÷ the first one's."""
    head = heads[_ordered(letter, first)]
    ratio = None if head is None else head.ratio
    if ratio is None or letter > first:
        return ratio
    low, high = (None if end is None else 1 / end for end in (ratio.high, ratio.low))
    return Ratio(1 / ratio.estimate, low, high, ratio.confidence, ratio.trials, ratio.method)


def _statement(found: Ranking) -> str:
    """`TensorFlow 2.21.0 (graph) is the fastest of 4: … takes +12 % …`, or who of them may be."""
    labels, count = found.labels, len(found.sides)
    if any(pair.verdict == "not_comparable" for pair in found.pairs):
        return f"No order of {count} sides: some of them did different work"
    if found.item is None or not found.trials:
        return f"No order of {count} sides: nothing was timed"
    unit = _UNITS.get(found.item, found.item)
    trials = f"{found.trials} trial{'' if found.trials == 1 else 's'}"
    first = [labels[one.letter] for one in found.sides if one.best == 1]
    if len(first) == count:
        return f"No side is shown to be the fastest of {count} ({unit}, {trials})"
    if len(first) > 1:
        return f"{_listed(first, 'or')} is the fastest of {count}, which of them is not shown ({unit}, {trials})"
    rest = ", ".join(f"{labels[one.letter]} {_change(one.ratio)}" for one in found.sides[1:])
    return f"{first[0]} is the fastest of {count} ({unit}, {trials}); time of the others: {rest}"


def _listed(names: Sequence[str], word: str) -> str:
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def _change(ratio: Ratio | None) -> str:
    if ratio is None:
        return "not known"
    if ratio.low is None or ratio.high is None:
        return format_change(ratio.estimate)
    return f"{format_change(ratio.estimate)} [{format_change(ratio.low)}, {format_change(ratio.high)}]"
