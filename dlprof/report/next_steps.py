"""What a reader would do next, as commands: from what was found alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from dlprof.analysis.model import Comparison
from dlprof.report.text import trust_text, work_text
from dlprof.units import counted


def of(found: Comparison) -> list[str]:
    """Sentences with commands, the most useful first."""
    return list(dict.fromkeys(_steps(found)))


def _steps(found: Comparison) -> Iterator[str]:
    first = found.items[0] if found.items else None
    folder = found.facts.folder
    if first is not None and first.verdict == "not_comparable":
        if work_text.settings(found):
            yield "see how the workloads differ: dlprof diff A B --view settings"
        yield "make both sides do the same work, or name what may differ: dlprof compare … --allow KIND"
        return
    if work_text.recorded(found):
        yield "get a verdict, which takes trials: dlprof compare (a workload, or two scripts)"
    elif first is not None and first.verdict == "inconclusive" and folder and not found.facts.imported:
        more = f", about {counted(first.more_trials, 'more trial')}" if first.more_trials else ""
        yield f"go on until it is decided{more}: dlprof compare --resume {shlex.quote(folder)} --budget 10m"
    if any(trust_text.disturbed(one.machine) for one in found.facts.trials if one.machine):
        yield "repeat it when no other program runs: the machine was disturbed"
    if found.facts.trials and found.facts.calibration is None and found.facts.kind is not None:
        yield "learn how far this machine can be trusted: dlprof calibrate WORKLOAD --side SIDE"
    for side in (found.a, found.b):
        if side.capture and found.rows:
            yield f"look inside a side: dlprof show {shlex.quote(side.capture)} --by layer"
    if folder:
        yield f"see it as a page: dlprof report {shlex.quote(folder)} -o report.html"
    elif found.a.capture and found.b.capture:
        both = shlex.join([found.a.capture, found.b.capture])
        yield f"see it as a page: dlprof report {both} -o report.html"
