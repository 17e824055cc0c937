"""Several recorded runs a side as text of 80 columns: the verdict, each run, and what it rests on."""

from __future__ import annotations

from dlprof.analysis.timing.recorded import RecordedRun, RecordedRuns
from dlprof.report.text.layout import Column, heading, paragraph, table
from dlprof.units import NS_PER_MS


def text(found: RecordedRuns, *, colour: bool) -> str:
    """The whole report."""
    lines = [
        *paragraph(f"{found.sentence}."),
        *heading("Runs, in the order recorded where that is known", colour=colour),
    ]
    columns = [Column("Side", 4, right=False), Column("Run", 50, right=False), Column("Steps", 7), Column("ms", 12)]
    lines += table(columns, [_row(side, run) for side, runs in (("A", found.a), ("B", found.b)) for run in runs])
    what = "the median step of each run" if found.basis == "step" else "each recording as a whole"
    lines += paragraph(f"ms: {what}.")
    result = found.result
    ratio = f"{result.estimate:.4g}"
    if result.low is not None and result.high is not None:
        ratio += f" [{result.low:.4g}, {result.high:.4g}]"
    chance = "" if result.p is None else f"; permutation test p = {result.p:.2g}"
    lines += paragraph(f"Time of B ÷ time of A = {ratio}{chance}. {result.method[0].upper()}{result.method[1:]}.")
    lines += heading("What this rests on", colour=colour)
    for one in (*(f"{text[0].upper()}{text[1:]}." for text in result.warnings), *found.rests_on):
        lines += paragraph(one, first="  ")
    return "\n".join(lines) + "\n"


def _row(side: str, run: RecordedRun) -> list[str]:
    return [side, run.name, str(run.steps) if run.steps else "–", f"{run.time_ns / NS_PER_MS:.3f}"]
