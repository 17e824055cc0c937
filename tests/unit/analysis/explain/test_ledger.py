"""The ledger: its parts sum to both walls and to the gap, to 1 ns, and each needs recorded events behind it."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_tables import events, marker, op, step
from hypothesis import given, settings
from hypothesis import strategies as st

from dlprof.analysis.explain import ledger, rank

CALL = {"level": "api", "track": 50, "calls": 0}


def lines(found):
    return {line.name: line for line in found.lines}


def check_sums(found):
    assert sum(line.a_ns for line in found.lines) == found.a_wall_ns
    assert sum(line.b_ns for line in found.lines) == found.b_wall_ns
    assert sum(line.delta_ns for line in found.lines) == found.gap_ns == found.b_wall_ns - found.a_wall_ns
    assert sum(line.a_share_ns for line in found.lines) == found.a_wall_ns
    assert sum(line.b_share_ns for line in found.lines) == found.b_wall_ns


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
        "framework dispatch, forward": 100,
        "framework dispatch, elsewhere": 100,
        "Python between calls, forward": 100,
        "runtime between operators": 100,
        "synchronisation": 400,
        "unexplained": 100,
    }
    assert lines(found)["unexplained"].a_ns == 300
    assert found.unexplained_ns == 400


def test_a_collection_of_garbage_has_a_line_of_its_own_wherever_in_the_step_it_runs():
    b = events(
        step(0, 0, 3000),
        marker("dlprof:input", 0, 900),
        marker("dlprof:gc", 100, 800),
        marker("dlprof:call", 900, 2900),
        {"name": "Invoke", "start": 1000, "end": 1500, **CALL},
        marker("dlprof:gc", 1100, 1400),
        conv(1500, 2100),
        marker("dlprof:gc", 1900, 2200),
    )
    found = ledger.build([A], [b]).ledger
    check_sums(found)
    b_ns = {line.name: line.b_ns for line in found.lines if line.b_ns}
    assert b_ns["garbage collection"] == 1100
    assert b_ns["input pipeline"] == 200
    assert b_ns["framework dispatch"] == 200
    assert b_ns["Python between calls"] == 800
    assert found.lines[0].name == "garbage collection"


def test_a_loop_in_the_code_of_a_step_is_no_unexplained_time():
    b = events(step(0, 0, 2000), marker("dlprof:call", 100, 1900), conv(1100, 1700), op("Relu", 1700, 1800))
    found = ledger.build([A], [b]).ledger
    b_ns = {line.name: line.b_ns for line in found.lines if line.b_ns}
    assert b_ns["Python between calls"] == 1100
    assert b_ns["unexplained"] == 200


def test_extra_work_does_not_push_a_collection_of_garbage_down():
    b = events(
        step(0, 0, 3000),
        marker("dlprof:gc", 0, 1500),
        conv(1500, 2100),
        op("Relu", 2100, 2200, phase="forward", layer="conv1", step=0),
        op("Identity", 2200, 2700),
    )
    found = ledger.build([A], [b]).ledger
    assert [line.name for line in found.lines[:2]] == ["garbage collection", "Identity (B only)"]


def test_lines_that_grow_because_one_side_waits_more_often_say_so():
    def waiting(*ends):
        return [{"name": "WaitAll", "start": end - 50, "end": end, **CALL} for end in ends]

    call = {"name": "Invoke", "start": 700, "end": 900, **CALL}
    relu = {"phase": "forward", "layer": "conv1", "step": 0}
    a = events(step(0, 0, 1000), conv(100, 700), op("Relu", 700, 800, **relu), *waiting(800))
    b = events(step(0, 0, 1200), conv(100, 700), call, op("Relu", 900, 1000, **relu), *waiting(650, 700, 1000))
    found = ledger.build([a], [b]).ledger
    check_sums(found)
    assert found.lines[0].name == "framework dispatch, forward"
    assert found.lines[0].remark == "B waits for its work 3 times a step, A 1"
    assert "framework dispatch, forward (B waits for its work 3 times a step, A 1) +200" in found.statement
    assert all("waits" not in line.remark for line in found.lines if line.delta_ns <= 0 or line.kind == "op")
    back = ledger.build([b], [a]).ledger.lines[0]
    assert back.remark == "A waits for its work 3 times a step, B 1"


def test_opposite_residuals_do_not_cancel():
    b = events(step(0, 0, 1000), conv(0, 700), op("Relu", 700, 1000, phase="forward", layer="conv1", step=0))
    found = ledger.build([A], [b]).ledger
    assert (found.gap_ns, found.unexplained_ns) == (0, 300)
    check_sums(found)


def test_concurrent_operators_stand_with_their_work_and_one_line_takes_back_what_ran_at_the_same_time():
    b = events(step(0, 0, 1000), conv(0, 600, track=1), conv(200, 1000, track=2))
    found = ledger.build([A], [b]).ledger
    line = lines(found)["Conv forward conv1"]
    assert (line.b_ns, line.b_share_ns) == (1400, 1000)
    assert lines(found)["work at the same time"].b_ns == -400
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


def test_below_three_replicates_there_is_no_interval_and_the_notes_say_so():
    rng = np.random.default_rng(3)
    found = ledger.build([replicate(rng, 800) for _ in range(2)], [replicate(rng, 900) for _ in range(6)]).ledger
    assert all((line.low_ns, line.high_ns) == (None, None) for line in found.lines)
    assert "traced windows a side: 2; intervals take 3" in found.notes


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
    for line in found.lines:
        assert line.kind == "concurrency" or min(line.a_ns, line.b_ns) >= 0
        assert line.kind != "concurrency" or max(line.a_ns, line.b_ns) <= 0
        assert min(line.a_share_ns, line.b_share_ns) >= 0
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


def charged(found, side="b_ns"):
    return [(line.name, getattr(line, side)) for line in found.lines if line.a_ns or line.b_ns]


def relu(start, end, **more):
    return op("Relu", start, end, phase="forward", layer="conv1", step=0, **more)


def test_two_threads_that_overlap_are_told_from_slower_work():
    """Both sides compute the same; A overlaps, B runs one thing after the other: no operator is to blame."""
    a = events(step(0, 0, 800), conv(0, 600, track=1), relu(200, 800, track=2))
    b = events(step(0, 0, 1200), conv(0, 600, track=1), relu(600, 1200, track=1))
    found = ledger.build([a], [b]).ledger
    assert [(line.name, line.kind, line.a_ns, line.b_ns, line.delta_ns) for line in found.lines] == [
        ("work at the same time", "concurrency", -400, 0, 400),
        ("Conv forward conv1", "op", 600, 600, 0),
        ("Relu forward conv1", "op", 600, 600, 0),
        ("unexplained", "unexplained", 0, 0, 0),
    ]
    assert lines(found)["Conv forward conv1"].a_share_ns == 400
    check_sums(found)


def test_a_wait_belongs_to_the_work_that_ran_meanwhile_and_what_is_left_is_waiting():
    """The host's thread waits from 100 to 1000, a worker computes from 150 to 900."""
    b = events(
        step(0, 0, 1000),
        {"name": "Invoke", "start": 0, "end": 100, **CALL},
        {"name": "WaitAll", "start": 100, "end": 1000, **CALL},
        conv(150, 500, track=7),
        relu(500, 900, track=7),
    )
    found = ledger.build([A], [b]).ledger
    assert sorted(charged(found)) == [
        ("Conv forward conv1", 350),
        ("Relu forward conv1", 400),
        ("framework dispatch", 100),
        ("runtime between operators", 50),
        ("synchronisation", 100),
        ("unexplained", 0),
    ]
    check_sums(found)


