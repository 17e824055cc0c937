"""Threads that wait sleep on both sides alike, unless the user says how they wait."""

from __future__ import annotations

import pytest

from dlprof.capture.script import spin
from dlprof.capture.script.command import Command


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in spin.OFF:
        monkeypatch.delenv(name, raising=False)


def _commands(a: str = "python train.py", b: str = "python train.py") -> dict[str, Command]:
    return {"a": Command.parse(a), "b": Command.parse(b)}


def test_waiting_threads_sleep_on_both_sides_and_the_report_says_so() -> None:
    assert spin.settings(_commands(), "off")["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "sleep at once on both sides (OMP_WAIT_POLICY=PASSIVE" in spin.statement(_commands(), "off")
    assert spin.settings(_commands(), "keep") == {}
    assert "by default (--spin keep)" in spin.statement(_commands(), "keep")


def test_what_one_side_sets_is_the_question_and_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _commands(b="OMP_WAIT_POLICY=active python train.py")
    assert spin.settings(asked, "off") == {}
    assert "OMP_WAIT_POLICY=active on side B" in spin.statement(asked, "off")
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")
    assert spin.settings(_commands(), "off") == {}
    assert "GOMP_SPINCOUNT=1000 on both sides" in spin.statement(_commands(), "off")
