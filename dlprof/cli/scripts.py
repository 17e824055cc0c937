"""`dlprof compare --a COMMAND --b COMMAND`: its options, and the run of it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.analysis.model import Comparison
    from dlprof.api.script.options import ScriptCompare
    from dlprof.capture.script.command import Command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that comparisons of scripts have beside those of all comparisons."""
    group = parser.add_argument_group("two scripts of your own (no WORKLOAD, --a and --b are commands)")
    group.add_argument("--a-python", type=Path, metavar="PATH", help="the Python of side A, such as venv/bin/python")
    group.add_argument("--b-python", type=Path, metavar="PATH", help="the Python of side B")
    for side in ("a", "b"):
        group.add_argument(
            f"--{side}-rev",
            metavar="REVISION",
            help=f"run side {side.upper()} on this revision of the git repository around",
        )
        group.add_argument(
            f"--{side}-with",
            action="append",
            default=[],
            metavar="REQUIREMENT",
            help=f"such as 'jax==0.9.0': tried on side {side.upper()} beside its environment, which stays as it is; repeatable",
        )
    add_ways(group)


def add_ways(group: argparse._ActionsContainer) -> None:
    """How scripts are run, of every verb that compares them."""
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
        "--finish",
        choices=["end", "run"],
        default="end",
        help="what becomes of a script when its trial is over: ended at a step by SystemExit (end), or let run to its own end",
    )
    group.add_argument(
        "--interleaved",
        action="store_true",
        help="run the sides of a trial one after the other instead of in lockstep; without it that is done only where they "
        "cannot be alive together (no memory for both, the same port, a side that cannot be made idle)",
    )
    group.add_argument(
        "--spin",
        choices=["off", "keep"],
        default="off",
        help="threads of OpenMP that wait for work: made to sleep at once, on both sides alike (off), or left as they are (keep)",
    )
    group.add_argument(
        "--in-place",
        action="store_true",
        help="run trials in the working folder itself instead of in scratch copies of it",
    )


def are_asked(arguments: argparse.Namespace) -> bool:
    """Whether --a and --b are commands: no workload is named, and one of them has arguments or is a path."""
    sides = (arguments.a, arguments.b)
    if arguments.workload is not None or not all(sides):
        return False
    return any(" " in text.strip() or text.startswith((".", "/")) for text in sides)


def compare(arguments: argparse.Namespace, usual: Callable[[list[str]], argparse.Namespace]) -> tuple[Comparison, int]:
    """Compare the two scripts; what was found and the exit code. usual: words → what `dlprof compare` makes of them alone."""
    from dlprof.api import leftovers
    from dlprof.api.script import resume
    from dlprof.api.script.compare import compare_scripts
    from dlprof.cli.terminal import Progress

    asked = options(arguments)
    if arguments.resume is not None:
        asked = resume.options(arguments.resume, asked, _defaults(arguments, usual))
    with Progress() as progress:
        folder = leftovers.folder_of(asked.output)
        leftovers.clear(folder, progress.say, but=asked.resume)
        found = compare_scripts(asked, progress)
        if asked.resume is not None:
            leftovers.clear(folder, progress.say)
        return found


def _defaults(arguments: argparse.Namespace, usual: Callable[[list[str]], argparse.Namespace]) -> ScriptCompare:
    """The options of a command line that gives the same commands and no more."""
    a, b = _commands(arguments)
    return dataclasses.replace(options(usual(["--a", "python", "--b", "python"])), a=a, b=b)


def _commands(arguments: argparse.Namespace) -> tuple[Command, Command]:
    """Both sides. Raises `UsageError`."""
    from dlprof.capture.script.command import Command

    return (
        Command.parse(arguments.a, arguments.a_python, arguments.a_rev, arguments.a_with),
        Command.parse(arguments.b, arguments.b_python, arguments.b_rev, arguments.b_with),
    )


def options(arguments: argparse.Namespace) -> ScriptCompare:
    """The typed options. Raises `UsageError`."""
    from dlprof.analysis.same_work.scripts import kinds
    from dlprof.api.script.options import ScriptCompare
    from dlprof.cli import design
    from dlprof.errors import UsageError
    from dlprof.units import parse_duration

    if arguments.side or arguments.frameworks:
        raise UsageError("--side and --frameworks name frameworks, and --a and --b scripts", hint="use one of them")
    design.check(arguments, kinds())
    a, b = _commands(arguments)
    return ScriptCompare(
        a=a,
        b=b,
        step=arguments.step,
        links=tuple(link.absolute() for link in arguments.link),
        in_place=arguments.in_place,
        run_out=arguments.finish == "run",
        interleaved=arguments.interleaved,
        spin=arguments.spin,
        seed=arguments.seed,
        calibration=getattr(arguments, "calibration", None),
        timeout_s=parse_duration(arguments.timeout),
        **design.given(arguments),
    )
