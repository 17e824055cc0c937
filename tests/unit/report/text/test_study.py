"""A study as text: ids whole, what stands against a cell, and what each found."""

from __future__ import annotations

from msgspec.structs import replace

from dlprof.report.text import study_text
from dlprof.study import CellRecord, StudyRecord
from dlprof.study.record import Failure

CELL = CellRecord(
    id="lenet-with-a-name-that-is-longer-than-eighty-columns-have-room-for-tf-2.21.0-graph-vs-mxnet-hybrid",
    experiment="lenet",
    method="compare",
    workload="lenet",
    a="tf",
    b="mxnet",
    device="cpu",
    seed=0,
    run=1,
    path="cells/x",
    estimate_s=240.0,
    work_sha256="",
)


def test_a_plan_names_every_cell_whole_with_its_time_and_what_stands_against_it() -> None:
    cells = [(CELL, ""), (replace(CELL, id="gpu"), "no GPU")]
    text = study_text.plan(cells, {"tf": True, "mxnet": False}, 300, colour=False)
    assert text.splitlines()[2] == f"   4 min 0 s {CELL.id}"
    assert "  ! gpu cannot run here: no GPU" in text
    assert "2 cells, about 5 min 0 s" in text
    assert "environments that are there: tf\n" in text
    assert "environments to be made: mxnet\n" in text


SUMMARY = """S

State          Verdict              Took Cell
────────────── ────────────── ────────── ─────
done           not comparable     12.3 s one
failed                             0.2 s two
pending                                  three

one
  It differs.

two
  It broke
  log: here
  hint: mend it

1 done, 1 failed, 1 pending: out
"""


def test_a_summary_tells_state_verdict_time_and_why() -> None:
    cells = [
        replace(CELL, id="one", status="done", seconds=12.34, verdict="not_comparable", sentence="It differs."),
        replace(CELL, id="two", status="failed", seconds=0.2, error=Failure("It broke\n  log: here", "mend it")),
        replace(CELL, id="three"),
    ]
    head = {"name": "s", "title": "S", "spec_sha256": "", "quick": False, "dlprof_version": "1", "created": ""}
    study = StudyRecord(**head, machine={}, cells=cells)
    assert study_text.summary(study, "out", colour=False) == SUMMARY
