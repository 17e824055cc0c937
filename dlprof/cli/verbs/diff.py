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
  dlprof diff my-capture other-capture --view settings      how their workloads differ
  dlprof diff old-ranks new-ranks                           two jobs (dlprof import FOLDER)
  dlprof diff --a old/*.json --b new/*.json                 runs recorded before, each a trial: a verdict from six a side"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.design import add_margin
    from dlprof.cli.options import add_brief_argument

    parser.add_argument(
        "a", type=Path, nargs="?", metavar="A", help="capture directory, raw trace or data set of ranks"
    )
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="capture directory or raw trace")
    for side in ("a", "b"):
        parser.add_argument(
            f"--{side}",
            dest=f"{side}_runs",
            type=Path,
            nargs="+",
            metavar="RUN",
            help=f"recorded runs of {side.upper()}, each a trial",
        )
    add_margin(parser)
    parser.add_argument("--format", choices=["text", "json", "csv", "markdown"], default="text")
    parser.add_argument("--view", choices=["report", "settings"], default="report", help="settings: all that differ")
    add_brief_argument(parser)
    parser.add_argument(
        "--run", dest="chosen", metavar="NAME", help="of data sets of ranks: which run, where they hold several"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")
    parser.add_argument("--repair", action="store_true", help="keep what stands before damage, and count what is lost")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.findings.evidence import COMPARED
    from dlprof.api.load import opened_pair
    from dlprof.cli.output import check_target, deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.errors import UsageError
    from dlprof.report import formats
    from dlprof.report.text.layout import WIDTH, at_width, width
    from dlprof.store.rank_set import is_rank_set

    if arguments.a_runs or arguments.b_runs:
        _runs(arguments)
        return 0
    if arguments.a is None or arguments.b is None:
        raise UsageError(
            "two recordings are needed", hint="dlprof diff A B, or several runs a side: --a old/*.json --b new/*.json"
        )
    output, inputs, force = arguments.output, (arguments.a, arguments.b), arguments.force
    if output is not None:
        check_target(output, inputs)
    if is_rank_set(arguments.a) and is_rank_set(arguments.b):
        _jobs(arguments)
        return 0
    with opened_pair(arguments.a, arguments.b, repair=arguments.repair, columns=COMPARED) as result:
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


def _runs(arguments: argparse.Namespace) -> None:
    """Several recorded runs a side."""
    from dlprof.api.recorded_runs import diff
    from dlprof.cli.output import check_target, deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.errors import UsageError
    from dlprof.report import csv, json
    from dlprof.report.text import recorded_text
    from dlprof.units import parse_percent

    a, b, output, force = arguments.a_runs or [], arguments.b_runs or [], arguments.output, arguments.force
    if arguments.a is not None or not a or not b:
        raise UsageError(
            "runs are named for both sides, and nothing else", hint="dlprof diff --a old/*.json --b new/*.json"
        )
    if arguments.format == "markdown" or arguments.brief or arguments.view != "report":
        raise UsageError("recorded runs are shown as text, json or csv", hint="leave --brief, --view and markdown out")
    if output is not None:
        check_target(output, (*a, *b))
    found = diff(a, b, margin=parse_percent(arguments.margin), repair=arguments.repair)
    if arguments.format == "text":
        painted = colour() and output is None
        show(recorded_text.text(found, colour=painted), output, colour=painted, inputs=(*a, *b), force=force)
    else:
        form = json.recorded_runs if arguments.format == "json" else csv.recorded_runs
        deliver(form(found), output, inputs=(*a, *b), force=force)


def _jobs(arguments: argparse.Namespace) -> None:
    """Two data sets of ranks."""
    from dlprof.api.ranks.diff import diff
    from dlprof.cli.output import deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.errors import UsageError
    from dlprof.report import csv, json
    from dlprof.report.text import two_jobs_text

    if arguments.format == "markdown" or arguments.brief or arguments.view != "report":
        raise UsageError("two jobs are shown as text, json or csv", hint="leave --brief, --view and markdown out")
    output, inputs, force = arguments.output, (arguments.a, arguments.b), arguments.force
    found = diff(arguments.a, arguments.b, arguments.chosen)
    if arguments.format == "text":
        painted = colour() and output is None
        show(two_jobs_text.text(found, colour=painted), output, colour=painted, inputs=inputs, force=force)
    else:
        form = json.two_jobs if arguments.format == "json" else csv.two_jobs
        deliver(form(found), output, inputs=inputs, force=force)


def _text(found: Comparison, arguments: argparse.Namespace, painted: bool) -> str:
    """The report, or the one part of it that --view names."""
    from dlprof.report.text import comparison_text, work_text

    if arguments.view == "settings":
        return work_text.settings_table(found, colour=painted)
    return comparison_text.comparison(found, colour=painted, verbose=arguments.verbose)
