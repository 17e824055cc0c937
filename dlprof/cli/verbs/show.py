"""`dlprof show`: one trace, broken down; of a comparison its report, once more."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from dlprof.analysis.of_one_trace import View

BY = ("op", "kernel", "layer", "phase", "step", "device", "stream", "name", "process", "source")

EXAMPLES = """examples:
  dlprof show my-capture                      by operator and phase
  dlprof show my-comparison                   its report, as when it was made
  dlprof show my-capture --by layer
  dlprof show my-capture --by source          by line of the program (JAX; PyTorch with_stack)
  dlprof show gpu-trace.json --where host     what the host did beside the kernels
  dlprof show my-capture --view launches      launch delays and queues of a GPU trace
  dlprof show host.xplane.pb --by kernel --format csv
  dlprof show my-capture --format markdown    a table for an issue or a comment"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("capture", type=Path, metavar="A", help="capture or comparison directory, or a raw trace")
    parser.add_argument(
        "--by",
        choices=list(BY),
        help="name: as recorded; source: line of the program, where recorded (default: op)",
    )
    parser.add_argument(
        "--where",
        choices=["work", "host"],
        default="work",
        help="work: what was executed, on devices where there are any; host: what the host's threads did (default: work)",
    )
    parser.add_argument(
        "--view",
        metavar="VIEW",
        help="instead of a breakdown: kernels (of each operator), launches, gaps, overlap, occupancy, idle, memory, "
        "outliers, slowest",
    )
    parser.add_argument("--format", choices=["text", "json", "csv", "markdown"], default="text")
    parser.add_argument("--rows", type=int, metavar="N", help="text, markdown: show N rows, count the rest")
    parser.add_argument("--repair", action="store_true", help="keep what stands before damage, and count what is lost")


def run(arguments: argparse.Namespace) -> int:
    from dlprof import schema
    from dlprof.api.findings.evidence import placed_events
    from dlprof.api.load import opened, viewed
    from dlprof.errors import UsageError

    if arguments.rows is not None and arguments.rows < 1:
        raise UsageError(f"--rows must be at least 1, not {arguments.rows}", hint="leave it out for all rows")
    if arguments.by is None and arguments.view is None and _compared(arguments):
        return 0
    by = arguments.by or "op"
    if arguments.view:
        with opened(arguments.capture, repair=arguments.repair, columns=schema.EVENTS.names) as capture:
            return _detail(placed_events(capture)[0], arguments)
    _show(viewed(arguments.capture, by, arguments.where, repair=arguments.repair), arguments)
    return 0


def _show(found: View, arguments: argparse.Namespace) -> None:
    """A breakdown in the format that was asked for, of which alone the writer is loaded."""
    from dlprof.cli.output import deliver, show

    if arguments.format == "text":
        from dlprof.report.text import view_text

        show(view_text.view(found, colour=colour(), rows=arguments.rows), colour=colour())
    elif arguments.format == "markdown":
        from dlprof.report import markdown

        deliver(markdown.view(found, arguments.rows), None)
    elif arguments.format == "json":
        from dlprof.report import json

        deliver(json.view(found), None)
    else:
        from dlprof.report import csv

        deliver(csv.view(found), None)


def _compared(arguments: argparse.Namespace) -> bool:
    """Show the report of a comparison's directory; False where there is none to show, since it is a capture or a trace."""
    from dlprof.api.load import comparison_at

    result = comparison_at(arguments.capture)
    if result is None:
        return False
    from dlprof.api.rankings import RankingResult
    from dlprof.cli.verbs.compare import show_found

    show_found(result.ranking if isinstance(result, RankingResult) else result.found, arguments.format)
    return True


def _detail(events: pa.Table, arguments: argparse.Namespace) -> int:
    from dlprof.analysis.trace import details
    from dlprof.cli.output import deliver, show
    from dlprof.report import markdown
    from dlprof.report.text import views_text

    found = details.detail(events, arguments.view)
    if arguments.format == "text":
        show(views_text.text(found, colour=colour(), rows=arguments.rows), colour=colour())
    elif arguments.format == "markdown":
        deliver(markdown.detail(found, arguments.rows), None)
    else:
        deliver(views_text.json(found) if arguments.format == "json" else views_text.csv(found), None)
    return 0


def colour() -> bool:
    """Whether standard output is a terminal that wants colour (https://no-color.org)."""
    import os

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
