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
  dlprof gate lenet --base tf@2.20 --head tf@2.21

After -- stands a script of your own, as it runs now: the head. The base is the same command on another revision of the repository
(--base), in another Python (--base-python), with other packages (--base-with), or several of these. With a WORKLOAD both are
sides, such as tf@2.21:graph. A number that was stored in another session is no base: machines differ by 20 to 30 % from hour to
hour.
Exit codes: 0 passed, 3 failed, 4 undecided, 5 not the same work."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--trials", type=int, metavar="N", help="exactly N trials instead of stopping when decided")
    parser.add_argument(
        "--traces",
        type=int,
        metavar="K",
        help="trace the first K trials only (default: all); 0: timings alone, and no reason is given",
    )
    for name, metavar, said in (
        ("--budget", "TIME", "time for the trials (default 5m); they stop earlier once decided"),
        ("--step", "MODULE:FUNCTION", "the function that is one step (default: found)"),
    ):
        parser.add_argument(name, metavar=metavar, help=said)
    for name, metavar, said in (
        ("--set", "KEY=VALUE", "with a WORKLOAD: change one setting"),
        ("--allow", "KIND", "a difference in the work that shall not forbid a verdict"),
        ("--link", "PATH", "what the script only reads, such as data"),
    ):
        parser.add_argument(name, action="append", default=[], metavar=metavar, help=f"{said}; repeatable")
    parser.add_argument("--format", choices=["text", "json", "csv", "markdown"], default="text")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write the answer as JUnit XML")
    parser.add_argument("-o", "--output", metavar="DIR", help="comparison directory to make")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.cli import forge
    from dlprof.cli.output import check_target
    from dlprof.cli.verbs import compare

    words = ["--gate", arguments.max_slowdown, *_sides(arguments), *_others(arguments)]
    if arguments.junit is not None:
        check_target(arguments.junit)
    found, code = compare.found(compare.usual(words), of_scripts=arguments.workload is None)
    compare.show_found(found, arguments.format)
    forge.tell(found, arguments.junit)
    return code


def _sides(arguments: argparse.Namespace) -> Iterator[str]:
    """The base as A and the head as B. Raises `UsageError`."""
    from dlprof.errors import UsageError

    base, head, command = arguments.base, arguments.head, arguments.command
    if arguments.workload is not None:
        if command:
            raise UsageError(
                "a workload and a script are two things", hint="leave the workload out, or what follows --"
            )
        if arguments.base_python or arguments.base_with or not (base and head):
            raise UsageError(
                "a workload needs --base SIDE and --head SIDE", hint="such as --base tf@2.20 --head tf@2.21"
            )
        yield from (arguments.workload, "--a", base, "--b", head)
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
    yield from ("--a", script, "--b", script)
    if base:
        yield f"--a-rev={base}"
    if arguments.base_python:
        yield f"--a-python={arguments.base_python}"
    yield from (f"--a-with={one}" for one in arguments.base_with)


def _others(arguments: argparse.Namespace) -> Iterator[str]:
    """What is handed on as it is."""
    for name in ("budget", "trials", "traces", "step", "output"):
        if (value := getattr(arguments, name)) is not None:
            yield f"--{name}={value}"
    for name in ("set", "allow", "link"):
        yield from (f"--{name}={value}" for value in getattr(arguments, name))
