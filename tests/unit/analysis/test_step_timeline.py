"""A timeline is the step nearest to the median: its executed work, lane by lane, with what launched it and when none ran."""

from __future__ import annotations

import pyarrow as pa
from analysis_tables import events, op, step

from dlprof.analysis import step_timeline
from dlprof.analysis.step_timeline import Lane, Launch


def three_steps() -> pa.Table:
    """Steps of 10, 12 and 40 ns; a convolution of 5 ns in each, 2 ns after its start."""
    rows = []
    for number, wall in enumerate((10, 12, 40)):
        start = number * 100
        rows += [step(number, start, start + wall), op("Conv", start + 2, start + 7, name="Convolution", step=number)]
    return events(*rows)


def test_a_timeline_shows_the_step_nearest_to_the_median() -> None:
    found = step_timeline.build("a", three_steps())
    assert found is not None
    assert (found.step, found.wall_ns) == (1, 12.0)
    (bar,) = found.bars
    assert (bar.name, bar.op, bar.start_ns, bar.duration_ns, bar.row) == ("Convolution", "Conv", 2.0, 5.0, 0)
    assert found.lanes == (Lane("cpu:0", "thread 0"),)


def test_without_steps_there_is_no_timeline() -> None:
    assert step_timeline.build("a", events(op("Conv", 0, 5))) is None


def test_a_kernel_has_the_work_of_its_launch_and_says_when_it_was_launched() -> None:
    found = step_timeline.build(
        "a",
        events(
            step(0, 100, 200),
            op("Conv", 90, 95, name="aten::conv2d", phase="forward", layer="conv1"),
            op(
                None,
                110,
                150,
                level="kernel",
                kernel="sgemm",
                name="sgemm",
                launch=1,
                device="gpu:0",
                stream="7",
                track=1,
            ),
            op(
                None,
                150,
                170,
                level="kernel",
                kernel="alone",
                name="alone",
                launch=77,
                device="gpu:0",
                stream="7",
                track=1,
            ),
        ),
    )
    assert found is not None
    launched, alone = found.bars
    assert (launched.op, launched.layer, launched.work) == ("Conv", "conv1", "Conv forward conv1")
    assert (launched.kernel, launched.launch) == ("sgemm", Launch("aten::conv2d", -10.0))
    assert alone.launch is None
    assert found.lanes == (Lane("gpu:0", "7"),)


def test_work_of_a_phase_that_is_matched_as_a_whole_is_named_without_its_layer() -> None:
    found = step_timeline.build(
        "a", events(step(0, 0, 10), op("Adam", 1, 2, phase="optimizer", layer="conv1"), op("Gemm", 3, 4, layer="fc"))
    )
    assert found is not None
    assert [bar.work for bar in found.bars] == ["Adam optimizer", "Gemm fc"]


def test_it_tells_when_no_lane_worked_and_when_several_did() -> None:
    found = step_timeline.build(
        "a",
        events(
            step(0, 0, 100),
            op("Conv", 10, 40, track=0), op("Relu", 20, 30, track=0), op("Gemm", 30, 60, track=1), op("Add", 80, 90, track=1),
        ),
    )  # fmt: skip
    assert found is not None
    assert found.idle == ((0.0, 10.0), (60.0, 20.0), (90.0, 10.0))
    assert found.together == ((30.0, 10.0),)


def test_the_longest_events_are_kept_and_the_others_counted() -> None:
    many = step_timeline.MOST_EVENTS + 3
    rows = [op("Add", 10 * at, 10 * at + (1 if at < 3 else 5)) for at in range(many)]
    found = step_timeline.build("a", events(step(0, 0, 10 * many), *rows))
    assert found is not None
    assert found.left_out == 3
    assert {bar.duration_ns for bar in found.bars} == {5.0}
