"""Several recorded runs a side: what they say of B against A, and what that rests on, since nobody saw how they were made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from dlprof.stats.inference.unpaired import Unpaired, compare_unpaired
from dlprof.units import format_change, format_share


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run, a process (or job) of its own.

    time_ns: median wall time of its steps; of a trace that marks none, of all of it
    steps: 0 where none is marked
    began_ns: Unix time at which its first step, or it, began; None where the trace does not tell
    """

    name: str
    time_ns: float
    steps: int
    began_ns: int | None
    host: str | None
    producer: str


@dataclass(frozen=True, slots=True)
class RecordedRuns:
    """Runs of both sides. basis: what was timed of each; sentence: the verdict; rests_on: what it rests on, a sentence each."""

    a: tuple[RecordedRun, ...]
    b: tuple[RecordedRun, ...]
    basis: Literal["step", "recording"]
    result: Unpaired
    sentence: str
    rests_on: tuple[str, ...]


def compare(
    a: Sequence[RecordedRun], b: Sequence[RecordedRun], *, margin: float, notes: Sequence[str] = ()
) -> RecordedRuns:
    """B against A, each run a trial without a partner. notes: what was noticed while they were read.

    Raises `ValueError` where some runs mark steps and others do not: a step is not a recording.
    """
    if len({bool(run.steps) for run in (*a, *b)}) > 1:
        raise ValueError("some of the runs mark steps and some do not")
    sides = [_in_order(side) for side in (a, b)]
    result = compare_unpaired(*([math.log(run.time_ns) for run in side] for side in sides), margin=margin)
    basis: Literal["step", "recording"] = "step" if a[0].steps else "recording"
    return RecordedRuns(
        a=tuple(sides[0]),
        b=tuple(sides[1]),
        basis=basis,
        result=result,
        sentence=_sentence(result, basis),
        rests_on=(*_rests_on(sides[0], sides[1], basis), *notes),
    )


def _in_order(side: Sequence[RecordedRun]) -> list[RecordedRun]:
    """In the order recorded where all tell their time."""
    told = [run.began_ns for run in side]
    return sorted(side, key=lambda run: run.began_ns or 0) if None not in told else list(side)


def _sentence(found: Unpaired, basis: str) -> str:
    change = format_change(found.estimate)
    if found.low is not None and found.high is not None:
        change += f" [{format_change(found.low)}, {format_change(found.high)}]"
    evidence = f"{found.a_runs} recorded runs of A, {found.b_runs} of B, {100 * found.confidence:.4g} % confidence"
    time = f"{change} time for a {basis} ({evidence})"
    if found.verdict in ("faster", "slower"):
        return f"B is {found.verdict} than A: {time}"
    if found.verdict == "equivalent":
        return f"B and A are equivalent within ±{format_share(found.margin)}: {time}"
    if found.verdict == "negligible":
        return f"B and A differ, but by less than {format_share(found.margin)}: {time}"
    hint = f"; about {found.more} more runs of each would decide" if found.more else ""
    return f"B against A: inconclusive, {time}{hint}"


def _rests_on(a: Sequence[RecordedRun], b: Sequence[RecordedRun], basis: str) -> list[str]:
    said = [
        "Each run counts as one trial: that each was a process (or job) of its own, started anew, is taken from you.",
        _order(a, b),
        _machines(a, b),
        "Times are of recorded runs, with what their profiler cost; whether both sides did the same work was not checked.",
    ]
    if basis == "recording":
        said.append("No run marks steps: whole recordings were compared, from their first work to their last.")
    producers = sorted({run.producer for run in (*a, *b)})
    if len(producers) > 1:
        said.append(f"They were recorded by different profilers ({', '.join(producers)}), whose costs differ.")
    return said


def _order(a: Sequence[RecordedRun], b: Sequence[RecordedRun]) -> str:
    told = sorted(
        (run.began_ns, side) for side, runs in (("A", a), ("B", b)) for run in runs if run.began_ns is not None
    )
    if len(told) < len(a) + len(b):
        return (
            "In which order they were recorded is not known: what else changed between the recordings of A and those of B is in "
            "this ratio as well."
        )
    letters = [side for _, side in told]
    turns = sum(one != other for one, other in pairwise(letters))
    if turns == 1:
        return (
            f"By their clocks all runs of {letters[0]} were recorded before the first of {letters[-1]}: what else changed in "
            "between (the machine, its load, its clock, the data) is in this ratio as well."
        )
    return (
        f"By their clocks the sides took turns: {turns} changes of side in {len(letters)} recordings. What changes slowly "
        "has met both; they were still not alive together."
    )


def _machines(a: Sequence[RecordedRun], b: Sequence[RecordedRun]) -> str:
    hosts = [{run.host for run in side} for side in (a, b)]
    if None in hosts[0] | hosts[1]:
        return "On which machine they ran is not told by all of them."
    if hosts[0] == hosts[1]:
        return f"All hosts of A are hosts of B ({', '.join(sorted(str(host) for host in hosts[0]))}); their state is not known."
    return (
        f"A ran on {', '.join(sorted(map(str, hosts[0])))}, B on {', '.join(sorted(map(str, hosts[1])))}: the difference of the "
        "machines is in this ratio as well."
    )
