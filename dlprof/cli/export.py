"""`dlprof export`: a capture as a Chrome/Perfetto trace, Parquet, CSV or JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  dlprof export my-capture --to chrome -o trace.json       open in ui.perfetto.dev or chrome://tracing
  dlprof export my-capture --to csv -o events.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("capture", type=Path, metavar="A", help="capture directory or raw trace")
    parser.add_argument("--to", choices=["chrome", "parquet", "csv", "json"], required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PATH")
    parser.add_argument("--repair", action="store_true", help="keep what stands before damage, and count what is lost")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.evidence import placed_events, side_of
    from dlprof.api.opening import opened
    from dlprof.cli.output import deliver
    from dlprof.report import chrome, csv, json
    from dlprof.store import write_events

    with opened(arguments.capture, repair=arguments.repair) as capture:
        events, _ = placed_events(capture)
        title = side_of(capture, path=None).label
        if arguments.to == "parquet":
            write_events(events, arguments.output)
        elif arguments.to == "csv":
            deliver(csv.events(events), arguments.output)
        else:
            deliver(
                chrome.export(events, title) if arguments.to == "chrome" else json.events(events, title),
                arguments.output,
            )
    print(arguments.output)  # noqa: T201
    return 0
