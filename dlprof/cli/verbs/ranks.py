"""`dlprof ranks`: a data set of ranks, and who of them holds up whom."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  dlprof import ddp-traces -o ddp-ranks       a folder with a trace per rank
  dlprof ranks ddp-ranks                      stragglers, the job's ledger and each rank's
  dlprof ranks ddp-ranks --by collective      waiting and transfer of each kind of collective
  dlprof ranks ddp-ranks --by step --format csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="what `dlprof import FOLDER` wrote")
    parser.add_argument(
        "--by", choices=["rank", "host", "collective", "step"], default="rank", help="rows of the table (default: rank)"
    )
    parser.add_argument("--run", dest="chosen", metavar="NAME", help="which run, where the data set holds several")
    parser.add_argument("--format", choices=["text", "json", "csv"], default="text")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.ranks.read import analyse
    from dlprof.cli.output import check_target, deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.report import csv, json
    from dlprof.report.text import ranks_text

    output, inputs, force = arguments.output, (arguments.dataset,), arguments.force
    if output is not None:
        check_target(output, inputs)
    found = analyse(arguments.dataset, arguments.chosen)
    if arguments.format == "json":
        deliver(json.ranks(found), output, inputs=inputs, force=force)
    elif arguments.format == "csv":
        deliver(csv.ranks(found, arguments.by), output, inputs=inputs, force=force)
    else:
        painted = colour() and output is None
        show(ranks_text.text(found, arguments.by, colour=painted), output, colour=painted, inputs=inputs, force=force)
    return 0