def test_added_calls_of_the_same_work_lead_the_symptoms_that_are_larger():
    a = events(step(0, 0, 300), conv(0, 200), {"name": "WaitAll", "start": 200, "end": 300, **CALL})
    b = events(step(0, 0, 1200), conv(0, 200), conv(200, 400), {"name": "WaitAll", "start": 400, "end": 1200, **CALL})
    found = ledger.build([a], [b]).ledger
    assert [(line.name, line.delta_ns, line.remark) for line in found.lines] == [
        ("Conv forward conv1", 200, "B runs it twice"),
        ("synchronisation", 700, ""),
        ("unexplained", 0, ""),
    ]
    assert found.statement == (
        "B's step is 900 ns longer than A's: Conv forward conv1 (B runs it twice) +200 ns, synchronisation +700 ns"
    )
    check_sums(found)


@pytest.mark.parametrize("only", ["A", "B"])
def test_work_that_one_side_alone_runs_leads_the_symptoms_and_says_so(only):
    plain = events(step(0, 0, 300), conv(0, 200), {"name": "WaitAll", "start": 200, "end": 300, **CALL})
    more = events(
        step(0, 0, 1200), conv(0, 200), op("TopK", 200, 400), {"name": "WaitAll", "start": 400, "end": 1200, **CALL}
    )
    found = ledger.build([plain], [more]).ledger if only == "B" else ledger.build([more], [plain]).ledger
    first, second = found.lines[:2]
    assert (first.name, first.remark, abs(first.delta_ns)) == (f"TopK ({only} only)", f"only in {only}", 200)
    assert (second.name, abs(second.delta_ns)) == ("synchronisation", 700)
    check_sums(found)


