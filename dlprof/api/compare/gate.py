"""How a comparison ends: the one place that decides between success, a gate that was not met or not decided, and the rest."""

from __future__ import annotations

from dlprof.analysis.model import Comparison
from dlprof.errors import DlprofError, Inconclusive, Interrupted, NotComparable, Regression


def ending(
    found: Comparison, gate: float | None, stopped: str, *, found_late: bool = False
) -> type[DlprofError] | None:
    """The error whose exit code the command ends with; None for success.

    gate: the slow-down of B that is allowed (0.05 = 5 %), None where none was asked for.
    stopped: why the trials ended early, '' where they did not.
    found_late: whether the work turned out to be unequal after it was timed.
    """
    if stopped.startswith("interrupted"):
        return Interrupted
    if found_late or (found.items and found.items[0].verdict == "not_comparable"):
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
