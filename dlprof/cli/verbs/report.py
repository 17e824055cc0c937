"""`dlprof report`: a comparison, two captures or one, as a single HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from dlprof.cli.terminal import line

EXAMPLES = """examples:
  dlprof report my-comparison -o report.html
  dlprof report capture-a capture-b -o diff.html
  dlprof report my-capture -o capture.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_pair_argument

    add_pair_argument(parser)
    parser.add_argument("a", type=Path, metavar="A", help="comparison or capture directory, or a raw trace")
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="capture directory or raw trace to put beside A")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the page to write")
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.load import opened_any
    from dlprof.api.render import page
    from dlprof.cli.output import check_target, deliver

    inputs = (arguments.a, arguments.b)
    check_target(arguments.output, inputs)
    with opened_any(arguments.a, arguments.b, arguments.pair) as result:
        deliver(page(result), arguments.output, inputs=inputs, force=arguments.force)
    line(arguments.output)
    return 0
