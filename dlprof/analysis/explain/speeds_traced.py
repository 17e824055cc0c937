"""Whether the traced windows of a side's fast and slow processes differ too, and in which lines of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from dlprof.analysis.columns import Bools, Floats
from dlprof.analysis.explain.ledger import Explanation
from dlprof.analysis.facts import TwoSpeeds
from dlprof.names import SIDES
from dlprof.units import format_ns, format_signed_ns

_SHOWN: Final = 3
"""Lines that are named."""

_LEAST: Final = 0.1
"""Part of the difference between the traced walls from which a line is named."""

_HALF: Final = 0.5
"""Part of the timed difference that the traced walls must show."""


def told(found: TwoSpeeds, explanation: Explanation, trials: Sequence[int | None]) -> str | None:
    """What the traces tell of two speeds, a sentence; None where one of the speeds has no window.

    trials: of each pair of windows. The windows show the speeds where every slow one is longer than every fast one, by half
    of the timed difference at least on the mean. Lines are named that are likewise apart in all windows, and by a tenth of it.
    """
    at = SIDES.index(found.side)
    numbers = np.array([-1 if trial is None else trial for trial in trials])
    windows = explanation.windows[at][: numbers.size]
    slow, fast = np.isin(numbers, found.slow_trials), np.isin(numbers, found.fast_trials)
    if not (slow.any() and fast.any()):
        return None
    walls = windows.sum(axis=1)
    longer = float(walls[slow].mean() - walls[fast].mean())
    levels = (
        f"{format_ns(float(walls[fast].mean()))} a traced step in the fast ones, "
        f"{format_ns(float(walls[slow].mean()))} in the slow"
    )
    if not _apart(walls, slow, fast) or longer < _HALF * (found.slow_ns - found.fast_ns):
        return f"Their traced windows do not tell them apart: {levels}."
    deltas = windows[slow].mean(axis=0) - windows[fast].mean(axis=0)
    names = {line.key: line.name for line in explanation.ledger.lines}
    named = [
        f"{names[explanation.keys[line]]} {format_signed_ns(float(deltas[line]))}"
        for line in np.argsort(-deltas)
        if deltas[line] >= _LEAST * longer and _apart(windows[:, line], slow, fast) and explanation.keys[line] in names
    ][:_SHOWN]
    where = f"most in {', '.join(named)}" if named else "and no single line tells them apart"
    return f"Their traced windows differ too: {levels}, {where}."


def _apart(values: Floats, slow: Bools, fast: Bools) -> bool:
    """Whether every slow window has more than every fast one."""
    return bool(values[slow].min() > values[fast].max())
