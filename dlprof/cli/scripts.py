"""`dlprof compare --a COMMAND --b COMMAND`: its options, and the run of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.api.script.options import ScriptCompare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that comparisons of scripts have beside those of all comparisons."""
    group = parser.add_argument_group("two scripts of your own (no WORKLOAD, --a and --b are commands)")
    group.add_argument("--a-python", type=Path, metavar="PATH", help="the Python of side A, such as venv/bin/python")
    group.add_argument("--b-python", type=Path, metavar="PATH", help="the Python of side B")
    group.add_argument("--step", metavar="MODULE:FUNCTION", help="the function that is one step (default: found)")
    group.add_argument(
        "--link",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="what the scripts only read, such as data: linked into each trial's scratch copy of the working folder; repeatable",
    )
    group.add_argument(
        "--in-place",
        action="store_true",
        help="run trials in the working folder itself instead of in scratch copies of it",
    )


def are_asked(arguments: argparse.Namespace) -> bool:
    """Whether --a and --b are commands: no workload is named, and one of them has arguments or is a path."""
    sides = (arguments.a, arguments.b)
    if arguments.workload is not None or arguments.resume is not None or not all(sides):
        return False
    return any(" " in text.strip() or text.startswith((".", "/")) for text in sides)


def compare(arguments: argparse.Namespace) -> int:
    """Compare the two scripts; the exit code."""
    from dlprof.api import leftovers
    from dlprof.api.script.compare import compare_scripts
    from dlprof.cli.output import deliver, show
    from dlprof.cli.terminal import Progress
    from dlprof.cli.verbs.show import colour
    from dlprof.report import csv, json
    from dlprof.report.text import comparison_text

    asked = _options(arguments)
    with Progress() as progress:
        leftovers.clear(leftovers.folder_of(asked.output), progress.say)
        found, code = compare_scripts(asked, progress)
    if arguments.format == "text":
        show(comparison_text.comparison(found, colour=colour()), colour=colour())
    else:
        deliver(json.comparison(found) if arguments.format == "json" else csv.comparison(found), None)
    return code


def _options(arguments: argparse.Namespace) -> ScriptCompare:
    """The typed options. Raises `UsageError`."""
    from dlprof.api.options import DEFAULT_BUDGET_S
    from dlprof.api.script.options import ScriptCompare
    from dlprof.capture.script.command import Command
    from dlprof.units import parse_duration, parse_percent

    _check(arguments)
    return ScriptCompare(
        a=Command.parse(arguments.a, arguments.a_python),
        b=Command.parse(arguments.b, arguments.b_python),
        budget_s=parse_duration(arguments.budget) if arguments.budget else DEFAULT_BUDGET_S,
        trials=arguments.trials,
        precision=parse_percent(arguments.precision) if arguments.precision else None,
        margin=parse_percent(arguments.margin),
        traces=arguments.traces,
        gate=parse_percent(arguments.gate) if arguments.gate else None,
        output=arguments.output,
        allow=tuple(arguments.allow),
        step=arguments.step,
        links=tuple(arguments.link),
        in_place=arguments.in_place,
        seed=arguments.seed,
        timeout_s=parse_duration(arguments.timeout),
    )


def _check(arguments: argparse.Namespace) -> None:
    """Raises `UsageError` for options that cannot be."""
    from dlprof.analysis.same_work.scripts import kinds
    from dlprof.errors import UsageError
    from dlprof.toml_shape import choices_hint

    if arguments.side or arguments.frameworks:
        raise UsageError("--side and --frameworks name frameworks, and --a and --b scripts", hint="use one of them")
    if arguments.trials is not None and arguments.trials < 1:
        raise UsageError(f"--trials must be at least 1, not {arguments.trials}")
    if arguments.traces is not None and arguments.traces < 0:
        raise UsageError(f"--traces must not be negative: {arguments.traces}")
    if arguments.trials is not None and (arguments.budget or arguments.precision):
        raise UsageError("--trials fixes the number; --budget and --precision let it adapt", hint="use one of them")
    for kind in arguments.allow:
        if kind not in kinds():
            raise UsageError(f"--allow {kind}: no such kind of difference", hint=choices_hint(kind, kinds()))
