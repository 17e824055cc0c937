"""`dlprof history`: how a figure went from revision to revision, and where its level changed."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  dlprof history train
  dlprof history train -o train.svg
  dlprof history train --metric time --format csv
  dlprof history train --item peak-memory

What `dlprof baseline save` kept. It looks back and judges nothing: its points are of different hours."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.verbs.baseline import add_folder

    parser.add_argument("name", metavar="NAME", help="as `dlprof baseline list` has it")
    parser.add_argument("--item", help="what was timed (default: the headline of the newest comparison)")
    parser.add_argument(
        "--metric",
        choices=["ratio", "time"],
        default="ratio",
        help="ratio: head ÷ base, of the newest comparison's base (default); time: the head's own, of whatever base",
    )
    add_folder(parser)
    parser.add_argument("--format", choices=["text", "json", "csv"], default="text")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write there; .svg, .png or .pdf: the plot of it"
    )
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api import history
    from dlprof.cli.output import check_target, deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.report import csv, json
    from dlprof.report.html.figure import FORMATS
    from dlprof.report.text import history_text

    output, force = arguments.output, arguments.force
    if output is not None:
        check_target(output)
    found = history.read(
        arguments.history or history.FOLDER, arguments.name, item=arguments.item, metric=arguments.metric
    )
    form = output.suffix.lstrip(".") if output is not None else ""
    if form in FORMATS:
        deliver([history.plot(found, form)], output, force=force)
    elif arguments.format == "json":
        deliver(json.history(found), output, force=force)
    elif arguments.format == "csv":
        deliver(csv.history(found), output, force=force)
    else:
        painted = colour() and output is None
        show(history_text.text(found, colour=painted), output, colour=painted, force=force)
    return 0
