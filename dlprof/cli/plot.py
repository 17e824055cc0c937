"""`dlprof plot`: one figure as a file."""

from __future__ import annotations

import argparse
from pathlib import Path

KINDS = ("waterfall", "breakdown", "timeline", "steps", "trials", "epochs", "sweep", "memory")

EXAMPLES = """examples:
  dlprof plot my-comparison --kind waterfall -o waterfall.svg
  dlprof plot my-capture --kind timeline -o step.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="A", help="comparison or capture directory, or a raw trace")
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="capture directory or raw trace to put beside A")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="file.svg, .png or .pdf")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.opening import opened_result
    from dlprof.api.page import plot
    from dlprof.cli.output import deliver

    with opened_result(arguments.a, arguments.b) as result:
        deliver([plot(result, arguments.kind, arguments.output.suffix.lstrip("."))], arguments.output)
    print(arguments.output)  # noqa: T201
    return 0