def test_slower_work_that_is_larger_stays_before_extra_work_and_a_trifle_leads_nothing():
    wait = {"name": "WaitAll", "start": 200, "end": 400, **CALL}
    a = events(step(0, 0, 400), conv(0, 200), wait)
    b = events(step(0, 0, 2200), conv(0, 1000), op("TopK", 1000, 1200), {**wait, "start": 1200, "end": 2200})
    names = [line.name for line in ledger.build([a], [b]).ledger.lines]
    assert names == ["Conv forward conv1", "TopK (B only)", "synchronisation", "unexplained"]
    trifle = events(step(0, 0, 1200), conv(0, 200), op("TopK", 200, 210), {**wait, "start": 210, "end": 1200})
    assert [line.name for line in ledger.build([a], [trifle]).ledger.lines][:2] == ["synchronisation", "TopK (B only)"]


def test_kernels_of_two_streams_overlap_while_the_host_waits():
    gpu = {"device": "gpu:0", "level": "kernel", "step": 0}
    host = {"device": "host", "track": 9, "calls": 0}
    b = events(
        step(0, 0, 1000, device="host"),
        {"op": "Gemm", "start": 100, "end": 600, "track": 1, **gpu},
        {"op": "Add", "start": 400, "end": 800, "track": 2, **gpu},
        {"name": "cudaLaunchKernel", "level": "api", "start": 0, "end": 80, **host},
        {"name": "cudaDeviceSynchronize", "level": "sync", "start": 80, "end": 950, **host},
    )
    found = ledger.build([b], [b]).ledger
    assert {line.name: line.b_ns for line in found.lines} == {
        "Gemm": 500,
        "Add": 400,
        "work at the same time": -200,
        "kernel launches": 80,
        "launch gaps": 20,
        "synchronisation": 150,
        "unexplained": 50,
    }
    check_sums(found)


def test_devices_that_do_the_same_at_once_do_not_count_their_work_once_each():
    kernel = {"op": "Gemm", "level": "kernel"}
    one = events({"start": 0, "end": 600, "track": 1, "device": "gpu:0", **kernel})
    two = events(*({"start": 0, "end": 600, "track": n, "device": f"gpu:{n}", **kernel} for n in (1, 2)))
    found = ledger.build([one], [two]).ledger
    assert (lines(found)["Gemm"].b_ns, "work at the same time" in lines(found)) == (600, False)


def test_input_work_beside_the_step_counts_only_with_its_share():
    a = events(step(0, 0, 600), conv(0, 600))
    b = events(step(0, 0, 600), conv(0, 600), op("Decode", 0, 600, phase="input", track=5, step=0))
    found = ledger.build([a], [b]).ledger
    assert dict(charged(found)) == {
        "Conv forward conv1": 600, "input pipeline": 300, "work at the same time": -300
    }  # fmt: skip


def test_a_line_has_the_same_key_in_whatever_order_its_operators_stand():
    def side(first, second):
        rows = [op("Softmax", 0, first, phase="loss", step=0), op("Log", first, first + second, phase="loss", step=0)]
        return events(step(0, 0, 1000), *rows)

    keys = {
        line.key
        for pair in ((side(300, 100), side(200, 100)), (side(100, 300), side(100, 200)))
        for line in ledger.build([pair[0]], [pair[1]]).ledger.lines
        if line.kind == "op"
    }
    assert keys == {"Log loss + Softmax loss ~ Log loss + Softmax loss"}


