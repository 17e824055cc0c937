"""`dlprof verify`: a result computed anew from what it stores; exit 1 where it says something else."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  dlprof verify my-comparison
  dlprof verify my-study                        every cell of a `dlprof run`
  dlprof verify analysis/audit                  its data, and the digests of its tables and charts
  dlprof verify analysis/audit --render         tables and charts drawn anew too, by RUNNING the folder's own render.py"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="comparison, capture, study or rendered analysis folder"
    )
    parser.add_argument(
        "--render",
        action="store_true",
        help="RUN an analysis folder's own script and compare what it draws; without it nothing of DIR runs",
    )
    parser.add_argument("--all", action="store_true", help="text: name what agrees too, not only count it")
    parser.add_argument("--format", choices=["text", "json"], default="text")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.verify import outcome, verify
    from dlprof.cli.output import deliver, show, though_unread
    from dlprof.cli.terminal import say
    from dlprof.errors import StoreError
    from dlprof.report.text import verified

    if not arguments.directory.is_dir():
        raise StoreError(
            f"{arguments.directory}: no such directory", hint="name one that `dlprof compare` or `run` wrote"
        )
    checks = list(verify(arguments.directory, render=arguments.render, on_run=say))
    rows = [(check.outcome, check.where, check.detail) for check in checks]
    with though_unread():
        if arguments.format == "json":
            deliver(verified.json(str(arguments.directory), rows), None)
        else:
            show(verified.text(str(arguments.directory), rows, every=arguments.all))
    return 1 if outcome(checks) == "differs" else 0
