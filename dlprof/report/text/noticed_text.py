"""What reading a trace noticed, and what the trace says of its own completeness, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dlprof.analysis.of_one_trace import Completeness
from dlprof.ingest.anomalies import ANOMALIES
from dlprof.names import SIDES
from dlprof.report.text.layout import heading, paragraph


def complete_words(found: Completeness) -> str:
    """`INCOMPLETE: 12 steps lack operators`: the state where it cannot be overlooked, then the statement."""
    state = {True: "Complete", False: "INCOMPLETE", None: "Completeness unknown"}[found.complete]
    return f"{state}: {re.sub('^(complete|incomplete|unknown): ', '', found.statement)}"


def anomalies(counts: Mapping[str, int], colour: bool) -> list[str]:
    """What reading the traces repaired, skipped or noticed: name, count, severity and meaning."""
    lines = []
    for name, count in sorted(counts.items()):
        lines += paragraph(f"{anomaly_name(name)} × {count} ({anomaly_meaning(name)})", first="  ", rest="    ")
    return [*heading("What reading the traces noticed", colour=colour), *lines] if lines else []


def anomaly_name(name: str) -> str:
    """`A: unknown_operator` for a comparison's `a.unknown_operator`."""
    side, dot, rest = name.partition(".")
    return f"{side.upper()}: {rest}" if dot and side in SIDES else name


def anomaly_meaning(name: str) -> str:
    """Severity and meaning as declared; a side's prefix (`a.`) is none of its name."""
    declared = ANOMALIES.get(name.removeprefix("a.").removeprefix("b."))
    return f"{declared.severity}: {declared.meaning}" if declared else "no description"
