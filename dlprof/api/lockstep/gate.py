"""How a comparison ends: the one place that decides between success, a gate that was not met or not decided, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dlprof.analysis.model import Comparison, GateState
from dlprof.analysis.same_work import after, parity
from dlprof.analysis.timing.ranking import Ranking
from dlprof.errors import DlprofError, Inconclusive, Interrupted, NotComparable, Regression

_OF_STATE: Final[Mapping[GateState, type[DlprofError] | None]] = {
    "passed": None,
    "failed": Regression,
    "undecided": Inconclusive,
    "not_comparable": NotComparable,
}


def ending(found: Comparison | Ranking, stopped: str) -> type[DlprofError] | None:
    """The error whose exit code the command ends with; None for success.

    Of more than two sides the gate is for each of the others against the first that was named: one that is too slow is a
    regression, else one that is undecided is inconclusive. Different work of any two is no success.
    """
    if isinstance(found, Comparison):
        return _ending(found, stopped)
    endings = {_ending(one, stopped) for one in found.comparisons.values()}
    return next((one for one in (Interrupted, NotComparable, Regression, Inconclusive) if one in endings), None)


def _ending(found: Comparison, stopped: str) -> type[DlprofError] | None:
    """Of two sides.

    Work that turned out to be unequal only after it was timed, if of a single item, is no success: it was measured for nothing.

    stopped: why the trials ended early, '' where they did not.
    """
    if stopped.startswith("interrupted"):
        return Interrupted
    unequal = bool(found.items) and found.items[0].verdict == "not_comparable"
    if unequal or parity.blocking(after.found_late(found.parity)):
        return NotComparable
    return None if found.gate is None else _OF_STATE[found.gate.state]


def exit_code(ending: type[DlprofError] | None) -> int:
    """0 for success, else that of the error."""
    return 0 if ending is None else ending.exit_code
