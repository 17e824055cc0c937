"""Quantities in and out: the only place that parses or prints a duration, a percentage, a ratio or a byte count."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Final

from dlprof.errors import UsageError

PS_PER_NS = 1_000
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

MINUS: Final = "−"
"""U+2212, as wide as the plus sign: a hyphen is not."""

_UNITS: Final = ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "µs"), (1, "ns"))
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|min|h)?\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds from `90`, `90s`, `5m`, `1.5h` or `200ms`. Raises `UsageError` on anything else or on zero."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise UsageError(f"not a duration: {text!r}", hint="write it like 90s, 5m or 1.5h")
    seconds = float(match.group(1)) * _SECONDS[match.group(2) or "s"]
    if seconds <= 0:
        raise UsageError(f"a duration must be above zero: {text!r}", hint="write it like 90s, 5m or 1.5h")
    return seconds


def counted(number: int, word: str) -> str:
    """A number of things: `1 event`, `2 events`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def format_minutes(seconds: float) -> str:
    """Whole minutes, rounded up, as `parse_duration` reads them: `7m`."""
    return f"{max(math.ceil(seconds / 60), 1)}m"


def parse_percent(text: str) -> float:
    """A fraction from `5`, `5%` or `0.5%` (all percent). Raises `UsageError` outside (0, 100)."""
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        raise UsageError(f"not a percentage: {text!r}", hint="write it like 5%") from None
    if not 0 < value < 100:
        raise UsageError(f"a percentage must lie between 0 and 100: {text!r}", hint="write it like 5%")
    return value / 100


def parse_allowed(text: str) -> float:
    """How much slower something may be, as a fraction, from `5%`, `5`, `0.5%` or `150%`. Raises `UsageError` on anything else, on
    zero, and on `0.05`, by which most people mean 5 %."""
    number = text.strip().removesuffix("%").rstrip()
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f"not a percentage: {text!r}", hint="write it like 5%") from None
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(
            f"an allowed slow-down must be above zero: {text!r}",
            hint="no number of trials shows that nothing at all has changed; write it like 5%",
        )
    if value < 1 and not text.strip().endswith("%"):
        raise UsageError(f"{text!r}: {value:g} % or {100 * value:g} %?", hint=f"write {value:g}% or {100 * value:g}%")
    return value / 100


def format_ns(ns: float) -> str:
    """A duration for people, four significant digits: `812 ns`, `17.03 ms`, `2.145 s`, `3 min 20 s`."""
    if not math.isfinite(ns):
        return "n/a"
    size = abs(ns)
    if size >= 120 * NS_PER_S:
        minutes, seconds = divmod(round(size / NS_PER_S), 60)
        return f"{MINUS if ns < 0 else ''}{minutes} min {seconds} s"
    for scale, unit in ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "µs")):
        if size >= scale:
            return minus(f"{ns / scale:.4g} {unit}")
    return minus(f"{ns:.4g} ns")


def format_signed_ns(ns: float) -> str:
    """A difference with its sign: `+6.39 ms`, `−270 µs`."""
    return f"{MINUS if ns < 0 else '+'}{format_ns(abs(ns))}"


def in_one_unit(values_ns: Iterable[float]) -> Callable[[float], str]:
    """Writes the signed durations of one sentence in one unit, that of the largest of `values_ns`: `+48.58 ms`, `+0.4484 ms`."""
    scale, unit = common_unit([max((abs(ns) for ns in values_ns if math.isfinite(ns)), default=0)])

    def words(ns: float) -> str:
        if not math.isfinite(ns):
            return "n/a"
        number = format_in(abs(ns), scale)
        return f"{MINUS if ns < 0 else '+'}{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"

    return words


def format_signed(value: float, digits: int) -> str:
    """A bare number with its sign: 3.0826 → `+3.083`, -1.1524 → `−1.152`."""
    return minus(f"{value:+.{digits}f}")


def format_share(fraction: float, digits: int = 0, *, signed: bool = False) -> str:
    """A fraction in percent: .9853 → `99 %`; with one digit `98.5 %`, and signed `+98.5 %`."""
    return f"{format_signed(100 * fraction, digits) if signed else minus(f'{100 * fraction:.{digits}f}')} %"


def minus(text: str) -> str:
    """A number's text with the minus sign in front that all of dlprof's text has (U+2212), instead of a hyphen."""
    return MINUS + text[1:] if text.startswith("-") else text


def common_unit(values_ns: Iterable[float]) -> tuple[int, str]:
    """The unit in which a column of durations is shown: (nanoseconds of one, its name).

    The largest unit in which the shortest is still at least 1, as long as the longest has no more than six digits before the
    point: then it is a larger one, and the shortest loses digits.
    """
    sizes = [abs(ns) for ns in values_ns if ns and math.isfinite(ns)]
    if not sizes:
        return NS_PER_MS, "ms"
    wanted = next((at for at, (scale, _) in enumerate(_UNITS) if min(sizes) >= scale), len(_UNITS) - 1)
    while wanted and max(sizes) / _UNITS[wanted][0] >= 1e6:
        wanted -= 1
    return _UNITS[wanted]


def format_in(ns: float, scale: int) -> str:
    """A duration in a given unit, without its name: at least four significant digits, never an exponent."""
    value = ns / scale
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 3
    return minus(f"{value:.{min(digits, 6)}f}")


def format_bytes(count: float) -> str:
    """A byte count for people in powers of 1024: `812 B`, `3.4 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} TiB"


def format_change(ratio: float) -> str:
    """How far a time ratio is from 1, signed: 0.42 → `−58.0 %`, 1.05 → `+5.0 %`."""
    return f"{format_signed((ratio - 1) * 100, 1)} %"
