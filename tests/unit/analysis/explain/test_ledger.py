"""The ledger: its parts sum to both walls and to the gap, to 1 ns, and each needs recorded events behind it."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_tables import events, marker, op, step
from hypothesis import given, settings
from hypothesis import strategies as st

from dlprof.analysis.explain import ledger

CALL = {"level": "api", "track": 50, "calls": 0}


def lines(found):
    return {line.name: line for line in found.lines}


def check_sums(found):
    assert sum(line.a_ns for line in found.lines) == found.a_wall_ns
    assert sum(line.b_ns for line in found.lines) == found.b_wall_ns
    assert sum(line.delta_ns for line in found.lines) == found.gap_ns == found.b_wall_ns - found.a_wall_ns


def conv(start, end, **more):
    return op("Conv", start, end, phase="forward", layer="conv1", step=0, **more)


A = events(step(0, 0, 1000), conv(100, 700), op("Relu", 700, 800, phase="forward", layer="conv1", step=0))


def test_every_instant_goes_to_work_or_to_a_host_part_or_stays_unexplained():
    b = events(
        step(0, 0, 2000),
        marker("dlprof:input", 0, 300),
        {"name": "Invoke", "start": 250, "end": 500, **CALL},
        marker("dlprof:forward", 400, 650),
        conv(700, 1500),
        marker("dlprof:sync", 600, 1900),
        {"name": "WaitAll", "start": 1450, "end": 1850, **CALL},
    )
    found = ledger.build([A], [b]).ledger
    check_sums(found)
    b_ns = {line.name: line.b_ns for line in found.lines if line.b_ns}
    assert b_ns == {
        "Conv forward conv1": 800,
        "input pipeline": 300,
        "framework dispatch": 200,
        "Python between calls": 100,
        "runtime between operators": 100,
        "synchronisation": 400,
        "unexplained": 100,
    }
    assert lines(found)["unexplained"].a_ns == 300
    assert found.unexplained_ns == 400


def test_opposite_residuals_do_not_cancel():
    b = events(step(0, 0, 1000), conv(0, 700), op("Relu", 700, 1000, phase="forward", layer="conv1", step=0))
    found = ledger.build([A], [b]).ledger
    assert (found.gap_ns, found.unexplained_ns) == (0, 300)
    check_sums(found)


def test_concurrent_operators_share_the_instants_and_are_not_counted_twice():
    b = events(step(0, 0, 1000), conv(0, 600, track=1), conv(200, 1000, track=2))
    found = ledger.build([A], [b]).ledger
    assert lines(found)["Conv forward conv1"].b_ns == 1000
    check_sums(found)


def test_time_is_of_the_mean_step_and_a_remainder_of_a_nanosecond_is_not_lost():
    rows = [step(0, 0, 10), step(1, 10, 20), step(2, 20, 31), op("Conv", 1, 6, step=0), op("Relu", 22, 30, step=2)]
    found = ledger.build([events(*rows)], [A]).ledger
    assert (found.a_wall_ns, found.a_steps) == (10, 3)
    check_sums(found)


def test_the_gap_is_reconciled_with_the_untraced_one():
    b = events(step(0, 0, 1300), conv(0, 1300))
    found = ledger.build([A], [b], untraced_ns=(900.0, 1150.0)).ledger
    assert (found.gap_ns, found.untraced_gap_ns, found.profiling_ns) == (300, 250, 50)
    assert not any("cannot explain" in note for note in found.notes)
    taxed = ledger.build([A], [b], untraced_ns=(900.0, 910.0)).ledger
    assert any("the traces cannot explain this difference" in note for note in taxed.notes)


def replicate(rng, conv_ns, copy_ns=0.0):
    jitter = rng.normal(0, 5, size=3)
    end = 100 + conv_ns + jitter[0]
    rows = [step(0, 0, end + copy_ns + 50 + jitter[1]), conv(100, end), marker("dlprof:input", 0, 90 + jitter[2])]
    if copy_ns:
        rows.append(op("Copy", end, end + copy_ns, level="copy", phase="transfer", step=0))
    return events(*rows)


def test_a_planted_copy_leads_the_ledger_with_an_interval_that_excludes_zero():
    rng = np.random.default_rng(3)
    found = ledger.build([replicate(rng, 800) for _ in range(6)], [replicate(rng, 800, 120) for _ in range(6)]).ledger
    first = found.lines[0]
    assert (first.name, first.kind) == ("copies (Copy) (B only)", "copy")
    assert first.low_ns is not None
    assert 0 < first.low_ns <= first.delta_ns <= first.high_ns
    others = [line for line in found.lines[1:] if line.kind == "op"]
    assert all(line.low_ns < 0 < line.high_ns for line in others)
    check_sums(found)


def test_below_six_replicates_there_is_no_interval_and_the_notes_say_so():
    rng = np.random.default_rng(3)
    found = ledger.build([replicate(rng, 800) for _ in range(5)], [replicate(rng, 900) for _ in range(6)]).ledger
    assert all((line.low_ns, line.high_ns) == (None, None) for line in found.lines)
    assert any("no intervals below 6" in note for note in found.notes)


def test_a_setting_that_acts_on_every_operator_is_named_on_operator_lines():
    b = events(step(0, 0, 1900), conv(0, 1800))
    found = ledger.build([A], [b], contrasts={"threads": ("2", "1")}).ledger
    assert found.lines[0].name == "Conv forward conv1 [threads 2 → 1]"
    assert lines(found)["unexplained"].kind == "unexplained"


def test_other_call_counts_are_noted():
    b = events(step(0, 0, 1000), conv(0, 300), conv(300, 600))
    found = ledger.build([A], [b]).ledger
    assert any("Conv forward conv1 (1 against 2)" in note for note in found.notes)


def test_traces_without_steps_are_set_against_each_other_as_wholes():
    a, b = events(op("Conv", 0, 100), op("Add", 150, 200)), events(op("Conv", 0, 300))
    found = ledger.build([a], [b]).ledger
    assert (found.basis, found.a_wall_ns, found.b_wall_ns) == ("trace", 200, 300)
    assert lines(found)["unexplained"].a_ns == 50
    check_sums(found)


def test_the_gap_between_kernels_is_told_from_waiting_and_from_dispatch():
    gpu = {"device": "gpu:0", "level": "kernel", "op": "Gemm"}
    host = {"device": "host", "track": 9, "calls": 0}
    b = events(
        {"start": 100, "end": 200, "track": 1, **gpu},
        {"start": 260, "end": 400, "track": 1, **gpu},
        {"start": 410, "end": 500, "track": 1, **gpu},
        {"name": "aten::mm", "level": "op", "start": 180, "end": 230, **host},
        {"name": "cudaLaunchKernel", "level": "api", "start": 230, "end": 255, **host},
        {"name": "cudaDeviceSynchronize", "level": "sync", "start": 390, "end": 600, **host},
    )
    found = ledger.build([A], [b]).ledger
    b_ns = {line.name: line.b_ns for line in found.lines if line.b_ns and line.kind != "op"}
    assert b_ns == {"framework dispatch": 30, "kernel launches": 25, "launch gaps": 10, "unexplained": 5}
    check_sums(found)


PS = st.integers(0, 40_000_000).map(lambda ps: ps / 1000)
ROWS = st.lists(
    st.tuples(PS, PS, st.integers(0, 3), st.sampled_from(["Conv", "Relu", "api", "sync", "copy", "input"])), max_size=20
)
WALLS = st.lists(st.integers(1, 9_000_000).map(lambda ps: ps / 1000), min_size=1, max_size=5)


def random_trace(rows, walls):
    built, at = [], 0.0
    for number, wall in enumerate(walls):
        built.append(step(number, at, at + wall))
        at += wall
    for start, length, track, what in rows:
        more = {"track": track, "start": start, "end": start + length}
        if what in ("api", "sync"):
            built.append({"level": what, "name": "call", **more})
        elif what == "input":
            built.append({"level": "marker", "name": "dlprof:input", **more})
        else:
            built.append({"level": "copy" if what == "copy" else "op", "op": what, **more})
    return events(*built)


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS, WALLS, ROWS, WALLS)
def test_whatever_the_events_the_parts_sum_to_the_walls_and_the_gap_to_the_nanosecond(rows_a, walls_a, rows_b, walls_b):
    found = ledger.build([random_trace(rows_a, walls_a)], [random_trace(rows_b, walls_b)]).ledger
    check_sums(found)
    assert all(line.a_ns >= 0 and line.b_ns >= 0 for line in found.lines)
    assert found.unexplained_ns == sum(li.a_ns + li.b_ns for li in found.lines if li.kind == "unexplained")


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=50))
def test_apportioned_nanoseconds_sum_exactly_and_lie_within_one_of_their_part(parts):
    wall = round(sum(parts) / 1000)
    whole = ledger.apportion(np.array(parts), wall)
    assert sum(whole) == wall
    assert all(abs(ns - ps / 1000) <= 1 + 1e-9 for ns, ps in zip(whole, parts, strict=True))


def test_a_side_without_a_window_is_refused():
    with pytest.raises(ValueError, match="each side"):
        ledger.build([], [A])
