"""What else the machine did between two moments: fractions of all its cores, without what was dlprof's own."""

from __future__ import annotations

from dataclasses import replace

import psutil
import pytest

from dlprof.capture.machine.disturbance import Snapshot, between, snapshot

CORES = psutil.cpu_count() or 1
BEFORE = Snapshot(
    monotonic_ns=5_000_000_000,
    busy_s=100.0,
    steal_s=2.0,
    context_switches=1000,
    load_1m=0.5,
    frequency_mhz=None,
    temperature_c=None,
)
AFTER = replace(BEFORE, monotonic_ns=15_000_000_000, context_switches=6000, load_1m=1.234)


def test_a_machine_that_did_nothing_else_shows_nothing_else() -> None:
    facts = between(BEFORE, replace(AFTER, busy_s=107.0), own_cpu_s=7.0)
    assert (facts.wall_s, facts.other_cpu, facts.steal) == (10.0, 0.0, 0.0)


def test_other_programs_time_is_a_fraction_of_all_cores() -> None:
    facts = between(BEFORE, replace(AFTER, busy_s=100.0 + 7.0 + 5.0 * CORES), own_cpu_s=7.0)
    assert facts.other_cpu == 0.5


def test_own_time_above_what_the_machine_counted_is_no_negative_load_of_others() -> None:
    assert between(BEFORE, replace(AFTER, busy_s=103.0), own_cpu_s=7.0).other_cpu == 0.0


def test_stolen_time_switches_and_load_are_told() -> None:
    facts = between(BEFORE, replace(AFTER, steal_s=2.0 + CORES), own_cpu_s=0.0)
    assert (facts.steal, facts.context_switches_per_s, facts.load_1m) == (0.1, 500, (0.5, 1.23))


@pytest.mark.parametrize("name", ["frequency_mhz", "temperature_c"])
def test_a_sensor_is_told_as_a_pair_and_absent_where_one_of_the_moments_lacks_it(name: str) -> None:
    assert getattr(between(BEFORE, replace(AFTER, **{name: 50.0}), own_cpu_s=0.0), name) is None
    both = between(replace(BEFORE, **{name: 40.0}), replace(AFTER, **{name: 50.0}), own_cpu_s=0.0)
    assert getattr(both, name) == (40.0, 50.0)


def test_a_moment_of_this_machine_has_counters_that_only_grow() -> None:
    first, second = snapshot(), snapshot()
    assert second.monotonic_ns > first.monotonic_ns
    assert second.busy_s >= first.busy_s > 0
    assert second.context_switches >= first.context_switches > 0
