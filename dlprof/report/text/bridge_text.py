"""The way from the timed to the traced gap in words: what stands first under the waterfall, in text and page alike."""

from __future__ import annotations

from dlprof.analysis.model import Amount, Bridge, Ledger
from dlprof.units import format_ns, format_signed_ns


def sentences(ledger: Ledger) -> list[str]:
    """What was timed, what was traced, what profiling adds and how much of the timed gap is explained; then the way between.

    Nothing for traces that belong to no timed trials (a diff, or an older comparison).
    """
    bridge = ledger.bridge
    if bridge is None:
        return []
    what = "step" if ledger.basis == "step" else "trace"
    first = (
        f"Timed without profiler, B's {what} is {_longer(bridge.timed)} on average; traced in the same {bridge.trials} "
        f"trials, {_longer(bridge.traced)}. {_profiling(bridge)}{_explained(bridge)}"
    )
    parts = "; ".join(f"{part.name} {_signed(part.amount)}" for part in bridge.parts)
    return [first, f"From the timed to the traced gap: {parts}."]


def _explained(bridge: Bridge) -> str:
    if bridge.agrees is False:
        return "The traces do not show the timed gap, so the parts below explain none of it."
    share, low, high = bridge.explained_share, bridge.explained_low, bridge.explained_high
    if share is None or low is None or high is None:
        return "What share of the timed gap the parts explain cannot be said: its interval holds 0, or there are too few trials."
    known = f"The parts below explain {100 * share:.0f} % [{100 * low:.0f} %, {100 * high:.0f} %] of the timed gap."
    return known.replace("-", "−")


def _profiling(bridge: Bridge) -> str:
    known = [f"{_signed(cost)} to {side.upper()}" for side, cost in bridge.profiling.items() if cost is not None]
    return f"Profiling adds {' and '.join(known)}. " if known else ""


def _longer(amount: Amount) -> str:
    """`6.39 ms longer [+5.9 ms, +6.9 ms]`."""
    return f"{format_ns(abs(amount.ns))} {'longer' if amount.ns >= 0 else 'shorter'}{_interval(amount)}"


def _signed(amount: Amount) -> str:
    return f"{format_signed_ns(amount.ns)}{_interval(amount)}"


def _interval(amount: Amount) -> str:
    if amount.low_ns is None or amount.high_ns is None:
        return ""
    return f" [{format_signed_ns(amount.low_ns)}, {format_signed_ns(amount.high_ns)}]"
