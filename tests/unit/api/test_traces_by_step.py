"""Work belongs to the step that launched it, and two traces are compared per step or as wholes, never one of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kineto_files import event, launched, step, write
from places import TRACES

from dlprof.analysis.trace import steps
from dlprof.api.load import opened, opened_pair
from dlprof.api.render import page
from dlprof.api.results import CaptureResult
from dlprof.cli.main import main
from dlprof.native import library

READERS = ("python", "native") if library.found().functions is not None else ("python",)
FAULTS = TRACES / "faults"
needs_faults = pytest.mark.skipif(not FAULTS.is_dir(), reason="../shared/traces/faults is not here")


def three_steps_and_a_tail(folder: Path) -> Path:
    work = [launched("aten::mm", [("gemm", 1000 * n + 20, 300)], at=1000 * n + 1, first=n + 1) for n in range(3)]
    tail = launched("aten::conv2d", [("conv_kernel", 3520, 6000)], at=3500, first=9)
    return write(folder / "steps.json", *(step(n, 1000 * n, 1000) for n in range(3)), *work, tail)


def by_step(path: Path) -> tuple[list[Any], Any]:
    with opened(path) as capture:
        found = CaptureResult(capture).view("step")
    return [(row["step"], row["count"], row["self_ns"]) for row in found.table.to_pylist()], found.outside


def test_by_step_has_a_row_a_step_and_the_work_outside_is_said_apart(tmp_path: Path) -> None:
    rows, outside = by_step(three_steps_and_a_tail(tmp_path))
    assert rows == [(0, 1, 300e3), (1, 1, 300e3), (2, 1, 300e3)]
    assert (outside.count, outside.self_ns) == (1, 6e6)


def test_work_in_no_step_is_said_of_every_table_with_times_within_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(three_steps_and_a_tail(tmp_path))]) == 0
    assert "of this belongs to no step; Wall counts the time within steps alone" in " ".join(
        capsys.readouterr().out.split()
    )
    plain = write(tmp_path / "plain.json", launched("aten::mm", [("gemm", 20, 900)], at=1))
    assert main(["show", str(plain)]) == 0
    assert "no step" not in capsys.readouterr().out


def test_a_kernel_belongs_to_the_step_whose_host_code_launched_it_however_late_it_runs(tmp_path: Path) -> None:
    path = write(
        tmp_path / "late.json",
        step(1, 0, 100),
        step(2, 100, 100),
        launched("aten::mm", [("gemm", 150, 90)], at=10, first=1),
        launched("aten::mm", [("gemm", 240, 90)], at=110, first=2),
        event("kernel", "before the window", 20, 5, pid=0, tid=7, device=0, stream=7, correlation=77),
    )
    rows, outside = by_step(path)
    assert rows == [(1, 1, 90e3), (2, 1, 90e3)]
    assert (outside.count, outside.self_ns) == (1, 5e3), "its launch is not in the trace, so no step asked for it"
    with opened_pair(path, path) as pair:
        found = pair.found
    assert (found.ledger.a_steps, found.ledger.a_wall_ns) == (2, 165_000), "the last step ends with its last kernel"


def test_a_device_copy_of_a_step_marker_is_no_step(tmp_path: Path) -> None:
    copy = event("gpu_user_annotation", "ProfilerStep#0", 25, 10, pid=0, tid=7)
    rows, _ = by_step(write(tmp_path / "t.json", step(0, 0, 50), copy, launched("aten::mm", [("gemm", 20, 15)], at=1)))
    assert rows == [(0, 1, 15e3)]


def test_steps_of_two_traces_of_other_length_compare_per_step(tmp_path: Path) -> None:
    def steps(count: int, length: float, name: str) -> Path:
        rows = [step(n, length * n, length) for n in range(count)]
        work = [launched("aten::mm", [("gemm", length * n + 2, length - 4)], at=length * n + 1, first=n + 1)
                for n in range(count)]  # fmt: skip
        return write(tmp_path / name, *rows, *work)

    with opened_pair(steps(50, 400, "a.json"), steps(10, 1000, "b.json")) as pair:
        found = pair.found
    assert (found.basis, found.units("a"), found.units("b")) == ("step", 50, 10)
    assert found.items[0].item == "step"
    assert found.items[0].ratio.estimate == pytest.approx(2.5)
    (row,) = found.rows
    assert (row.a_ns / 50, row.b_ns / 10) == (396e3, 996e3)


def test_where_one_side_marks_no_steps_nothing_is_per_step_in_any_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = three_steps_and_a_tail(tmp_path)
    plain = write(tmp_path / "plain.json", launched("aten::mm", [("gemm", 20, 900)], at=1))
    with opened_pair(marked, plain) as pair:
        found, drawn, html = pair.found, pair.exhibits(), page(pair)
    assert (found.basis, found.units("a"), found.units("b"), found.ledger.basis) == ("trace", 1, 1, "trace")
    assert found.items[0].ratio.estimate == pytest.approx(900 / 6900)
    assert {row.op: row.a_ns for row in found.rows} == {"Conv": 6e6, "MatMul": 900e3}
    assert "A marks 3 steps and B none" in " ".join(found.warnings)
    assert drawn.timelines == ()
    assert all(not times.traced_ns for times in drawn.step_times)
    for text in (html, _text(capsys, marked, plain)):
        assert "over the whole trace" in text
        assert "per traced step" not in text
    assert "MatMul: 3 calls over the whole trace in A, 1 in B" in _text(capsys, marked, plain)
    assert "per step" not in _text(capsys, marked, plain)
    assert main(["diff", str(marked), str(plain), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["basis"] == "trace"


def _text(capsys: pytest.CaptureFixture[str], a: Path, b: Path) -> str:
    assert main(["diff", str(a), str(b)]) == 0
    return capsys.readouterr().out


def test_a_comparison_per_step_says_how_much_work_is_in_no_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = three_steps_and_a_tail(tmp_path)
    text = " ".join(_text(capsys, path, path).split())
    assert "1 ms a step on the mean, 3 steps" in text
    assert "6 ms of work belongs to no step and is in no figure per step" in text
    assert "Conv" not in text


def test_known_operators_are_not_called_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = three_steps_and_a_tail(tmp_path)
    assert "not known" not in _text(capsys, path, path)


@needs_faults
def test_the_steps_of_the_kept_fault_are_right() -> None:
    rows, outside = by_step(FAULTS / "steps_plus_tail.json")
    assert rows == [(0, 1, 300e3), (1, 1, 300e3), (2, 1, 300e3)]
    assert outside.self_ns == 6e6


@pytest.mark.parametrize("reader", READERS)
def test_steps_whose_numbers_begin_again_are_steps_of_their_own(
    tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(library.VARIABLE, reader)
    rows = []
    for place, number in enumerate((3, 4, 3, 4)):
        at = 5000.0 * place
        rows += [
            step(number, at, 900),
            launched("aten::mm", [("gemm", at + 100, 850)], at=at + 10, first=10 * place + 1),
        ]
    with opened(write(tmp_path / "t.json", *rows)) as capture:
        result = CaptureResult(capture)
        found = [(row["step"], row["self_ns"], row["wall_ns"]) for row in result.view("step").table.to_pylist()]
        walls = steps.table(result.events)["wall_ns"].to_pylist()
        assert result.view().anomalies["repeated_step_numbers"] == 2
    assert found == [(number, 850e3, 850e3) for number in (3, 4, 5, 6)]
    assert walls == [950e3] * 4
