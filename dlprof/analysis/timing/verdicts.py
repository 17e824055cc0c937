"""Verdicts: the timing table of lockstep trials in, one result per timed item out, in the words of the report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from dlprof import stats
from dlprof.analysis.model import Drift, ItemResult, Ratio, Side
from dlprof.analysis.timing import lockstep
from dlprof.units import counted, format_change, format_share

HEADLINES: Final = ("train_block", "infer_block", "train_step_sync")
"""Items that may head a comparison, the best first: blocks are timed as people train, one wait at the end of each."""

_UNIT: Final = {
    "train_block": "a training step",
    "train_step_sync": "a training step, each synchronised",
    "infer_block": "an inference step",
    "epoch": "an epoch",
}


def items(
    timings: pa.Table,
    a: Side,
    b: Side,
    *,
    margin: float = 0.05,
    alpha: float | None = None,
    adaptive: bool = False,
    sides: int = 2,
    headline: str | None = None,
) -> tuple[ItemResult, ...]:
    """The verdict on each timed item of the table (schema.TIMINGS), headline first, then in the table's order.

    The trial is the unit (stats.trial_ratios, stats.compare). With several items beside the headline their verdicts
    hold together: one that does not survive Benjamini-Hochberg at .05 becomes inconclusive, and says so. sides: as of
    `stats.compare`.
    """
    trials_of = {name: list(trials.values()) for name, trials in lockstep.by_item(timings).items()}
    found = {name: _result(trials, margin, alpha, adaptive, sides) for name, trials in trials_of.items()}
    order = sorted(found, key=lambda name: _rank(name, headline))
    results = [found[name] for name in order]
    whole = stats.pair_alpha(stats.FIXED_ALPHA, sides) if adaptive else None
    corrected = _correct([result for result, _ in results], first=1 if order and order[0] in HEADLINES else 0)
    return tuple(
        _item(name, result, medians, extra, trials_of[name], a, b, whole)
        for name, (result, medians), extra in zip(order, results, corrected, strict=True)
    )


def headline_of(items: Iterable[str]) -> str:
    """The item of several (one at least) that stands for a comparison: a block of steps where there is one, else the first."""
    names = tuple(items)
    return next((name for name in HEADLINES if name in names), names[0])


def _rank(name: str, headline: str | None) -> int:
    if name == headline:
        return -1
    return HEADLINES.index(name) if name in HEADLINES else len(HEADLINES)


def _result(
    trials: Sequence[stats.TrialRatio], margin: float, alpha: float | None, adaptive: bool, sides: int
) -> tuple[stats.Result, tuple[float, float]]:
    result = stats.compare_trials(trials, margin=margin, alpha=alpha, adaptive=adaptive, sides=sides)
    few = [text for trial in trials for text in trial.warnings if "rounds" in text]
    # A trial's own warning repeats for every trial, so each is shown once.
    result = replace(result, warnings=(*result.warnings, *sorted(set(few) - set(result.warnings))))
    a_ns, b_ns = (_median([getattr(trial, side) for trial in trials]) for side in ("a_ns", "b_ns"))
    return result, (a_ns, b_ns)


def _median(times_ns: Sequence[float]) -> float:
    """Over the trials that have a time; NaN without one."""
    known = [ns for ns in times_ns if math.isfinite(ns)]
    return statistics.median(known) if known else math.nan


def _correct(results: Sequence[stats.Result], first: int) -> list[tuple[stats.Verdict, float | None, tuple[str, ...]]]:
    """Verdict, q and further warnings of each result; those from `first` on are judged as one family."""
    family = results[first:]
    if len(family) < 2:
        return [(result.verdict, None, ()) for result in results]
    p = [math.nan if result.p is None else result.p for result in family]
    level = family[0].alpha
    adjusted = stats.benjamini_hochberg(p, level)
    judged: list[tuple[stats.Verdict, float | None, tuple[str, ...]]]
    judged = [(result.verdict, None, ()) for result in results[:first]]
    for result, q, holds in zip(family, adjusted.q, adjusted.significant, strict=True):
        if result.significant and not holds:
            why = f"q = {q:.3g} over {len(family)} items: not a difference once all items are judged together"
            judged.append(("inconclusive", float(q), (why,)))
        else:
            judged.append((result.verdict, float(q) if math.isfinite(q) else None, ()))
    return judged


def _item(
    name: str,
    result: stats.Result,
    medians: tuple[float, float],
    judged: tuple[stats.Verdict, float | None, tuple[str, ...]],
    trials: Sequence[stats.TrialRatio],
    a: Side,
    b: Side,
    whole: float | None,
) -> ItemResult:
    verdict, q, further = judged
    ratio = None
    if result.estimate is not None:
        ratio = Ratio(result.estimate, result.low, result.high, result.confidence, result.trials, result.method)
    a_ns, b_ns = (None if math.isnan(ns) else ns for ns in medians)
    more = result.more_trials if verdict == "inconclusive" else None
    mean = _mean(trials, result, whole)
    drifts = stats.drifts(trials)
    unit = _UNIT.get(name, name)
    return ItemResult(
        item=name,
        verdict=verdict,
        ratio=ratio,
        a_median_ns=a_ns,
        b_median_ns=b_ns,
        sentence=sentence(verdict, ratio, a, b, unit=unit, margin=result.margin, more=more, mean=mean),
        more_trials=more,
        warnings=(*result.warnings, *further, *(_drift_words(drift, a, b) for drift in drifts)),
        p=result.p,
        q=q,
        mean_ratio=mean,
        drifts=drifts,
    )


def _mean(trials: Sequence[stats.TrialRatio], result: stats.Result, whole: float | None) -> Ratio | None:
    """The ratio of means, at the level of the verdict's interval."""
    found = stats.mean_ratio(trials, result.alpha, whole=whole)
    if found is None:
        return None
    how = "ratio of mean times, geometric mean over trials"
    return Ratio(found.estimate, found.low, found.high, found.confidence, found.trials, how)


