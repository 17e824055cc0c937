"""What a forge is told: the job's summary where it asks for one, an annotation, a JUnit file; nothing without a gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof.analysis.model import Comparison, Gate, ItemResult, Ratio, Side
from dlprof.cli import forge
from dlprof.errors import StoreError

SIDE = Side("tf", "2", "cpu:0", "graph", "3.11", "TF")


def found(gate: Gate | None) -> Comparison:
    item = ItemResult("train_block", "slower", Ratio(1.5, 1.4, 1.6, 0.95, 6, "t"), 1e6, 1.5e6, "B is slower")
    return Comparison("w", SIDE, SIDE, (item,), (), {}, {"a": None, "b": None}, (), (), {}, gate=gate)


def test_the_summary_is_added_to_and_the_annotation_escapes_what_a_command_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    forge.tell(found(Gate(0.05, "undecided", ())), tmp_path / "gate.xml")
    assert summary.read_text().startswith("before\n**GATE UNDECIDED: nothing was timed")
    assert "<testsuites" in (tmp_path / "gate.xml").read_text()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        "::warning title=dlprof gate::GATE UNDECIDED: nothing was timed that could be held against 5 %25"
    )


def test_without_a_gate_a_summary_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    forge.tell(found(None))
    assert not (tmp_path / "summary.md").exists()


@pytest.mark.parametrize(("state", "kind"), [("failed", "error"), ("passed", "notice"), ("not_comparable", "warning")])
def test_the_kind_of_an_annotation(state, kind):
    assert forge.annotation(state, "a\nb") == f"::{kind} title=dlprof gate::a%0Ab"


def test_a_long_answer_is_cut_and_a_percent_sign_is_not_cut_in_two():
    said = forge.annotation("failed", "%" * 5000)
    assert said.endswith("%25…")
    assert len(said) < 3 * 2000 + 100


def test_a_summary_that_cannot_be_written_is_said_and_loses_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "nowhere" / "summary.md"))
    forge.tell(found(Gate(0.05, "undecided", ())), tmp_path / "gate.xml")
    assert (tmp_path / "gate.xml").exists()
    assert "the job's summary cannot be written: No such file" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_is_no_junit_file_is_refused_before_anything_is_measured(tmp_path: Path):
    forge.check_junit(tmp_path / "new.xml")
    (tmp_path / "old.xml").write_text('<?xml version="1.0"?><testsuites/>')
    forge.check_junit(tmp_path / "old.xml")
    (tmp_path / "train.py").write_text("import torch")
    with pytest.raises(StoreError, match="is no XML"):
        forge.check_junit(tmp_path / "train.py")
    with pytest.raises(StoreError, match="does not exist") as refused:
        forge.check_junit(tmp_path / "nowhere" / "gate.xml")
    assert str(refused.value.hint).endswith("choose another --junit")
