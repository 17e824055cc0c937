"""`dlprof gate`: is what you have now too slow? The base and the head run side by side, on this machine, in the same minutes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

EXAMPLES = """examples:
  dlprof gate --base main --max-slowdown 5% -- python train.py
  dlprof gate --base main --base-python base-venv/bin/python -- python train.py
  dlprof gate --base-with 'jax==0.9.0' --junit gate.xml -- python train.py
  dlprof gate --base main --max-memory 3% --max-first-step 20% -- python train.py
  dlprof gate lenet --base tf@2.20 --head tf@2.21

After -- stands a script of your own, as it runs now: the head. The base is the same command on another revision of the repository
(--base), in another Python (--base-python), with other packages (--base-with), or several of these. With a WORKLOAD both are
sides, such as tf@2.21:graph. A number that was stored in another session is no base: machines differ by 20 to 30 % from hour to
hour.
Exit codes: 0 passed, 3 failed, 4 undecided, 5 not the same work."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli import design, options, scripts
    from dlprof.cli.verbs import compare

    parser.add_argument("workload", metavar="WORKLOAD", nargs="?", help="name from `dlprof workloads`, or a TOML file")
    parser.add_argument(
        "--max-slowdown", default="5%", metavar="PCT", help="how much slower the head may be (default 5%%)"
    )
    parser.add_argument("--base", metavar="REVISION|SIDE", help="what it is held against: a git revision, or a side")
    parser.add_argument("--base-python", metavar="PATH", help="the base's Python, such as base-venv/bin/python")
    parser.add_argument(
        "--base-with", action="append", default=[], metavar="REQUIREMENT", help="such as 'jax==0.9.0'; repeatable"
    )
    parser.add_argument("--head", metavar="SIDE", help="with a WORKLOAD: the side that is judged")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="of a script: an earlier comparison of it on this machine, whose spread says before the first trial what this gate "
        "can show; a gate that is too tight for it is refused at once",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write the answer as JUnit XML")
    for add in (
        design.add_limits,
        design.add_budget,
        design.add_trials,
        design.add_traces,
        design.add_allow,
        options.add_set,
    ):
        add(parser)
    scripts.add_ways(parser.add_argument_group("how a script of your own is run"))
    compare.add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from dlprof.cli import forge
    from dlprof.cli.output import though_unread
    from dlprof.cli.verbs import compare

    asked = comparison(arguments)
    if arguments.junit is not None:
        forge.check_junit(arguments.junit)
    found, code = compare.found(asked, of_scripts=arguments.workload is None)
    forge.tell(found, arguments.junit)
    with though_unread():
        compare.show_found(found, arguments.format)
    return code


def comparison(arguments: argparse.Namespace) -> argparse.Namespace:
    """What `dlprof compare` would be asked for: the base as A, the head as B, and all options that both verbs have. Raises
    `UsageError`."""
    from dlprof.cli.verbs import compare

    made = compare.usual([f"--gate={arguments.max_slowdown}", *_sides(arguments)])
    sides = ("workload", "command", "run")
    shared = {name: value for name, value in vars(arguments).items() if hasattr(made, name) and name not in sides}
    vars(made).update(shared)
    made.calibration = arguments.calibration
    return made


def _sides(arguments: argparse.Namespace) -> Iterator[str]:
    """The base as A and the head as B. Raises `UsageError`."""
    from dlprof.cli.suggest import is_program
    from dlprof.errors import UsageError

    base, head, command = arguments.base, arguments.head, arguments.command
    if arguments.workload is not None:
        if command:
            raise UsageError(
                "a workload and a script are two things", hint="leave the workload out, or what follows --"
            )
        if arguments.calibration is not None:
            raise UsageError(
                "--calibration is for scripts",
                hint="of a workload `dlprof calibrate` keeps one, which is found by itself",
            )
        if arguments.base_python or arguments.base_with or not (base and head):
            if is_program(arguments.workload):
                raise UsageError(
                    f"{arguments.workload} is no workload", hint="a script stands behind --, such as -- python train.py"
                )
            raise UsageError(
                "a workload needs --base SIDE and --head SIDE", hint="such as --base tf@2.20 --head tf@2.21"
            )
        yield from (arguments.workload, f"--a={base}", f"--b={head}")
        return
    if not command:
        raise UsageError(
            "no script was named", hint="write it after --, such as -- python train.py; or name a workload"
        )
    if head:
        raise UsageError(
            "--head names a side of a workload", hint="the head of a script is what stands after --, as it is"
        )
    if not (base or arguments.base_python or arguments.base_with):
        raise UsageError(
            "nothing was named to hold it against",
            hint="--base REVISION, --base-python PATH or --base-with REQUIREMENT",
        )
    script = shlex.join(command)
    yield from (f"--a={script}", f"--b={script}")
    if base:
        yield f"--a-rev={base}"
    if arguments.base_python:
        yield f"--a-python={arguments.base_python}"
    yield from (f"--a-with={one}" for one in arguments.base_with)
