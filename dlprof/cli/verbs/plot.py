"""`dlprof plot`: one figure as a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from dlprof.cli.terminal import line

KINDS = ("waterfall", "breakdown", "timeline", "steps", "trials", "epochs", "sweep", "memory", "ranking", "calibration")

EXAMPLES = """examples:
  dlprof plot my-comparison --kind waterfall -o waterfall.svg
  dlprof plot four-frameworks --kind ranking -o ranking.svg
  dlprof plot my-capture --kind timeline -o step.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_pair_argument

    add_pair_argument(parser)
    parser.add_argument(
        "a", type=Path, metavar="A", help="comparison, capture or raw trace; for calibration: calibration.json"
    )
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="capture directory or raw trace to put beside A")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="file.svg, .png or .pdf")
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.load import opened_any
    from dlprof.api.render import plot, plot_calibration
    from dlprof.cli.output import check_target, deliver

    inputs = (arguments.a, arguments.b)
    check_target(arguments.output, inputs)
    form = arguments.output.suffix.lstrip(".")
    if arguments.kind == "calibration":
        drawn = plot_calibration(arguments.a, form)
    else:
        with opened_any(arguments.a, arguments.b, arguments.pair) as result:
            drawn = plot(result, arguments.kind, form)
    deliver([drawn], arguments.output, inputs=inputs, force=arguments.force)
    line(arguments.output)
    return 0
