"""Attacks: the command line run in this process on hostile input, each counted; the counts are printed at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from dlprof.cli.main import main

ATTACKS: Counter[str] = Counter()
"""Attacks that were made, by group (a file of this folder)."""


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def attack(request, capsys) -> Callable[..., Outcome]:
    """`attack("show", path)` runs the command here and says how it ended; it never ends as a bug of dlprof's own."""

    def run(*words: object) -> Outcome:
        ATTACKS[request.path.stem] += 1
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        assert "dlprof itself failed" not in said.err, said.err
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def attacked(request) -> Callable[[int], None]:
    """Counts attacks that are no command lines: `attacked(1)`."""

    def count(number: int = 1) -> None:
        ATTACKS[request.path.stem] += number

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ATTACKS:
        told = ", ".join(f"{group.removeprefix('test_')} {number}" for group, number in sorted(ATTACKS.items()))
        terminalreporter.write_line(f"attacks: {told}; {ATTACKS.total()} in all")
