"""What many items of one comparison say together: the curve over sizes, where it crosses 1, items without events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis import columns, exhibits
from dlprof.analysis.facts import SweepFacts
from dlprof.analysis.intervals import union
from dlprof.analysis.model import Comparison, ItemResult, Ratio, Side
from dlprof.analysis.timing import lockstep
from dlprof.analysis.trace.steps import work
from dlprof.units import format_share

DISPATCH_BOUND: Final = 0.25
"""Share of a call that executed operators cover, below which its time is the framework's way to them. Measured here: 81 to
94 % for heavy operators, 0 to 17 % for tiny ones, little between."""


def summary(items: Sequence[ItemResult], a: Side, b: Side) -> str:
    """One sentence over all items: how often B is faster, slower, neither, and what was not comparable."""
    count = Counter(item.verdict for item in items)
    told = [
        f"{word.replace('_', ' ')} {'at' if word in ('faster', 'slower') else 'for'} {count[word]}"
        for word in ("faster", "slower", "equivalent", "negligible", "inconclusive", "not_comparable")
        if count[word]
    ]
    return f"{b.label} against {a.label}, {len(items)} items: {', '.join(told)}"


def geometric_mean(timings: pa.Table, names: Sequence[str], margin: float, sides: int = 2) -> Ratio | None:
    """Time of B ÷ time of A over the items `names`: each trial's geometric mean, with its interval over trials.

    None below two items, or where a trial lacks one of them. Every item counts alike, whatever it costs.
    """
    logs = _logs(timings, names)
    found = None if logs is None else stats.compare(logs.mean(axis=0), margin=margin, sides=sides)
    if logs is None or found is None or found.estimate is None:
        return None
    how = f"geometric mean of {len(logs)} items, each counting alike"
    return Ratio(found.estimate, found.low, found.high, found.confidence, found.trials, how)


def over_all(timings: pa.Table, names: Sequence[str], margin: float, sides: int) -> stats.Result | None:
    """What the trials say of the geometric mean of the items, as a comparison of one item; None where there is no such mean."""
    logs = _logs(timings, names)
    return None if logs is None else stats.compare(logs.mean(axis=0), margin=margin, sides=sides)


def _logs(timings: pa.Table, names: Sequence[str]) -> columns.Floats | None:
    """Log-ratios (items, trials)."""
    trials = {name: of for name, of in lockstep.by_item(timings).items() if name in names}
    numbers = {tuple(sorted(of)) for of in trials.values()}
    if len(trials) < 2 or len(numbers) != 1:
        return None
    return np.array([[t.log_ratio for _, t in sorted(of.items())] for of in trials.values()])


def sweeps(found: Comparison, timings: pa.Table) -> tuple[SweepFacts, ...]:
    """Each operator's sweep over sizes: stem, sizes, and the crossover in numbers and as a sentence."""
    return tuple(
        SweepFacts(
            op=sweep.stem,
            key=sweep.key,
            sizes=sweep.sizes,
            crossover=sweep.crossover,
            sentence=crossover_sentence(sweep.stem, sweep.crossover, found.a, found.b),
        )
        for sweep in exhibits.sweeps(found, exhibits.trials(timings))
    )


def crossover_sentence(stem: str, crossing: stats.Crossover | None, a: Side, b: Side) -> str:
    """`matmul: TensorFlow … is faster from about n = 120 [95, 140] …`, or why no crossover is shown."""
    if crossing is None:
        return f"{stem}: no crossover is looked for, since not every size was measured in every trial"
    if crossing.size is None or crossing.low is None or crossing.high is None:
        why = crossing.why
        for letter, side in (("A", a), ("B", b)):
            why = why.replace(f"{letter} is faster", f"{side.label} is faster")
        return f"{stem}: no crossover: {why}"
    below, above = (a, b) if crossing.faster_below == "a" else (b, a)
    return (
        f"{stem}: {above.label} is faster from about n = {crossing.size:.3g} "
        f"[{crossing.low:.3g}, {crossing.high:.3g}], {below.label} below "
        f"({crossing.trials} trials, {format_share(crossing.confidence)} confidence)"
    )


def events_of_items(events: pa.Table, items: Sequence[str]) -> Mapping[str, int]:
    """Item → executed operators that the trace holds inside its markers, deletions and the like left out.

    0 = no event: the framework ran the item (its marker is there) and recorded nothing of what it did, as MXNet does
    for the creation of arrays. Items without a marker (not traced) are absent.
    """
    layer = columns.text(events, "layer")
    marked = columns.text(events, "level").where("marker")
    executed = work(events) & ~columns.text(events, "phase").where("bookkeeping")
    occurrences = columns.integers(events, "occurrences")
    found = {}
    for item in items:
        here = layer.where(item)
        if (here & marked).any():
            found[item] = int(np.sum(occurrences[here & executed]))
    return found


def explained_of_items(events: pa.Table, items: Sequence[str]) -> Mapping[str, float]:
    """Item → share of its traced calls' wall time that executed operators cover (0 to 1); absent without a marker.

    Below `DISPATCH_BOUND` a kernel's speed hardly matters: most of the call is Python, dispatch and memory management.
    """
    layer = columns.text(events, "layer")
    marked = columns.text(events, "level").where("marker")
    executed = work(events) & ~columns.text(events, "phase").where("bookkeeping")
    start = columns.integers(events, "start_ps")
    end = start + columns.integers(events, "duration_ps")
    found = {}
    for item in items:
        here = layer.where(item)
        calls = union(start[here & marked], end[here & marked])
        if calls.length:
            busy = union(start[here & executed], end[here & executed])
            found[item] = busy.within(calls).length / calls.length
    return found
