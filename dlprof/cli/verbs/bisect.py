"""`dlprof bisect`: which commit, or which release of a package, made a script slower."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.api.script.options import ScriptCompare

EXAMPLES = """examples:
  dlprof bisect --good main~40 --bad main -- python train.py
  dlprof bisect --with jax --good 0.4.31 --bad 0.4.36 -- python train.py
  dlprof bisect --resume my-search --good main~40 --bad main -- python train.py

After -- stands the script, as it is run. Each step runs two versions of it side by side: the good one, and one between good and
bad. Where the next trial tells most is computed from all trials so far, and a revision is tried as often as it takes: no single
measurement decides. At the end what was found is compared with the revision just before it, for the size and the reasons."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--good", required=True, metavar="REVISION", help="a commit, or with --with a release, that is fast"
    )
    parser.add_argument("--bad", required=True, metavar="REVISION", help="a later one that is slow")
    parser.add_argument(
        "--with", dest="package", default="", metavar="PACKAGE", help="search its releases instead of commits"
    )
    parser.add_argument("--python", metavar="PATH", help="the script's Python, such as venv/bin/python")
    parser.add_argument("--most", type=int, default=200, metavar="N", help="trials at most (default 200)")
    for name, metavar, said in (
        (
            "--budget",
            "TIME",
            "time for each of the two full comparisons, of the ends and of the neighbours (default 5m)",
        ),
        ("--step", "MODULE:FUNCTION", "the function that is one step (default: found)"),
    ):
        parser.add_argument(name, metavar=metavar, help=said)
    for name, metavar, said in (
        ("--allow", "KIND", "a difference in the work that shall not forbid a verdict"),
        ("--link", "PATH", "what the script only reads, such as data"),
    ):
        parser.add_argument(name, action="append", default=[], metavar=metavar, help=f"{said}; repeatable")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with a search that was stopped")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder to make")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.bisect import record
    from dlprof.api.bisect.run import Asked, bisect
    from dlprof.cli.output import deliver, show
    from dlprof.cli.terminal import Progress
    from dlprof.cli.verbs.show import colour
    from dlprof.report import json
    from dlprof.report.text import bisect_text

    asked = Asked(_script(arguments), arguments.good, arguments.bad, arguments.package, arguments.most)
    with Progress() as progress:
        found, folder = bisect(asked, progress, resume=arguments.resume is not None)
    if arguments.format == "json":
        deliver(json.dump(record.value(found)), None)
    else:
        show(bisect_text.text(found, folder=str(folder), colour=colour()), colour=colour())
    return 0 if found.state in ("found", "no difference") else 4


def _script(arguments: argparse.Namespace) -> ScriptCompare:
    """The command as both sides of a comparison. Raises `UsageError`."""
    from dlprof.cli import scripts
    from dlprof.cli.verbs import compare
    from dlprof.errors import UsageError

    if not arguments.command:
        raise UsageError("no script was named", hint="write it after --, such as -- python train.py")
    if arguments.most < 1:
        raise UsageError(f"--most must be at least 1, not {arguments.most}")
    if arguments.resume is not None and arguments.output is not None:
        raise UsageError("--resume goes on in its own folder", hint="leave -o out")
    return scripts.options(compare.usual([*_words(arguments)]))


def _words(arguments: argparse.Namespace) -> Iterator[str]:
    command = shlex.join(arguments.command)
    yield from ("--a", command, "--b", command)
    if arguments.python:
        yield from (f"--a-python={arguments.python}", f"--b-python={arguments.python}")
    for name in ("budget", "step"):
        if (value := getattr(arguments, name)) is not None:
            yield f"--{name}={value}"
    for name in ("allow", "link"):
        yield from (f"--{name}={value}" for value in getattr(arguments, name))
    if folder := arguments.resume or arguments.output:
        yield f"--output={folder}"
