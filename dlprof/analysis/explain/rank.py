"""The order of a ledger's lines: the largest first, but symptoms after the extra work that may be behind them.

A second multiplication makes the host wait and dispatch longer, often by more than it takes itself; the multiplication is what
a reader can act on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlprof.analysis.model import LedgerLine
from dlprof.analysis.trace import host

MATERIAL: Final = 0.1
"""Part of the gap from which extra work goes before symptoms."""

_SYMPTOMS: Final = ("sync", "dispatch", "launch")
_OWN_CAUSE: Final = frozenset({host.COLLECTION})
"""Lines of a symptom's kind that are no symptom: other work does not bring them about."""

_WORK: Final = ("op", "copy", "communication")


def order(lines: Sequence[LedgerLine], gap_ns: int) -> list[LedgerLine]:
    """Largest |delta| first, `unexplained` last.

    Where a side has extra work (`remark`) that widens the gap and takes a tenth of it or more, waiting, dispatch and launches
    come after the smallest such line; work that is larger than that stays before it.
    """
    causes = [abs(line.delta_ns) for line in lines if _is_cause(line, gap_ns)]
    least = min(causes, default=None)

    def place(line: LedgerLine) -> tuple[int, int]:
        if line.kind == "unexplained":
            return 2, 0
        symptom = line.kind in _SYMPTOMS and line.key not in _OWN_CAUSE
        later = least is not None and (symptom or abs(line.delta_ns) < least)
        return int(later), -abs(line.delta_ns)

    return sorted(lines, key=place)


def _is_cause(line: LedgerLine, gap_ns: int) -> bool:
    """More operators of other kinds are no cause: a framework that fuses what the other runs apart has fewer of them."""
    if line.match_confidence and line.a_calls is None:
        return False
    if not line.remark or line.kind not in _WORK or line.delta_ns * gap_ns <= 0:
        return False
    more = (line.b_calls or 0) - (line.a_calls or 0)
    return more * line.delta_ns >= 0 and abs(line.delta_ns) >= MATERIAL * abs(gap_ns)


def remark(
    calls: tuple[float | None, float | None],
    times_ns: tuple[float, float],
    matched: bool,
    operators: tuple[float, float] = (0.0, 0.0),
) -> str:
    """What one side alone has: the work, or more calls of it; where the sides' main operators differ, so that no calls can be
    compared, the number of all operators, if one side has half as many again; '' where none of this.

    operators: calls of all operators of the line, of A and of B
    """
    if not matched:
        return f"only in {'A' if times_ns[0] or not times_ns[1] else 'B'}"
    a, b = calls
    if a is None and b is None:
        few, many = sorted(operators)
        side, other = ("B", "A") if operators[1] > operators[0] else ("A", "B")
        return f"{side} runs {many:g} operators, {other} {few:g}" if few and many >= _MANY * few else ""
    if not a or not b or abs(a - b) < _FEW * max(a, b):
        return ""
    more, fewer, side = (b, a, "B") if b > a else (a, b, "A")
    if fewer == 1 and more in _TIMES:
        return f"{side} runs it {_TIMES[more]}"
    return f"{side} runs it {more:g} times, {'A' if side == 'B' else 'B'} {fewer:g}"


def waiting(line: LedgerLine, waits: tuple[float, float]) -> str:
    """That one side waits for its work more often, on each line that grows by it: waiting, and what the host still has to ask for
    when all that was asked for is done; '' elsewhere. waits: a step's, of A and of B."""
    a, b = (round(count, 2) for count in waits)
    if a == b or line.kind not in _SYMPTOMS or line.key in _OWN_CAUSE or (b - a) * line.delta_ns <= 0:
        return ""
    more, fewer, side, other = (b, a, "B", "A") if b > a else (a, b, "A", "B")
    return f"{side} waits for its work {more:g} times a step, {other} {fewer:g}"


_MANY: Final = 1.5
_FEW: Final = 0.05
"""Part of the calls that may differ without a word: an engine's bookkeeping comes as it comes (1.975 waits a step, and 2)."""
_TIMES: Final[dict[float, str]] = {2: "twice", 3: "three times", 4: "four times"}
