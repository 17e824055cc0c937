"""How a comparison ends: the one place that decides between success, a gate that was not met or not decided, and the rest."""

from __future__ import annotations

from dlprof.analysis.model import Comparison
from dlprof.analysis.same_work import after, parity
from dlprof.analysis.timing.ranking import Ranking
from dlprof.errors import DlprofError, Inconclusive, Interrupted, NotComparable, Regression


def ending(found: Comparison | Ranking, gate: float | None, stopped: str) -> type[DlprofError] | None:
    """The error whose exit code the command ends with; None for success.

    Of more than two sides the gate is for each of the others against the first that was named: one that is too slow is a
    regression, else one that is undecided is inconclusive. Different work of any two is no success.
    """
    if isinstance(found, Comparison):
        return _ending(found, gate, stopped)
    first = min(side.letter for side in found.sides)
    endings = {_ending(one, gate if first in pair else None, stopped) for pair, one in found.comparisons.items()}
    return next((one for one in (Interrupted, NotComparable, Regression, Inconclusive) if one in endings), None)


def _ending(found: Comparison, gate: float | None, stopped: str) -> type[DlprofError] | None:
    """Of two sides.

    Work that turned out to be unequal only after it was timed, if of a single item, is no success: it was measured for nothing.

    gate: the slow-down of B that is allowed (0.05 = 5 %), None where none was asked for.
    stopped: why the trials ended early, '' where they did not.
    """
    if stopped.startswith("interrupted"):
        return Interrupted
    unequal = bool(found.items) and found.items[0].verdict == "not_comparable"
    if unequal or parity.blocking(after.found_late(found.parity)):
        return NotComparable
    if gate is None:
        return None
    ratio = found.items[0].ratio if found.items else None
    if ratio is None or ratio.low is None or ratio.high is None:
        return Inconclusive
    if ratio.low > 1 + gate:
        return Regression
    return None if ratio.high <= 1 + gate else Inconclusive


def exit_code(ending: type[DlprofError] | None) -> int:
    """0 for success, else that of the error."""
    return 0 if ending is None else ending.exit_code
