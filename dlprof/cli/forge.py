"""What a forge that runs dlprof is told of a gate: a JUnit file, and on GitHub the job's summary and an annotation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dlprof.cli.terminal import say

if TYPE_CHECKING:
    from dlprof.analysis.model import Comparison, GateState
    from dlprof.analysis.timing.ranking import Ranking


def tell(found: Comparison | Ranking, junit_file: Path | None = None) -> None:
    """Nothing where no gate was asked for. The summary goes where GITHUB_STEP_SUMMARY says, which GitHub sets in a job's step."""
    from dlprof.analysis.model import Comparison
    from dlprof.cli.output import deliver
    from dlprof.report import junit, markdown
    from dlprof.report.text import gate_text

    gates = gate_text.of_several(found) if not isinstance(found, Comparison) else _one(found, gate_text.words(found))
    if not gates:
        return
    if junit_file is not None:
        deliver(junit.gates(found), junit_file)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        text = markdown.comparison(found) if isinstance(found, Comparison) else markdown.ranking(found)
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for state, sentence in gates:
            say(annotation(state, sentence))


def _one(found: Comparison, sentence: str) -> tuple[tuple[GateState, str], ...]:
    return () if found.gate is None else ((found.gate.state, sentence),)


def annotation(state: GateState, sentence: str) -> str:
    """A workflow command: an error for a failure, a warning where nothing could be decided, else a notice."""
    kind = {"failed": "error", "passed": "notice"}.get(state, "warning")
    text = sentence.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{kind} title=dlprof gate::{text}"
