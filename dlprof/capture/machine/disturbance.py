"""What else the machine did during a trial: load, steal, other processes' CPU, context switches, clock, temperature."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from dlprof.capture.machine.provenance import frequency_mhz
from dlprof.manifest import Disturbance


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters of the whole machine at one moment (s of CPU over all cores; monotonic ns)."""

    monotonic_ns: int
    busy_s: float
    steal_s: float
    context_switches: int
    load_1m: float
    frequency_mhz: float | None
    temperature_c: float | None


def snapshot() -> Snapshot:
    """Read the counters now."""
    times = psutil.cpu_times()
    busy = times.user + times.system + sum(getattr(times, name, 0.0) for name in ("nice", "irq", "softirq"))
    return Snapshot(
        monotonic_ns=time.monotonic_ns(),
        busy_s=busy,
        steal_s=getattr(times, "steal", 0.0),
        context_switches=psutil.cpu_stats().ctx_switches,
        load_1m=os.getloadavg()[0],
        frequency_mhz=frequency_mhz(),
        temperature_c=_temperature(),
    )


def between(before: Snapshot, after: Snapshot, own_cpu_s: float) -> Disturbance:
    """Facts of the time between two snapshots; fractions are of all cores. What cannot be read is None.

    own_cpu_s: CPU time that dlprof and its workers used meanwhile. other_cpu: what the rest of the machine used; below
    about .02 it is the rounding of the kernel's 10 ms counters.
    """
    wall_s = (after.monotonic_ns - before.monotonic_ns) / 1e9
    capacity = wall_s * (psutil.cpu_count() or 1)
    return Disturbance(
        wall_s=round(wall_s, 6),
        load_1m=(round(before.load_1m, 2), round(after.load_1m, 2)),
        steal=round((after.steal_s - before.steal_s) / capacity, 4),
        other_cpu=round(max(after.busy_s - before.busy_s - own_cpu_s, 0.0) / capacity, 4),
        context_switches_per_s=round((after.context_switches - before.context_switches) / wall_s),
        frequency_mhz=_both(before.frequency_mhz, after.frequency_mhz),
        temperature_c=_both(before.temperature_c, after.temperature_c),
    )


def together(parts: Sequence[Disturbance]) -> Disturbance:
    """Facts of several stretches of time as one: shares and rates as means over time, the rest from the first and the last."""
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return first
    wall_s = sum(part.wall_s for part in parts)

    def mean(values: Sequence[float]) -> float:
        return sum(value * part.wall_s for value, part in zip(values, parts, strict=True)) / max(wall_s, 1e-9)

    return Disturbance(
        wall_s=round(wall_s, 6),
        load_1m=(first.load_1m[0], last.load_1m[1]),
        steal=round(mean([part.steal for part in parts]), 4),
        other_cpu=round(mean([part.other_cpu for part in parts]), 4),
        context_switches_per_s=round(mean([part.context_switches_per_s for part in parts])),
        frequency_mhz=_ends(first.frequency_mhz, last.frequency_mhz),
        temperature_c=_ends(first.temperature_c, last.temperature_c),
    )


def _ends(first: tuple[float, float] | None, last: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if first is None or last is None else (first[0], last[1])


def _both(before: float | None, after: float | None) -> tuple[float, float] | None:
    return None if before is None or after is None else (before, after)


def _temperature() -> float | None:
    """The hottest sensor that calls itself a CPU's, or None (VMs have none)."""
    read = getattr(psutil, "sensors_temperatures", None)
    sensors = read() if read else {}
    values = [
        entry.current for name in ("coretemp", "k10temp", "zenpower", "cpu_thermal") for entry in sensors.get(name, [])
    ]
    return max(values, default=None)
