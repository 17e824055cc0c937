"""`dlprof bisect`: which commit, or which release of a package or framework, made a script or workload slower."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.api.bisect.subject import Subject

EXAMPLES = """examples:
  dlprof bisect --good main~40 --bad main -- python train.py
  dlprof bisect --with jax --good 0.4.31 --bad 0.4.36 -- python train.py
  dlprof bisect lenet --framework tf --good 2.15.1 --bad 2.21.0
  dlprof bisect --resume my-search --good main~40 --bad main -- python train.py

After -- stands the script, as it is run; or a WORKLOAD of dlprof's is named, with the --framework whose releases are searched
(those whose environments `dlprof env list` shows). Each step runs two versions of it side by side: the good one, and one between
good and bad. Where the next trial tells most is computed from all trials so far, and a revision is tried as often as it takes:
no single measurement decides. At the end what was found is compared with the revision just before it, for the size and the
reasons."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli import design, options, scripts

    parser.add_argument("workload", metavar="WORKLOAD", nargs="?", help="name from `dlprof workloads`, or a TOML file")
    parser.add_argument(
        "--framework",
        metavar="F[:MODE]",
        help="with a WORKLOAD: the framework whose releases are searched, such as tf:graph",
    )
    parser.add_argument(
        "--good", required=True, metavar="REVISION", help="a commit, or with --with a release, that is fast"
    )
    parser.add_argument("--bad", required=True, metavar="REVISION", help="a later one that is slow")
    parser.add_argument(
        "--with", dest="package", default="", metavar="PACKAGE", help="search its releases instead of commits"
    )
    parser.add_argument("--python", metavar="PATH", help="the script's Python, such as venv/bin/python")
    parser.add_argument("--most", type=int, default=200, metavar="N", help="trials at most (default 200)")
    parser.add_argument(
        "--budget",
        metavar="TIME",
        help="time for each of the full comparisons, of the ends and of the neighbours (default 5m)",
    )
    design.add_margin(parser)
    design.add_allow(parser)
    options.add_set(parser)
    scripts.add_ways(parser.add_argument_group("how the script is run"))
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--keep", action="store_true", help="keep the environments of releases, in the search's folder")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with a search that was stopped")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder to make")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.bisect import record
    from dlprof.api.bisect.run import Asked, bisect
    from dlprof.cli.output import deliver, show, though_unread
    from dlprof.cli.terminal import Progress
    from dlprof.cli.verbs.show import colour
    from dlprof.report import json
    from dlprof.report.text import bisect_text

    asked = Asked(_subject(arguments), arguments.good, arguments.bad, arguments.most, arguments.keep)
    with Progress() as progress:
        found, folder = bisect(asked, progress, resume=arguments.resume is not None)
    with though_unread():
        if arguments.format == "json":
            deliver(json.dump(record.value(found)), None)
        else:
            show(bisect_text.text(found, folder=str(folder), colour=colour()), colour=colour())
    return 0 if found.state in ("found", "no difference") else 4


def _subject(arguments: argparse.Namespace) -> Subject:
    """What is searched. Raises `UsageError`."""
    from dlprof.api.bisect.subject import Scripts, Workloads
    from dlprof.cli import scripts
    from dlprof.cli.verbs import compare
    from dlprof.errors import UsageError

    if arguments.most < 1:
        raise UsageError(f"--most must be at least 1, not {arguments.most}")
    if arguments.resume is not None and arguments.output is not None:
        raise UsageError("--resume goes on in its own folder", hint="leave -o out")
    if arguments.workload is not None:
        framework, _, mode = _framework(arguments).partition(":")
        made = _with(compare.usual([arguments.workload, "--a", framework, "--b", framework]), arguments)
        return Workloads(compare.compare_options(made), framework, mode)
    if arguments.framework is not None:
        raise UsageError("--framework needs a WORKLOAD", hint="such as dlprof bisect lenet --framework tf …")
    if not arguments.command:
        raise UsageError(
            "no script was named", hint="write it after --, such as -- python train.py; or name a workload"
        )
    command = shlex.join(arguments.command)
    made = _with(compare.usual([f"--a={command}", f"--b={command}"]), arguments)
    made.a_python = made.b_python = arguments.python and Path(arguments.python)
    return Scripts(scripts.options(made), arguments.package)


def _framework(arguments: argparse.Namespace) -> str:
    """Of a workload, with its mode. Raises `UsageError`."""
    from dlprof.errors import UsageError

    if arguments.command:
        raise UsageError("a workload and a script are two things", hint="leave the workload out, or what follows --")
    if arguments.package or arguments.python:
        raise UsageError("--with and --python belong to a script", hint="a workload takes --framework alone")
    if not arguments.framework or "@" in arguments.framework:
        raise UsageError(
            "a workload needs --framework F[:MODE], without a release", hint="such as --framework tf:graph"
        )
    return str(arguments.framework)


def _with(made: argparse.Namespace, arguments: argparse.Namespace) -> argparse.Namespace:
    """What `dlprof compare` would be asked for, with all options that both verbs have."""
    own = ("command", "run", "workload", "resume")
    vars(made).update(
        {name: value for name, value in vars(arguments).items() if hasattr(made, name) and name not in own}
    )
    made.python, made.output = None, arguments.resume or arguments.output
    return made
