"""`dlprof ranks`: a data set of ranks, and who of them holds up whom."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  dlprof import ddp-traces -o ddp-ranks       a folder with a trace per rank
  dlprof ranks ddp-ranks                      stragglers, the job's ledger and each rank's
  dlprof ranks ddp-ranks --by collective      waiting and transfer of each kind of collective
  dlprof ranks ddp-ranks --by step --format csv
  dlprof ranks s3://bucket/ddp-ranks          at a URL (dlprof[urls] and the store's library for fsspec)
  dlprof ranks ddp-ranks --format html -o ranks.html   heat map, the worst steps, all tables"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="what `dlprof import FOLDER` wrote: a folder, or a URL")
    parser.add_argument(
        "--by", choices=["rank", "host", "collective", "step"], default="rank", help="rows of the table (default: rank)"
    )
    parser.add_argument("--run", dest="chosen", metavar="NAME", help="which run, where the data set holds several")
    parser.add_argument("--format", choices=["text", "json", "csv", "html"], default="text")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.store import remote_set

    with remote_set.here(remote_set.place(arguments.dataset)) as dataset:
        return _shown(arguments, dataset)


def _shown(arguments: argparse.Namespace, dataset: Path) -> int:
    from dlprof.api.ranks.read import analyse, opened
    from dlprof.cli.output import check_target, deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.report import csv, json
    from dlprof.report.text import ranks_text

    output, inputs, force = arguments.output, (dataset,), arguments.force
    if output is not None:
        check_target(output, inputs)
    if arguments.format == "html":
        from dlprof.api.ranks.page import page

        deliver(page(opened(dataset, arguments.chosen)), output, inputs=inputs, force=force)
        return 0
    found = analyse(dataset, arguments.chosen)
    if arguments.format == "json":
        deliver(json.ranks(found), output, inputs=inputs, force=force)
    elif arguments.format == "csv":
        deliver(csv.ranks(found, arguments.by), output, inputs=inputs, force=force)
    else:
        painted = colour() and output is None
        show(ranks_text.text(found, arguments.by, colour=painted), output, colour=painted, inputs=inputs, force=force)
    return 0