def _drift_words(drift: Drift, a: Side, b: Side) -> str:
    side, label = ("B", b.label) if drift.side == "b" else ("A", a.label)
    way = "slower" if drift.per_iteration > 0 else "faster"
    low, each, high = (format_share(one, 2, signed=True) for one in (drift.low, drift.per_iteration, drift.high))
    each = f"{each} an iteration [{low}, {high}]"
    over = f"{each}, {format_share(drift.whole, 0, signed=True)} from a trial's first round to its last"
    if drift.against_other:
        return (
            f"B gets {way} against A as they run: {over}; which of the two changes is not told, for both share the machine's "
            "drift; the ratio is that of the rounds measured"
        )
    return f"{side} gets {way} as it runs: {over} ({label}); the ratio is that of the rounds measured"


def disagree(ratio: Ratio, mean: Ratio | None, margin: float) -> bool:
    """Whether the ratio of means lies more than the margin away from the typical ratio."""
    return mean is not None and abs(math.log(mean.estimate / ratio.estimate)) > math.log1p(margin)


def _change(ratio: Ratio) -> str:
    """`+5.5 % [+4.0 %, +7.0 %]`."""
    change = format_change(ratio.estimate)
    if ratio.low is not None and ratio.high is not None:
        change += f" [{format_change(ratio.low)}, {format_change(ratio.high)}]"
    return change


def sentence(
    verdict: str,
    ratio: Ratio | None,
    a: Side,
    b: Side,
    *,
    unit: str,
    margin: float = 0.05,
    more: int | None = None,
    mean: Ratio | None = None,
) -> str:
    """The verdict in words, naming both sides in full; ratios as change of time, so −58 % means B takes 58 % less.

    Where the ratio of means tells another story than the typical ratio, that the verdict is about, both are told.
    """
    if ratio is None:
        return f"{b.label} against {a.label}: no usable measurement of {unit}"
    change = _change(ratio)
    if mean is not None and disagree(ratio, mean, margin):
        change = f"typical {change}, on average {_change(mean)}"
    evidence = f"{ratio.trials} trial{'' if ratio.trials == 1 else 's'}, {100 * ratio.confidence:.4g} % confidence"
    time = f"{change} time for {unit} ({evidence})"
    if verdict in ("faster", "slower"):
        return f"{b.label} is {verdict} than {a.label}: {time}"
    if verdict == "equivalent":
        return f"{b.label} and {a.label} are equivalent within ±{format_share(margin)}: {time}"
    if verdict == "negligible":
        return f"{b.label} and {a.label} differ, but by less than {format_share(margin)}: {time}"
    hint = f"; about {counted(more, 'more trial')} would decide" if more else ""
    return f"{b.label} against {a.label}: inconclusive, {time}{hint}"
