"""The verdict in words: the sentence that analysis gave, and ratios, intervals and item names as people read them."""

from __future__ import annotations

from typing import Final

from dlprof.analysis.model import Comparison, Ratio, VerdictWord
from dlprof.names import COMPILE_TIME, ENERGY, FIRST_STEP, PEAK_MEMORY
from dlprof.units import format_signed

_ITEMS: Final = {
    "train_block": "training step",
    "train_step_sync": "training step, synchronised",
    "infer_block": "inference step",
    "epoch": "epoch",
    "step": "traced step (median)",
    "busy": "busy time of the trace",
    PEAK_MEMORY: "peak memory",
    FIRST_STEP: "time to the first step",
    COMPILE_TIME: "compilation",
    ENERGY: "energy a step",
}


def item_words(item: str) -> str:
    """An item for people: `train_block` → `training step`; an item of an op workload stays as it is."""
    return _ITEMS.get(item, item)


def verdict_word(comparison: Comparison) -> VerdictWord:
    """The verdict on the first item; inconclusive where nothing was timed."""
    return comparison.items[0].verdict if comparison.items else "inconclusive"


def headline(comparison: Comparison) -> str:
    """The verdict as one sentence that names both sides.

    Of a family of items the count of verdicts, else that on the first item; it says so where there is no item at all.
    """
    if not comparison.items:
        return f"No verdict on {comparison.b.label} against {comparison.a.label}: nothing was timed."
    summary = comparison.facts.summary
    sentence = (comparison.items[0].sentence if summary is None else summary).strip()
    as_it_is = ("not comparable: ", comparison.a.label, comparison.b.label)  # a command is written as it was typed
    first = sentence[:1] if sentence.startswith(as_it_is) else sentence[:1].upper()
    return first + sentence[1:].rstrip(".") + "."


def ratio_words(comparison: Comparison) -> list[str]:
    """The ratio that heads the report, and what it is of; beside the typical ratio that of mean times.

    It is the geometric mean of a family of items, else the first item's.
    """
    mean = comparison.facts.geometric_mean
    if mean is not None:
        return [f"time of B ÷ time of A, {mean.method} = {factor_words(mean)}; {interval_words(mean)}"]
    if not comparison.items or comparison.items[0].ratio is None:
        return []
    first, typical = comparison.items[0], comparison.items[0].ratio
    of = f" ({item_words(first.item)})" if len(comparison.items) > 1 else ""
    what = "typical time" if first.mean_ratio is not None else "time"
    said = [f"{what} of B ÷ {what} of A{of} = {factor_words(typical)}; {typical.method}"]
    if first.mean_ratio is not None:
        said.append(f"mean time of B ÷ mean time of A{of} = {factor_words(first.mean_ratio)}")
    return said


def speeds_words(comparison: Comparison) -> list[str]:
    """Sides whose processes come in two speeds, a sentence each, with what their traces tell of it."""
    found = comparison.facts.speeds or ()
    return [f"{one.sentence}." + (f" {one.traces}" if one.traces else "") for one in found]


def percent(ratio: float) -> str:
    """How far a ratio is from 1, signed, with digits enough to tell it from zero: 1.0004 → `+0.04 %`."""
    change = (ratio - 1) * 100
    digits = 1 if abs(change) >= 1 else 2
    return f"{format_signed(change, digits)} %"


def interval_words(ratio: Ratio) -> str:
    """`99 % interval [−59.0 %, −57.0 %], 6 trials`, or that there is no interval."""
    trials = f"{ratio.trials} trial{'' if ratio.trials == 1 else 's'}"
    if ratio.low is None or ratio.high is None:
        return f"{trials}, no interval"
    return f"{ratio.confidence * 100:.4g} % interval [{percent(ratio.low)}, {percent(ratio.high)}], {trials}"


def factor_words(ratio: Ratio) -> str:
    """Time of B ÷ time of A with its interval as factors: `2.113 [2.021, 2.209]`."""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.estimate:.4g}"
    return f"{ratio.estimate:.4g} [{ratio.low:.4g}, {ratio.high:.4g}]"
