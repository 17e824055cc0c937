"""Others' published timings as a comparison directory: dlprof's statistics on them, with warnings of their design."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Final

from dlprof.analysis.compare import Measured
from dlprof.analysis.facts import Facts, ImportedTable
from dlprof.analysis.model import Comparison, Side
from dlprof.api.findings import of_two
from dlprof.api.import_traces import now
from dlprof.capture.machine.command_words import command_line
from dlprof.ingest import timings_csv
from dlprof.ingest.timings_csv import Layout, Read
from dlprof.manifest import ImportedOptions, Manifest
from dlprof.names import SIDES
from dlprof.report import json
from dlprof.stats import MIN_TRIALS
from dlprof.store import CaptureWriter
from dlprof.version import __version__

FOREIGN: Final = (
    "not measured by dlprof: clock, synchronisation, order and whether both sides did the same work are as the table's "
    "authors had them"
)
ONE_PROCESS: Final = (
    "the table names no trials (processes): repetitions within one process do not show how much two processes of the same "
    "program differ (20–30 %), so there is an estimate, no interval for that noise, and no verdict"
)


def import_timings(path: Path, target: Path, layout: Layout, margin: float = 0.05) -> Comparison:
    """Read the table and keep it as a comparison directory; the file itself goes below its raw/. Raises `TraceError`,
    `UsageError`, `StoreError`."""
    read = timings_csv.read(path, layout)
    sides: dict[str, Side] = {name: _side(label) for name, label in zip(SIDES, layout.sides, strict=True)}
    warnings = list(_warnings(path, read, layout))
    with CaptureWriter(target) as writer:
        shutil.copy2(path, writer.partial / "raw" / path.name)
        writer.timings(read.timings)
        found = of_two.build(
            of_two.Parts(
                measured=Measured(
                    workload=path.stem,
                    timings=read.timings,
                    margin=margin,
                    warnings=warnings,
                    facts=Facts(
                        kind="op",
                        method="imported",
                        imported=ImportedTable(file=path.name, **asdict(layout)),
                        items_listed=read.items,
                        folder=str(writer.path),
                    ),
                ),
                asked=sides,
                captures={},
                paths={},
                family=len(read.items) > 1,
                listed=read.items,
            )
        )
        writer.comparison(json.comparison(found))
        writer.commit(_manifest(layout, path, read, sides, warnings, margin))
    return found


def _side(label: str) -> Side:
    return Side(framework=label, version="unknown", device="unknown", mode="unknown", python="unknown", label=label)


def _warnings(path: Path, read: Read, layout: Layout) -> list[str]:
    found = [f"{path.name}: {FOREIGN}"]
    if layout.trial_column is None:
        found.append(ONE_PROCESS)
    else:
        found.append(
            f"the trials are those of the column {layout.trial_column}: whether each was a process of its own, and whether "
            "the sides alternated, the table does not say"
        )
        if read.trials < MIN_TRIALS:
            found.append(f"{read.trials} trials at most: a verdict needs {MIN_TRIALS}")
    if read.unused:
        found.append(f"columns that were not used: {', '.join(read.unused)}")
    return found


def _manifest(
    layout: Layout, path: Path, read: Read, sides: dict[str, Side], warnings: list[str], margin: float
) -> Manifest[ImportedOptions]:
    return Manifest(
        kind="compare",
        dlprof_version=__version__,
        created=now(),
        command=command_line(),
        options=ImportedOptions(
            method="imported",
            sources=[path.name],
            layout=asdict(layout),
            margin=margin,
            trials=read.trials,
            adaptive=False,
        ),
        sides={name: asdict(side) for name, side in sides.items()},
        warnings=warnings,
    )
