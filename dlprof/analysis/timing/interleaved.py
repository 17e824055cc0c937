"""What it costs that the sides of a comparison were alive one after the other, by how its trials vary; in words."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Final

import pyarrow as pa

from dlprof import stats
from dlprof.analysis.facts import Interleaved
from dlprof.analysis.timing import lockstep
from dlprof.units import format_share

PRIOR_SD: Final = 0.185
LOCKSTEP_SD: Final = 0.197
"""Standard deviations of a trial's log-ratio, of pairs one after the other and in lockstep: those of benchmarks/script_pairs.py
in docs/statistics.md, PyTorch steps of some ms on a shared virtual machine with two cores, 8 trials each."""

_FEWEST: Final = 4
"""Pairs that tell how much pairs vary."""

_NO_SD: Final = 1e-6


def of(told: Interleaved, timings: pa.Table, item: str, *, adaptive: bool) -> Interleaved:
    """With its figures and its statement, from the trials of the item (schema.TIMINGS)."""
    ratios = [one.log_ratio for one in lockstep.by_item(timings).get(item, {}).values() if math.isfinite(one.log_ratio)]
    n, measured = len(ratios), len(ratios) >= _FEWEST
    sd = max(statistics.stdev(ratios), _NO_SD) if measured else PRIOR_SD
    planned = n if n >= stats.FIRST_LOOK else stats.MIN_TRIALS
    alpha = stats.look_alpha(planned) if adaptive else stats.FIXED_ALPHA
    whole = stats.FIXED_ALPHA
    smallest, in_lockstep = (stats.detectable_effect(planned, one, alpha, whole=whole) for one in (sd, LOCKSTEP_SD))
    found = replace(
        told,
        trials=planned,
        sd=sd,
        measured=measured,
        lockstep_sd=LOCKSTEP_SD,
        smallest=smallest,
        lockstep_smallest=in_lockstep,
        lockstep_trials=None if smallest is None else stats.needed_trials(LOCKSTEP_SD, smallest, alpha, whole=whole),
    )
    return replace(found, statement=_statement(found))


def _statement(found: Interleaved) -> str:
    """Why, that the machine's drift counts, and what the trials find beside what they would find in lockstep."""
    said = (
        f"Each trial was a pair of processes one after the other, in balanced order, not in lockstep: {found.why}. What the "
        "machine does from one process to the next counts as their difference"
    )
    if found.sd is None or found.smallest is None or found.lockstep_smallest is None:
        return f"{said}."
    whose = "as these pairs do" if found.measured else "as a prior says, since so few pairs do not tell"
    said += (
        f": with {found.trials} of them, if their log-ratio varies by SD {found.sd:.3f} {whose}, a difference of "
        f"{format_share(found.smallest, 1)} is found in four of five cases"
    )
    if found.sd <= LOCKSTEP_SD:
        return f"{said}; trials in lockstep, which vary by SD {LOCKSTEP_SD} (a prior), would be no better here."
    trials = (
        f"{found.lockstep_trials} trials" if (found.lockstep_trials or 0) > stats.FIRST_LOOK else "the fewest trials"
    )
    return (
        f"{said}. In lockstep, where trials vary by SD {LOCKSTEP_SD} (a prior), as many would find "
        f"{format_share(found.lockstep_smallest, 1)}, and {trials} as much as these."
    )