def test_calls_that_differ_by_less_than_a_twentieth_are_not_said_to_be_more():
    assert rank.remark((1.975, 2.0), (10, 20), True) == ""
    assert rank.remark((2.0, 1.975), (10, 20), True) == ""
    assert rank.remark((19.0, 20.0), (10, 20), True) == "B runs it 20 times, A 19"


def test_a_phase_that_one_side_computes_by_more_operators_says_how_many_and_leads_no_symptom_for_that():
    """Their calls cannot be compared, operator by operator; a framework that fuses has fewer, which makes the other no slower."""

    def small(start):
        rows = [("Mul", 0), ("Add", 10), ("Mul", 20), ("Sqrt", 30)]
        return [op(name, start + at, start + at + 10, phase="optimizer", step=0) for name, at in rows]

    def waited(end):
        return {"name": "WaitAll", "start": end, "end": end + 300, **CALL}

    a = events(step(0, 0, 1000), conv(0, 600), adam(600, 610), adam(610, 620))
    b = events(step(0, 0, 1300), conv(0, 600), *small(600), *small(640), waited(680))
    found = ledger.build([a], [b]).ledger
    remarks = {line.name: line.remark for line in found.lines}
    assert remarks["optimizer (Mul+Adam+Add+…)"] == "B runs 8 operators, A 2"
    assert found.lines[0].name == "synchronisation"
    back = [line.remark for line in ledger.build([b], [a]).ledger.lines if line.name.startswith("optimizer")]
    assert back == ["A runs 8 operators, B 2"]
    alike = events(step(0, 0, 1000), conv(0, 600), op("SGD", 600, 620, phase="optimizer", step=0), adam(620, 630))
    assert all("operators" not in line.remark for line in ledger.build([a], [alike]).ledger.lines)


# idle time by phase, and what was asked for


def adam(start, end, **more):
    return op("Adam", start, end, phase="optimizer", step=0, **more)


def test_idle_time_is_of_the_phase_that_the_host_marked_else_of_the_work_that_follows():
    b = events(
        step(0, 0, 2000),
        {"name": "Execute", "start": 0, "end": 1500, **CALL},
        conv(200, 800),
        adam(900, 1000),
        adam(1100, 1200),
        marker("dlprof:optimizer", 1300, 1500),
        {"name": "WaitAll", "start": 1500, "end": 1900, **CALL},
        adam(1600, 1700),
    )
    found = ledger.build([A], [b]).ledger
    check_sums(found)
    idle = {line.name: (line.b_ns, line.phase, line.key) for line in found.lines if line.b_ns and line.kind != "op"}
    assert idle == {
        # before the first work of the step nothing says what the host is at; then two gaps, and the marked 200
        "framework dispatch, elsewhere": (200, None, "framework dispatch"),
        "framework dispatch, optimizer": (100 + 100 + 100 + 200, "optimizer", "framework dispatch, optimizer"),
        "runtime between operators, optimizer": (100, "optimizer", "runtime between operators, optimizer"),
        "synchronisation": (200, None, "synchronisation"),
        "unexplained": (100, None, "unexplained"),
    }


def test_python_is_of_the_phase_that_the_host_marked_alone():
    """What a framework runs next says nothing of what Python is at."""
    b = events(step(0, 0, 1000), marker("dlprof:call", 0, 1000), conv(100, 300), adam(700, 1000))
    found = ledger.build([A], [b]).ledger
    assert lines(found)["Python between calls"].b_ns == 500
    assert lines(found)["Python between calls"].phase is None


def test_bookkeeping_that_comes_first_does_not_hide_the_phase_that_follows():
    read = op("ReadVariableOp", 400, 410, phase="bookkeeping", step=0)
    b = events(step(0, 0, 1000), conv(0, 300), read, adam(500, 1000), {"name": "Run", "start": 0, "end": 900, **CALL})
    found = ledger.build([A], [b]).ledger
    assert lines(found)["framework dispatch, optimizer"].b_ns == 190
    check_sums(found)


