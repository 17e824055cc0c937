"""`dlprof baseline`: keep what was measured of a revision, for `dlprof history`."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  dlprof gate --base v1.0 -o result -- python train.py
  dlprof baseline save train result             the working folder's commit against v1.0
  dlprof baseline save train result --revision nightly-42
  dlprof baseline save train calibration.json   how far this machine can be trusted
  dlprof baseline list
  dlprof baseline show train

Kept are small JSON files, a file a comparison, in the folder dlprof-history (--history FOLDER for another), which may lie in git.
They are for looking back (`dlprof history`). No gate reads them: a number of another hour judges nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["save", "list", "show"])
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the history, such as train")
    parser.add_argument(
        "source", nargs="?", type=Path, metavar="DIR", help="save: a comparison's directory, or a calibration.json"
    )
    parser.add_argument(
        "--revision", help="save: what was measured (default: the head's commit, else that of the working folder)"
    )
    add_folder(parser)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Also of `dlprof history`."""
    parser.add_argument(
        "--history", type=Path, metavar="FOLDER", help="where histories are kept (default: dlprof-history)"
    )


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api import history
    from dlprof.cli.output import show
    from dlprof.cli.terminal import line, say
    from dlprof.cli.verbs.show import colour
    from dlprof.errors import UsageError
    from dlprof.report.text import history_text

    folder, name = arguments.history or history.FOLDER, arguments.name
    if arguments.action == "list":
        if name is not None:
            raise UsageError("baseline list lists the names", hint=f"dlprof baseline show {name} lists what one holds")
        for one in history.names(folder):
            held = history.entries(folder, one)
            line(f"{one}\t{len(held)} kept\tnewest {held[-1].revision}, {held[-1].when[:10]}")
        return 0
    if name is None or (arguments.action == "save") != (arguments.source is not None):
        raise UsageError(
            f"baseline {arguments.action} needs a NAME{' and a DIR' if arguments.action == 'save' else ' alone'}",
            hint="dlprof baseline --help has examples",
        )
    if arguments.action == "show":
        show(history_text.kept(history.entries(folder, name), colour=colour()), colour=colour())
        return 0
    kept = history.save(folder, name, arguments.source, arguments.revision)
    for note in kept.notes:
        say(f"note: {note}")
    say(f"kept as {kept.entry.revision}" if kept.new else f"was kept already, as {kept.entry.revision}")
    line(kept.file)
    return 0
