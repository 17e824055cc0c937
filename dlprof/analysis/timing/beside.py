"""What trials tell beside their timed steps, and a gate may judge too: peak memory, the first step, compilation, energy.

A value a side and trial. Each is of its own fresh processes, so their log-ratios are judged like those of the steps.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.timing.verdicts import HEADLINES
from dlprof.manifest import Start, Used
from dlprof.names import COMPILE_TIME, ENERGY, FIRST_STEP, PEAK_MEMORY, SIDES

UNITS: Final[Mapping[str, str]] = {PEAK_MEMORY: "B", FIRST_STEP: "s", COMPILE_TIME: "s", ENERGY: "J"}

_LEAST_S: Final = 1e-3
"""Less time than that is as good as none: where nothing is compiled on either side the ratio is 1."""


class Told(Protocol):
    """A trial, as it was made or as a manifest keeps it."""

    @property
    def number(self) -> int: ...
    @property
    def starts(self) -> Mapping[str, Start] | msgspec.UnsetType: ...
    @property
    def used(self) -> Mapping[str, Used] | msgspec.UnsetType: ...


@dataclass(frozen=True, slots=True)
class Beside:
    """One figure over trials: a and b of each that tells both."""

    item: str
    a: tuple[float, ...]
    b: tuple[float, ...]

    @property
    def unit(self) -> str:
        return UNITS[self.item]

    @property
    def log_ratios(self) -> tuple[float, ...]:
        """ln(B ÷ A) of each trial."""
        least = _LEAST_S if self.unit == "s" else 0.0
        return tuple(math.log(max(b, least) / max(a, least)) for a, b in zip(self.a, self.b, strict=True))

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.a), statistics.median(self.b)


def of(trials: Iterable[Told], timings: pa.Table) -> dict[str, Beside]:
    """The figures that there are, by item. timings: schema.TIMINGS of the trials.

    The first step is that of a script, from the start of its process to the step's end; a workload's is its first call, which
    the timings have.
    """
    found: dict[str, list[tuple[float, float]]] = {item: [] for item in UNITS}
    calls = _first_calls(timings)
    for trial in trials:
        used, starts = trial.used or {}, trial.starts or {}
        for item, values in (
            (PEAK_MEMORY, [used[side].peak_bytes if side in used else None for side in SIDES]),
            (ENERGY, [used[side].joules if side in used else None for side in SIDES]),
            (
                FIRST_STEP,
                [starts[side].first_step if side in starts else calls.get((trial.number, side)) for side in SIDES],
            ),
            (COMPILE_TIME, [starts[side].compiling if side in starts else None for side in SIDES]),
        ):
            a, b = values
            if a is not None and b is not None and (UNITS[item] == "s" or (a > 0 and b > 0)):
                found[item].append((float(a), float(b)))
    return {
        item: Beside(item, tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
        for item, pairs in found.items()
        if pairs
    }


def chosen(found: Mapping[str, Beside], limits: Mapping[str, float]) -> Sequence[Beside]:
    """Those that are to be judged."""
    return [found.get(item, Beside(item, (), ())) for item in limits]


def _first_calls(timings: pa.Table) -> dict[tuple[int, str], float]:
    """Seconds of the first call of the headline, by trial and side."""
    if "stage" not in timings.column_names or not timings.num_rows:
        return {}
    rows = timings.filter(pa.array(columns.text(timings, "stage").where("first_call")))
    item = columns.text(rows, "item")
    headline = next((name for name in HEADLINES if name in item.values and item.where(name).any()), None)
    if headline is None:
        return {}
    rows = rows.filter(pa.array(item.where(headline)))
    side = columns.text(rows, "side")
    sides = side.decode(side.codes)
    trials, walls = columns.integers(rows, "trial").tolist(), columns.integers(rows, "wall_ns").tolist()
    return {
        (trial, name): wall / 1e9 for trial, name, wall in zip(trials, sides, walls, strict=True) if name is not None
    }
