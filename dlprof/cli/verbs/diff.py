"""`dlprof diff`: two recorded traces side by side, of either framework, with no framework installed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.analysis.model import Comparison

EXAMPLES = """examples:
  dlprof diff profile.json host.xplane.pb
  dlprof diff traces/lenet-tf-exact traces/lenet-mxnet-exact
  dlprof diff my-capture other-capture --format json -o diff.json
  dlprof diff my-capture other-capture --view settings      how their workloads differ"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_brief_argument

    parser.add_argument("a", type=Path, metavar="A", help="capture directory or raw trace")
    parser.add_argument("b", type=Path, metavar="B", help="capture directory or raw trace")
    parser.add_argument("--format", choices=["text", "json", "csv", "markdown"], default="text")
    parser.add_argument("--view", choices=["report", "settings"], default="report", help="settings: all that differ")
    add_brief_argument(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")
    parser.add_argument("--repair", action="store_true", help="keep what stands before damage, and count what is lost")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.load import opened_pair
    from dlprof.cli.output import check_target, deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.report import formats
    from dlprof.report.text.layout import WIDTH, at_width, width

    output, inputs, force = arguments.output, (arguments.a, arguments.b), arguments.force
    if output is not None:
        check_target(output, inputs)
    with opened_pair(arguments.a, arguments.b, repair=arguments.repair) as result:
        found = result.found
    if arguments.format != "text":
        text = formats.comparison(found, arguments.format, brief=arguments.brief)
        deliver(text, output, inputs=inputs, force=force)
        return 0
    painted = colour() and output is None
    with at_width(width() if output is None else WIDTH):
        text = _text(found, arguments, painted)
    show(text, output, colour=painted, inputs=inputs, force=force)
    return 0


def _text(found: Comparison, arguments: argparse.Namespace, painted: bool) -> str:
    """The report, or the one part of it that --view names."""
    from dlprof.report.text import comparison_text, work_text

    if arguments.view == "settings":
        return work_text.settings_table(found, colour=painted)
    return comparison_text.comparison(found, colour=painted, verbose=arguments.verbose)
