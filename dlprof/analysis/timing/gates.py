"""Gates: the timing table of lockstep trials in, whether B is more than the allowed slow-down slower out, item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from dlprof import stats
from dlprof.analysis.model import Gate, GatedItem, ItemResult, Ratio
from dlprof.analysis.timing import beside, lockstep
from dlprof.analysis.timing.beside import Beside

Ratios = Mapping[str, Sequence[stats.TrialRatio]]
"""Item → the ratio of each trial."""

_COUNTED: Final = ("B", "s")
"""Units of figures that may be the same in every trial: pages of memory, and no compilation at all."""

_SAME_STEP: Final = ("train_block", "train_step_sync")
"""The same training steps timed in two ways, as people train (one wait at the end of a block) and with a wait after each."""


def of(
    timings: pa.Table,
    verdicts: Sequence[ItemResult],
    allowed: float,
    *,
    adaptive: bool = False,
    sides: int = 2,
    refused: bool = False,
    others: Mapping[str, Beside] = MappingProxyType({}),
    limits: Mapping[str, float] = MappingProxyType({}),
) -> Gate:
    """The gate over all items that may be compared, in the order of their verdicts, and of each work once (`judge`).

    verdicts: of these timings. allowed: the slow-down that is (0.05 = 5 %). refused: the sides did different work, whatever
    single items say. Where the headline may not be compared, nothing is judged. others, limits: as of `judge`.
    """
    if refused or (verdicts and verdicts[0].verdict == "not_comparable"):
        return Gate(allowed, "not_comparable", ())
    trials = lockstep.by_item(timings)
    names = [one.item for one in verdicts if one.verdict != "not_comparable" and one.item in trials]
    return judge(
        {name: list(trials[name].values()) for name in names},
        allowed,
        adaptive=adaptive,
        sides=sides,
        others=others,
        limits=limits,
    )


def judge(
    ratios: Ratios,
    allowed: float,
    *,
    adaptive: bool = False,
    sides: int = 2,
    others: Mapping[str, Beside] = MappingProxyType({}),
    limits: Mapping[str, float] = MappingProxyType({}),
) -> Gate:
    """The gate over the trials of each item. Of a training step that was timed in two ways the way that people train is judged
    alone: a second figure of the same work would be one more chance of a false alarm, and one more to keep the gate open.

    limits: what of `others` (peak memory …) is judged as well, each against a limit of its own, by the same trials and in one
    correction with the rest
    """
    if all(name in ratios for name in _SAME_STEP):
        ratios = {name: trials for name, trials in ratios.items() if name != _SAME_STEP[1]}
    found = [
        stats.gate([trial.log_ratio for trial in trials], allowed, adaptive=adaptive, sides=sides)
        for trials in ratios.values()
    ]
    more = beside.chosen(others, limits)
    found += [
        stats.gate(one.log_ratios, limits[one.item], adaptive=adaptive, sides=sides, counted=one.unit in _COUNTED)
        for one in more
    ]
    state, states, q = stats.gate_all(found)
    names = [*ratios, *(one.item for one in more)]
    items = [
        _item(name, one, stands, adjusted, limits.get(name, allowed) if at >= len(ratios) else allowed)
        for at, (name, one, stands, adjusted) in enumerate(zip(names, found, states, q, strict=True))
    ]
    timed, rest = items[: len(ratios)], items[len(ratios) :]
    return Gate(allowed, state, (*timed, *map(_with_figures, rest, more, limits.values())))


def _item(name: str, found: stats.Gated, state: stats.GateState, q: float | None, allowed: float) -> GatedItem:
    more = found.more_trials if state == "undecided" else None
    return GatedItem(name, state, _ratio(found, allowed), found.p, q, more)


def _with_figures(item: GatedItem, of: Beside, allowed: float) -> GatedItem:
    a, b = of.medians if of.a else (None, None)
    return replace(item, allowed=allowed, a_median=a, b_median=b, unit=of.unit)


def _ratio(found: stats.Gated, allowed: float) -> Ratio | None:
    """B against A again, from B against what is allowed."""
    of_allowed, one = found.result, 1 + allowed
    if of_allowed.estimate is None:
        return None
    low, high = (None if end is None else end * one for end in (of_allowed.low, of_allowed.high))
    return Ratio(of_allowed.estimate * one, low, high, of_allowed.confidence, of_allowed.trials, of_allowed.method)
