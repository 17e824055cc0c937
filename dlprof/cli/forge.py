"""What a forge that runs dlprof is told of a gate: a JUnit file, and on GitHub the job's summary and an annotation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dlprof.cli.terminal import order, say

if TYPE_CHECKING:
    from dlprof.analysis.model import Comparison, GateState
    from dlprof.analysis.timing.ranking import Ranking


_LONGEST: Final = 2000
"""Characters of an annotation: GitHub shows no more than 4096 bytes."""


def check_junit(file: Path) -> None:
    """That the answer can be written to `file`, before anything is measured for it. Raises `StoreError`, `UsageError`."""
    from dlprof.cli.output import check_target
    from dlprof.errors import StoreError

    try:
        check_target(file)
    except StoreError as error:
        raise StoreError(error.message, hint=(error.hint or "").replace("-o", "--junit") or None) from None
    if file.is_file() and (head := file.read_bytes()[:5]) and head != b"<?xml":
        raise StoreError(f"{file}: exists, and is no XML", hint="choose another --junit")


def tell(found: Comparison | Ranking, junit_file: Path | None = None) -> None:
    """Nothing where no gate was asked for. The summary goes where GITHUB_STEP_SUMMARY says, which GitHub sets in a job's step."""
    from dlprof.analysis.model import Comparison
    from dlprof.cli.output import deliver
    from dlprof.report import junit
    from dlprof.report.text import gate_text

    gates = gate_text.of_several(found) if not isinstance(found, Comparison) else _one(found, gate_text.words(found))
    if not gates:
        return
    if junit_file is not None:
        deliver(junit.gates(found), junit_file)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _summarise(found, Path(summary))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for state, sentence in gates:
            order(annotation(state, sentence))


def _summarise(found: Comparison | Ranking, file: Path) -> None:
    """A summary that cannot be written is no reason to lose the answer."""
    from dlprof.analysis.model import Comparison
    from dlprof.report import markdown

    text = markdown.comparison(found) if isinstance(found, Comparison) else markdown.ranking(found)
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
    except OSError as error:
        say(f"warning: {file}: the job's summary cannot be written: {error.strerror}")


def _one(found: Comparison, sentence: str) -> tuple[tuple[GateState, str], ...]:
    return () if found.gate is None else ((found.gate.state, sentence),)


def annotation(state: GateState, sentence: str) -> str:
    """A workflow command: an error for a failure, a warning where nothing could be decided, else a notice."""
    kind = {"failed": "error", "passed": "notice"}.get(state, "warning")
    said = sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}…"
    text = said.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{kind} title=dlprof gate::{text}"
