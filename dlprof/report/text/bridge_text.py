"""The way from the timed to the traced gap in words: what stands first under the waterfall, in text and page alike."""

from __future__ import annotations

from collections.abc import Callable

from dlprof.analysis.model import Amount, Bridge, Ledger
from dlprof.units import in_one_unit


def sentences(ledger: Ledger) -> list[str]:
    """What was timed, what was traced, what profiling adds and how much of the timed gap is explained; then the way between.

    Nothing for traces that belong to no timed trials (a diff, or an older comparison).
    """
    bridge = ledger.bridge
    if bridge is None:
        return []
    what = "step" if ledger.basis == "step" else "trace"
    words = in_one_unit([bridge.timed.ns, bridge.traced.ns])
    first = (
        f"Timed without profiler, B's {what} is {_longer(bridge.timed, words)} on average; traced in the same "
        f"{bridge.trials} trials, {_longer(bridge.traced, words)}. {_profiling(bridge, words)}{_explained(bridge)}"
    )
    parts = "; ".join(f"{part.name} {_signed(part.amount, words)}" for part in bridge.parts)
    return [first, f"From the timed to the traced gap: {parts}."]


def _explained(bridge: Bridge) -> str:
    if bridge.agrees is False:
        return "The traces do not show the timed gap, so the parts below explain none of it."
    share, low, high = bridge.explained_share, bridge.explained_low, bridge.explained_high
    if share is None or low is None or high is None:
        return "What share of the timed gap the parts explain cannot be said: its interval holds 0, or there are too few trials."
    known = f"The parts below explain {100 * share:.0f} % [{100 * low:.0f} %, {100 * high:.0f} %] of the timed gap."
    return known.replace("-", "−")


def _profiling(bridge: Bridge, words: Callable[[float], str]) -> str:
    known = [f"{_signed(cost, words)} to {side.upper()}" for side, cost in bridge.profiling.items() if cost is not None]
    return f"Profiling adds {' and '.join(known)}. " if known else ""


def _longer(amount: Amount, words: Callable[[float], str]) -> str:
    """`6.39 ms longer [+5.9 ms, +6.9 ms]`."""
    return f"{words(abs(amount.ns))[1:]} {'longer' if amount.ns >= 0 else 'shorter'}{_interval(amount, words)}"


def _signed(amount: Amount, words: Callable[[float], str]) -> str:
    return f"{words(amount.ns)}{_interval(amount, words)}"


def _interval(amount: Amount, words: Callable[[float], str]) -> str:
    if amount.low_ns is None or amount.high_ns is None:
        return ""
    return f" [{words(amount.low_ns)}, {words(amount.high_ns)}]"
