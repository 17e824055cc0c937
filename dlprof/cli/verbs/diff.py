"""`dlprof diff`: two recorded traces side by side, of either framework, with no framework installed."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  dlprof diff profile.json host.xplane.pb
  dlprof diff my-capture other-capture --format json -o diff.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="A", help="capture directory or raw trace")
    parser.add_argument("b", type=Path, metavar="B", help="capture directory or raw trace")
    parser.add_argument("--format", choices=["text", "json", "csv", "markdown"], default="text")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")
    parser.add_argument("--repair", action="store_true", help="keep what stands before damage, and count what is lost")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.load import opened_pair
    from dlprof.cli.output import check_target, deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.report import csv, json, markdown
    from dlprof.report.text import comparison_text

    output, inputs, force = arguments.output, (arguments.a, arguments.b), arguments.force
    if output is not None:
        check_target(output, inputs)
    with opened_pair(arguments.a, arguments.b, repair=arguments.repair) as result:
        found = result.found
    if arguments.format == "json":
        deliver(json.comparison(found), output, inputs=inputs, force=force)
    elif arguments.format == "markdown":
        deliver(markdown.comparison(found), output, inputs=inputs, force=force)
    elif arguments.format == "csv":
        deliver(csv.comparison(found), output, inputs=inputs, force=force)
    else:
        painted = colour() and output is None
        text = comparison_text.comparison(found, colour=painted)
        show(text, output, colour=painted, inputs=inputs, force=force)
    return 0