def test_a_phase_of_less_than_a_hundredth_of_the_step_has_no_line_of_its_own():
    def side(gap):
        call = {"name": "Run", "start": 0, "end": 10000, **CALL}
        return events(step(0, 0, 10000), call, conv(0, 5000), adam(5000 + gap, 9000), conv(9400, 10000))

    small = {line.name: line.b_ns for line in ledger.build([side(99)], [side(99)]).ledger.lines}
    assert small["framework dispatch, elsewhere"] == 99
    assert small["framework dispatch, forward"] == 400
    either = {line.name: (line.a_ns, line.b_ns) for line in ledger.build([side(99)], [side(100)]).ledger.lines}
    assert either["framework dispatch, optimizer"] == (99, 100)
    assert "framework dispatch, elsewhere" not in either


def test_a_part_has_the_same_nanoseconds_in_all_whether_or_not_it_is_divided():
    """Three steps of 10 ns and a third: the whole ns of each part are apportioned first, its phases share them."""

    def window(phase):
        rows = []
        for number in range(3):
            at = 20 * number
            call = {"name": "Run", "start": at, "end": at + 10, **CALL}
            rows += [step(number, at, at + 10.333), call, op("Conv", at, at + 2.2, phase="forward", step=number)]
            rows += [
                op("Relu", at + 4.4, at + 5.1, phase=phase, step=number),
                op("Relu", at + 7.7, at + 8, step=number),
            ]
        return events(*rows)

    divided, plain = (ledger.build([window(phase)], [window(phase)]).ledger for phase in ("forward", None))
    check_sums(divided)
    of_part = [line.a_ns for line in divided.lines if line.name.startswith("framework dispatch")]
    assert len(of_part) == 2
    assert sum(of_part) == lines(plain)["framework dispatch"].a_ns


def reading(times, step_end):
    """A step that ends with so many reads of a variable, each by a call within which the runtime calls and an operator run."""
    rows = [step(0, 0, step_end), marker("dlprof:call", 0, step_end), conv(0, 600)]
    for at in range(600, 600 + 100 * times, 100):
        rows += [
            {"name": "FastPath", "start": at + 20, "end": at + 100, **CALL},
            {"name": "Execute", "start": at + 30, "end": at + 90, **CALL},
            op("ReadVariableOp", at + 60, at + 70, phase="bookkeeping", track=50, step=0),
        ]
    return events(*rows)


def test_a_line_of_dispatch_says_which_calls_and_operators_were_asked_for_more_often():
    found = ledger.build([reading(2, 850)], [reading(12, 1850)]).ledger
    check_sums(found)
    said = {line.name: line.remark for line in found.lines}
    assert said["framework dispatch"] == "B calls FastPath 12 times a step, A 2, and runs ReadVariableOp 12 times, A 2"
    assert (
        said["Python between calls"] == "B calls FastPath 12 times a step, A 2, and runs ReadVariableOp 12 times, A 2"
    )
    back = {line.name: line.remark for line in ledger.build([reading(12, 1850)], [reading(2, 850)]).ledger.lines}
    assert back["framework dispatch"] == "A calls FastPath 12 times a step, B 2, and runs ReadVariableOp 12 times, B 2"
    assert "framework dispatch (B calls FastPath 12 times a step, A 2" in found.statement


def test_calls_that_take_longer_but_are_as_many_are_not_said_to_be_more():
    slow = events(
        step(0, 0, 1000), {"name": "FastPath", "start": 0, "end": 900, **CALL}, conv(100, 200), conv(800, 1000)
    )
    fast = events(step(0, 0, 500), {"name": "FastPath", "start": 0, "end": 400, **CALL}, conv(100, 200), conv(300, 500))
    assert all("calls" not in line.remark for line in ledger.build([fast], [slow]).ledger.lines)


def test_calls_of_two_frameworks_that_have_none_in_common_are_not_counted_against_each_other():
    other = events(step(0, 0, 700), {"name": "Invoke", "start": 600, "end": 650, **CALL}, conv(0, 600), conv(650, 700))
    found = ledger.build([other], [reading(12, 1850)]).ledger
    assert all("calls" not in line.remark for line in found.lines)


def test_what_follows_in_the_next_step_is_no_reason_for_the_end_of_this_one():
    call = {"name": "Run", "start": 0, "end": 2000, **CALL}
    rows = [step(0, 0, 900), conv(0, 300), step(1, 1000, 2000), adam(1500, 2000), call]
    found = ledger.build([A], [events(*rows)]).ledger
    assert lines(found)["framework dispatch"].b_ns == round((600 + 500) / 2)
    check_sums(found)
