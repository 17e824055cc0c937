"""`dlprof plot`: one figure as a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from dlprof.cli.terminal import line

KINDS = ("waterfall", "breakdown", "timeline", "steps", "trials", "epochs", "sweep", "memory", "calibration")

EXAMPLES = """examples:
  dlprof plot my-comparison --kind waterfall -o waterfall.svg
  dlprof plot my-capture --kind timeline -o step.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "a", type=Path, metavar="A", help="comparison, capture or raw trace; for calibration: calibration.json"
    )
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="capture directory or raw trace to put beside A")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="file.svg, .png or .pdf")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.load import opened_result
    from dlprof.api.render import plot, plot_calibration
    from dlprof.cli.output import deliver

    if arguments.kind == "calibration":
        deliver([plot_calibration(arguments.a, arguments.output.suffix.lstrip("."))], arguments.output)
        line(arguments.output)
        return 0
    with opened_result(arguments.a, arguments.b) as result:
        deliver([plot(result, arguments.kind, arguments.output.suffix.lstrip("."))], arguments.output)
    line(arguments.output)
    return 0
