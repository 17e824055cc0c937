"""What `dlprof doctor` says of a thing: there, there but not as it should be, or not there."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest

from dlprof.capture.machine import gpu_check, provenance
from dlprof.cli.verbs import doctor


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *checks: tuple[bool, Sequence[doctor.Finding]]
) -> tuple[int, list[str]]:
    """Exit code and lines where the checks (needed by every comparison?, findings) are all there is."""

    def probe(findings: Sequence[doctor.Finding]) -> Iterator[doctor.Finding]:
        yield from findings

    monkeypatch.setattr(
        doctor, "_CHECKS", [(needed, "thing", lambda found=found: probe(found)) for needed, found in checks]
    )
    code = doctor.run(argparse.Namespace())
    return code, capsys.readouterr().out.splitlines()


def test_each_line_says_how_it_is_and_a_remedy_follows_what_needs_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings: list[doctor.Finding] = [
        ("ok", "is well", "never shown"),
        ("warn", "is busy", "wait"),
        ("absent", "is away", "install it"),
        ("note", "is so", ""),
    ]
    assert told(monkeypatch, capsys, (False, findings)) == (
        0,
        [
            "ok      thing: is well",
            "warn    thing: is busy",
            "        → wait",
            "absent  thing: is away",
            "        → install it",
            "note    thing: is so",
            "What every comparison needs is here; 1 warning; 1 absent, which only what is named beside each needs.",
        ],
    )


def test_what_every_comparison_needs_is_missing_and_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = told(monkeypatch, capsys, (True, [("absent", "is away", "install it")]))
    assert (code, lines[0], lines[-1]) == (
        1,
        "MISSING thing: is away",
        "1 of what every comparison needs is missing.",
    )
    assert told(monkeypatch, capsys, (True, [("warn", "nearly full", "")]))[0] == 0


@pytest.mark.parametrize(("load", "state"), [(0.1, "ok"), (8.0, "warn")])
def test_a_busy_machine_is_a_warning_and_no_absence(
    monkeypatch: pytest.MonkeyPatch, load: float, state: doctor.State
) -> None:
    facts = SimpleNamespace(cpu="a CPU", cores_usable=2, cores_logical=2, load=(load, 0.0, 0.0), governor="powersave")
    monkeypatch.setattr(provenance, "machine", lambda: facts)
    _, busy, governor = doctor._machine()
    assert (busy[0], governor[0]) == (state, "warn")


def test_a_gpu_that_is_not_there_is_absent_and_one_that_is_used_a_warning() -> None:
    def refuse(soname: str) -> object:
        raise OSError(soname)

    assert all(found.absent for found in gpu_check.driver(load=refuse) if found.good is False)
    restricted = gpu_check.Finding(False, "its clock is held down")
    assert not restricted.absent


def test_one_core_is_told_as_one() -> None:
    given = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(given)})
    try:
        word, said, _ = next(iter(doctor._machine()))
    finally:
        os.sched_setaffinity(0, given)
    assert word == "ok"
    assert said.endswith(", 1 core")
