"""Two JSON values set against each other: what a result states, and the same computed anew."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dlprof.units import MINUS, NS_PER_MS, NS_PER_S, NS_PER_US

TOLERANCE: Final = 1e-9
"""Relative difference of numbers that counts as agreement: another release of NumPy or SciPy may round otherwise."""

_DURATION: Final = re.compile(r"((?<!\d)[+-]?\d+(?:\.\d+)?) (ns|µs|ms|s)\b")
"""It begins at no digit within a number: of one of n digits every digit would be tried, each to the number's end."""
_NS: Final = {"ns": 1, "µs": NS_PER_US, "ms": NS_PER_MS, "s": NS_PER_S}
_EARLIER: Final = re.compile(r"(?<!\d)(\d+) traced window\(s\) a side: no intervals below (\d+)")
_TODAY: Final = r"traced windows a side: \1; intervals take \2"
_WRITTEN: Final = 1e-3
"""Relative difference of two durations that are written with four digits."""

_SIDE: Final = "framework version device mode python label capture manifest_digest"
_RATIO: Final = "estimate low high confidence trials method"
_CALLS: Final = "a_calls b_calls"

_STATED: Final[Mapping[str, str]] = {
    "": "schema_version kind workload a b verdict ratio items rows explained profiling_overhead ledger alignment parity "
    "warnings anomalies facts",
    "a": _SIDE,
    "b": _SIDE,
    "ratio": _RATIO,
    "items": "item verdict ratio a_median_ns b_median_ns sentence more_trials warnings p q",
    "items.ratio": _RATIO,
    "rows": "op phase layer a_ns b_ns delta_ns a_count b_count a_events b_events low_ns high_ns q",
    "explained.*": "steps wall_ns busy_ns fraction",
    "ledger": "basis a_steps b_steps replicates a_wall_ns b_wall_ns gap_ns untraced_gap_ns profiling_ns lines "
    "unexplained_ns statement notes",
    "ledger.lines": f"name kind a_ns b_ns delta_ns low_ns high_ns match_confidence reason {_CALLS}",
    "alignment": "matches a_unmatched b_unmatched a_unknown b_unknown",
    "alignment.matches": f"name kind a_ops b_ops confidence reason a_ns b_ns {_CALLS}",
    "facts": "kind method preset differs epochs idle_cpu_fraction trials stopped agreement sessions calibration primitives "
    "folder profiling tax explained_of_items summary sweeps events_of_items imported repetitions unsound",
    "facts.epochs.*": "epoch traced wall_ns train_loss validation_accuracy test_accuracy",
    "facts.trials": "number rounds wall_s machine",
    "facts.trials.machine": "wall_s load_1m steal other_cpu context_switches_per_s frequency_mhz temperature_c",
    "facts.agreement": "dtype tolerance largest_relative_difference same_facts",
    "facts.sessions": "created trials",
    "facts.primitives": "statement absent by_reason_ns primitives",
    "facts.profiling.*": "overhead traced_step_ns untraced_step_ns against",
    "facts.tax.*": "levels difference_ns explains statement",
    "facts.tax.*.levels": "name steps step_ns cost_ns classes",
    "facts.sweeps": "op key sizes crossover sentence",
    "facts.sweeps.crossover": "size low high confidence trials faster_below why",
}
"""What version 1 of comparison.json states, by place (* = any key, no indices). A result that lacks one of these was changed:
what came later (an older dlprof stated less) is not listed here."""

_MAPS: Final = frozenset(
    {"explained", "profiling_overhead", "facts.epochs", "facts.idle_cpu_fraction", "facts.profiling", "facts.tax"}
    | {"facts.agreement.largest_relative_difference", "facts.agreement.same_facts", "facts.tax.*.levels.classes"}
    | {"facts.explained_of_items", "facts.explained_of_items.*", "facts.events_of_items", "facts.events_of_items.*"}
)
"""Objects whose keys are names (sides, captures, items), all of which are stated."""


def differences(stated: Any, anew: Any, where: str = "", *, whole: str | None = None) -> Iterator[str]:
    """`path: stated X, now Y` for everything in `stated` that `anew` says otherwise.

    whole: the place of `stated` in a comparison.json ('' for all of it); then what it must state and does not is a
    difference too.
    """
    if isinstance(stated, Mapping) and isinstance(anew, Mapping):
        for key, value in anew.items():
            if whole is not None and key not in stated and _must_state(whole, key):
                yield f"{_within(where, key)}: not stated, now {_short(value)}"
        for key, value in stated.items():
            if key in anew:
                inner = None if whole is None else _within(whole, "*" if whole in _MAPS else key)
                yield from differences(value, anew[key], _within(where, key), whole=inner)
            else:
                yield f"{_within(where, key)}: stated {_short(value)}, now nothing"
    elif isinstance(stated, list) and isinstance(anew, list):
        if len(stated) != len(anew):
            yield f"{where}: stated {len(stated)} entries, now {len(anew)}"
        for at, (one, other) in enumerate(zip(stated, anew, strict=False)):
            yield from differences(one, other, f"{where}[{at}]", whole=whole)
    elif not _same(stated, anew):
        yield f"{where}: stated {_short(stated)}, now {_short(anew)}"


def _must_state(place: str, key: str) -> bool:
    return place in _MAPS or key in _STATED.get(place, "").split()


def _within(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _same(stated: object, anew: object) -> bool:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (stated, anew)]
    if all(numbers):
        return math.isclose(stated, anew, rel_tol=TOLERANCE, abs_tol=0.0)  # type: ignore[arg-type]
    if isinstance(stated, str) and isinstance(anew, str):  # an older dlprof wrote a hyphen for the minus sign
        return _same_words(stated, anew)
    return type(stated) is type(anew) and stated == anew


def _short(value: object, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def _same_words(stated: str, anew: str) -> bool:
    """Whether two texts say the same, whichever release wrote their numbers: `−4.1 %` was `-4.1%`, and a sentence that mixed
    `ms` and `µs` has one unit now. (The numbers themselves stand in fields of their own, and are held to TOLERANCE.)"""
    alike = (_EARLIER.sub(_TODAY, text).replace(MINUS, "-").replace(" %", "%") for text in (stated, anew))
    first, second = (re.split(_DURATION, text) for text in alike)
    if first == second:
        return True
    if first[::3] != second[::3]:
        return False
    times = [[float(n) * _NS[unit] for n, unit in zip(one[1::3], one[2::3], strict=True)] for one in (first, second)]
    return all(
        math.isfinite(one) and math.isclose(one, other, rel_tol=_WRITTEN, abs_tol=1)
        for one, other in zip(*times, strict=True)
    )
