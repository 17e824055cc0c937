"""What comes before the timed steps of scripts: time to the first step, first calls, compilation; in words, and in no verdict."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.facts import Beginning
from dlprof.manifest import Start
from dlprof.names import SIDES
from dlprof.units import format_ns


def of(trials: Sequence[Mapping[str, Start]], timings: pa.Table) -> dict[str, Beginning]:
    """By side. trials: what each trial's processes told; timings: schema.TIMINGS, for what a steady step takes."""
    found: dict[str, Beginning] = {}
    for side in SIDES:
        told = [trial[side] for trial in trials if side in trial]
        if told:
            found[side] = _beginning(told, _steady_ns(timings, side))
    return found


def _steady_ns(timings: pa.Table, side: str) -> float | None:
    """Median time of a unit of work that counts."""
    rows = timings.filter(pa.array(columns.text(timings, "side").where(side) & timings.column("kept").to_numpy()))
    if not rows.num_rows:
        return None
    return float(np.median(columns.integers(rows, "wall_ns") / np.maximum(columns.integers(rows, "units"), 1)))


def _beginning(told: Sequence[Start], steady_ns: float | None) -> Beginning:
    firsts = [one.first_step for one in told if one.first_step is not None]
    calls = [one.first_call for one in told if one.first_call is not None]
    compiling = [one.compiling for one in told if one.compiling is not None]
    again = [one.again for one in told if one.again is not None]
    early = list(zip(*(one.early_ns for one in told), strict=False)) if steady_ns else []
    found = Beginning(
        trials=len(told),
        first_step_s=(statistics.median(firsts), min(firsts), max(firsts)) if firsts else None,
        seconds=statistics.median(one.seconds for one in told),
        first_call_ns=statistics.median(calls) if calls else None,
        early=tuple(statistics.median(times) / steady_ns for times in early) if steady_ns else (),
        compiled=statistics.median_low([one.compiled for one in told]),
        compiling_s=statistics.median(compiling) if compiling else None,
        again=statistics.median_low(again) if again else None,
        warming=sum(one.warming for one in told),
        timed=sum(one.timed for one in told),
        bursts=sum(one.bursts for one in told),
        of=sum(one.of for one in told),
        statement="",
    )
    left_out = all(one.left_out for one in told if one.timed)
    said = [*_first_steps(found, steady_ns), *_compiled(found, left_out=left_out)]
    return replace(found, statement=" ".join(said))


def _first_steps(found: Beginning, steady_ns: float | None) -> list[str]:
    said = []
    if found.first_step_s is not None:
        middle, least, most = found.first_step_s
        spread = f" ({_seconds(least)} to {_seconds(most)} s in {found.trials} trials)" if found.trials > 1 else ""
        said.append(f"The first step was over {_seconds(middle)} s after the start{spread}.")
    if found.first_call_ns is not None:
        times = f", {_times(found.first_call_ns / steady_ns)} steady steps" if steady_ns else ""
        said.append(f"Its call took {format_ns(found.first_call_ns)}{times}.")
    if found.early:
        times = ", ".join(map(_times, found.early))
        which = "step after it" if len(found.early) == 1 else f"{len(found.early)} steps after it"
        said.append(f"The {which} took {times} times as long as a steady one.")
    return said


def _compiled(found: Beginning, *, left_out: bool) -> list[str]:
    if not (found.compiled or found.warming or found.timed):
        return ["No compilation was seen."]
    took = "" if found.compiling_s is None else f" in {found.compiling_s:.1f} s"
    again = f", {found.again} of them for further shapes" if found.again else ""
    said = [f"{_programs(found.compiled)} compiled in its first {found.seconds:.1f} s{took}{again}."]
    if found.warming:
        said.append(f"{_programs(found.warming)} compiled while it was warmed up, in {_count(found.trials, 'trial')}.")
    if not found.timed:
        said.append("Nothing was compiled while it was timed.")
        return said
    which = "these are left out" if left_out else "they stay in, for so many show that compilation is part of its step"
    said.append(f"{_programs(found.timed)} compiled in {found.bursts} of {found.of} timed bursts: {which}.")
    return said


def _seconds(seconds: float) -> str:
    """Tenths of a second, and of less than a second two digits, so that what is fast is not `0.0 s`."""
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}"


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _programs(count: int) -> str:
    return f"{_count(count, 'program')} {'was' if count == 1 else 'were'}"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
