"""`dlprof compare`: two sides in lockstep, a verdict with its interval, and where the time went."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.analysis.model import Comparison
    from dlprof.analysis.timing.ranking import Ranking
    from dlprof.api.options import CompareOptions

EXAMPLES = """examples:
  dlprof compare lenet
  dlprof compare lenet --frameworks tf,mxnet --budget 10m -o my-comparison
  dlprof compare lenet --a tf:graph --b tf:xla --trials 6 --format json
  dlprof compare lenet --a tf@2.15 --b tf@2.21
  dlprof compare lenet --a tf:graph/cpu --b tf:graph/gpu
  dlprof compare lenet --side tf:graph --side tf:eager --side mxnet:hybrid
  dlprof compare matmul --set sizes=50..550/50
  dlprof compare ops --budget 20m
  dlprof compare --resume my-comparison --budget 10m
  dlprof compare --a 'python train.py' --b 'python train.py --fused'
  dlprof compare --a 'python train.py' --b 'python train.py' --b-python other-venv/bin/python

Without a WORKLOAD, --a and --b are command lines of scripts of your own, which need no change (docs/guides/own-script.md).
SIDE = framework[@version][:mode][/device]; --frameworks x,y means --a x --b y. The ratio is time of B ÷ time of A.
More than two sides (--frameworks x,y,z, or --side again and again; eight at most) are all alive in each trial and ranked: every
pair comes from the same trials. Then --gate asks each other side against the first, and all pairs are decided or the budget ends.
Many items (an op workload) are judged as one family: as many trials as fit into the budget, six to ten."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli import design, scripts
    from dlprof.cli.options import add_brief_argument, add_run_arguments

    add_run_arguments(parser, workload="?")
    _add_sides(parser)
    design.add_arguments(parser)
    _add_ways(parser)
    add_brief_argument(parser)
    scripts.add_arguments(parser)
    add_output(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Of the verbs that show a comparison which they make."""
    parser.add_argument("--format", choices=["text", "json", "csv", "markdown"], default="text")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="comparison directory to make")


def _add_sides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frameworks", metavar="A,B,…", help="the sides; default tf,mxnet")
    parser.add_argument(
        "--side", action="append", default=[], metavar="SIDE", help="a side; to be repeated, for two sides or more"
    )
    parser.add_argument("--a", metavar="SIDE", help="side A, such as tf@2.21:graph")
    parser.add_argument("--b", metavar="SIDE", help="side B, such as mxnet:hybrid")


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """What is measured beside the trials, and how else."""
    parser.add_argument(
        "--epoch-capture",
        action="store_true",
        help="record whole epochs of each side as well, in a run of its own, for viewing and for accuracies",
    )
    parser.add_argument(
        "--method",
        choices=["lockstep", "as-published"],
        default="lockstep",
        help="as-published: the way the original study measured; unsound, only to reproduce its conclusion",
    )
    parser.add_argument(
        "--no-reasons", action="store_true", help="leave out the short runs that ask oneDNN for its implementations"
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="go on with a comparison that was interrupted or ran out of time, with its options; "
        "--budget is the time for more trials",
    )


def run(arguments: argparse.Namespace) -> int:
    from dlprof.cli import forge, scripts
    from dlprof.cli.output import though_unread
    from dlprof.report import formats

    formats.check(arguments.format, arguments.brief)
    made, code = found(arguments, of_scripts=scripts.are_asked(arguments))
    forge.tell(made)
    with though_unread():
        show_found(made, arguments.format, brief=arguments.brief)
    return code


def found(arguments: argparse.Namespace, *, of_scripts: bool) -> tuple[Comparison | Ranking, int]:
    """What is found, and the exit code. of_scripts: --a and --b are commands."""
    from dlprof.cli import scripts

    return scripts.compare(arguments, usual) if of_scripts else _compare(arguments)


def _compare(arguments: argparse.Namespace) -> tuple[Comparison | Ranking, int]:
    """Compare frameworks; what was found and the exit code."""
    from dlprof.api import leftovers
    from dlprof.api.compare import resume
    from dlprof.api.compare.run import compare
    from dlprof.cli.terminal import Progress

    options = compare_options(arguments)
    if arguments.resume is not None:
        options = resume.options(arguments.resume, options, _defaults(arguments))
    with Progress() as progress:
        folder = leftovers.folder_of(options.output)
        if options.resume is None and options.output is not None:
            leftovers.check_free(options.output)
        leftovers.clear(folder, progress.say, but=options.resume)
        found, code = compare(options, progress)
        if options.resume is not None:
            leftovers.clear(folder, progress.say)
    return found, code


def show_found(found: Comparison | Ranking, form: str, *, brief: bool = False) -> None:
    """The findings on standard output, as text, json, csv or markdown."""
    from dlprof.analysis.timing.ranking import Ranking
    from dlprof.cli.output import deliver, show
    from dlprof.cli.terminal import verbose
    from dlprof.cli.verbs.show import colour
    from dlprof.report import formats
    from dlprof.report.text import comparison_text, ranking_text

    if form != "text" and isinstance(found, Ranking):
        deliver(formats.ranking(found, form, brief=brief), None)
    elif form != "text" and not isinstance(found, Ranking):
        deliver(formats.comparison(found, form, brief=brief), None)
    elif isinstance(found, Ranking):
        folder = next((one.facts.folder for one in found.comparisons.values()), None)
        show(ranking_text.ranking(found, folder=folder or "", colour=colour()), colour=colour())
    else:
        show(comparison_text.comparison(found, colour=colour(), verbose=verbose()), colour=colour())


def _defaults(arguments: argparse.Namespace) -> CompareOptions:
    """The options of a command line that gives none but the directory to go on with."""
    return compare_options(usual(["--resume", str(arguments.resume)]))


def usual(words: list[str]) -> argparse.Namespace:
    """What a command line of these words alone asks for."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def compare_options(arguments: argparse.Namespace) -> CompareOptions:
    """The typed options of argv. Raises `UsageError`."""
    from dlprof.analysis.same_work.rules import kinds
    from dlprof.api.options import CompareOptions
    from dlprof.cli import design
    from dlprof.cli.options import run_options
    from dlprof.errors import UsageError

    if arguments.workload is None and arguments.resume is None:
        if arguments.a or arguments.b:
            raise UsageError(
                "no workload was named, and --a and --b are not two commands",
                hint="`dlprof compare lenet --a tf --b mxnet`, or --a 'python train.py' --b 'python train.py --fused'",
            )
        raise UsageError("no workload was named", hint="`dlprof workloads` lists them; --resume DIR needs none")
    a, b, *more = _sides(arguments)
    design.check(arguments, kinds())
    given = design.given(arguments)
    if more and given["limits"]:
        raise UsageError("limits beside the gate are for two sides", hint="name two, or leave --max-… out")
    return CompareOptions(
        run=run_options(arguments),
        a=a,
        b=b,
        more=tuple(more),
        method=arguments.method,
        reasons=not arguments.no_reasons,
        epoch_capture=arguments.epoch_capture,
        **given,
    )


def _sides(arguments: argparse.Namespace) -> list[str]:
    """The sides, in the order in which they are named. Raises `UsageError`."""
    from dlprof.errors import UsageError
    from dlprof.names import DEFAULT_SIDES, LETTERS

    if arguments.frameworks and (arguments.a or arguments.b):
        raise UsageError("--frameworks and --a/--b say the same thing", hint="use one of them")
    if arguments.side and (arguments.frameworks or arguments.a or arguments.b):
        raise UsageError("--side and --frameworks or --a/--b say the same thing", hint="use one of them")
    if not arguments.side and not arguments.frameworks:
        return [arguments.a or DEFAULT_SIDES[0], arguments.b or DEFAULT_SIDES[1]]
    named = arguments.side or arguments.frameworks.split(",")
    option = f"--frameworks {arguments.frameworks}" if arguments.frameworks else f"--side {named[0]}"
    if len(named) < 2 or not all(named):
        raise UsageError(f"{option}: not two sides", hint="write it like tf,mxnet, or --side tf --side mxnet")
    if len(named) > len(LETTERS):
        raise UsageError(f"{len(named)} sides: at most {len(LETTERS)} can be compared at once", hint="name fewer")
    if len(named) > 2 and arguments.method != "lockstep":
        raise UsageError(f"--method {arguments.method} measures two sides", hint="name two")
    return list(named)
