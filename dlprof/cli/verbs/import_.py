"""`dlprof import`: trace files in, a capture directory out; a trace per rank in, a data set out; a table of timings in, a
comparison directory out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dlprof.cli.terminal import line, say

if TYPE_CHECKING:
    from dlprof.ingest.timings_csv import Layout

EXAMPLES = """examples:
  dlprof import profile.json -o mxnet-run
  dlprof import logdir/plugins/profile/2026_11_22 -o tf-run
  dlprof import ddp-traces -o ddp-ranks --jobs 4        a trace per rank: a data set, for dlprof ranks
  dlprof import damaged.json.gz --repair -o rescued
  dlprof import --csv published.csv --sides tensorflow,mxnet --unit s --group task,size -o published
  dlprof import --csv long.csv --side-column framework --value-column ms --sides tf,mxnet --unit ms \\
      --group task --trial-column process -o published"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "traces", nargs="*", type=Path, metavar="TRACE", help="trace file, or a folder of them as one run"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="directory to make")
    parser.add_argument(
        "--as",
        dest="kind",
        choices=["auto", "run", "ranks"],
        default="auto",
        help="what a folder is: one run, as a capture directory; or ranks, as a data set (default: ranks where two "
        " of its files or more tell different ranks)",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="of ranks: files read at a time (default: the processors)"
    )
    parser.add_argument("--repair", action="store_true", help="keep what stands before damage, and count what is lost")
    table = parser.add_argument_group("a table of repeated timings instead of traces")
    table.add_argument("--csv", type=Path, metavar="FILE", help="table with a row of column names")
    table.add_argument("--sides", metavar="A,B", help="columns of the two sides (or values of --side-column)")
    table.add_argument("--unit", choices=["s", "ms", "us", "ns"], help="of the times")
    table.add_argument("--group", metavar="COL,…", default="", help="columns that tell items apart, such as task,size")
    table.add_argument("--trial-column", metavar="COL", help="column that names the process (run) of a row")
    table.add_argument("--side-column", metavar="COL", help="of a table with one row a side: which side it is")
    table.add_argument("--value-column", metavar="COL", help="of such a table: the times")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.errors import UsageError

    if arguments.csv is not None and arguments.traces:
        raise UsageError("--csv and TRACE are two things", hint="import them one after the other")
    if arguments.csv is not None:
        return _table(arguments)
    if not arguments.traces:
        raise UsageError("nothing to import", hint="name trace files, or a table with --csv FILE")
    return _ranks(arguments) if _is_of_ranks(arguments) else _traces(arguments)


def _is_of_ranks(arguments: argparse.Namespace) -> bool:
    """Whether the traces are to be a data set of ranks. Raises `UsageError`, `TraceError`."""
    from dlprof.errors import TraceError, UsageError

    if arguments.jobs is not None and arguments.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {arguments.jobs}")
    if arguments.kind == "run":
        return False
    folders = [path for path in arguments.traces if path.is_dir()]
    if arguments.kind == "ranks":
        for path in arguments.traces:
            if not path.exists():
                raise TraceError(f"{path}: no such file or directory")
        if len(arguments.traces) != 1 or not folders:
            raise UsageError("--as ranks takes one folder", hint="put the traces of all ranks into one folder")
        return True
    from dlprof.api.ranks.plan import holds_ranks

    return len(arguments.traces) == 1 and bool(folders) and holds_ranks(folders[0])


def _ranks(arguments: argparse.Namespace) -> int:
    from dlprof.api.ranks.build import build
    from dlprof.cli.output import though_unread
    from dlprof.cli.terminal import Progress

    with Progress() as progress:
        progress.stage("reading ranks")
        built = build(
            arguments.traces[0],
            arguments.output,
            repair=arguments.repair,
            jobs=arguments.jobs,
            on_file=lambda done, of: progress.detail(f"{done} of {of} files"),
        )
    index = built.index
    events, runs = sum(part.events for part in index.parts), len({part.run for part in index.parts})
    again = f", {built.unchanged} of the files unchanged since the last import" if built.unchanged else ""
    say(f"{built.path}: {len(index.parts)} ranks of {runs} run{'' if runs == 1 else 's'}, {events} events{again}")
    for note in index.notes:
        say(f"  {note}")
    for failed in index.failed:
        say(f"  left out: {failed.source}: {failed.why}")
    with though_unread():
        line(built.path)
    return 1 if index.failed else 0


def _traces(arguments: argparse.Namespace) -> int:
    from dlprof.api.import_traces import import_files
    from dlprof.errors import TraceError

    _clear(arguments.output)
    for path in arguments.traces:
        if not path.exists():
            raise TraceError(f"{path}: no such file or directory")
    capture = import_files(arguments.traces, arguments.output, repair=arguments.repair)
    trace = capture.manifest.trace
    assert trace is not None
    say(f"{capture.path}: {trace.events} events, {', '.join(sorted(set(trace.kinds.values())))}")
    for name, count in sorted(trace.anomalies.items()):
        say(f"  {name}: {count}")
    line(capture.path)
    return 0


def _table(arguments: argparse.Namespace) -> int:
    from dlprof.api.import_timings import import_timings
    from dlprof.cli.output import show
    from dlprof.cli.verbs.show import colour
    from dlprof.report.text import comparison_text

    _clear(arguments.output)
    found = import_timings(arguments.csv, arguments.output, _layout(arguments))
    show(comparison_text.comparison(found, colour=colour()), colour=colour())
    return 0


def _clear(output: Path) -> None:
    from dlprof.api import leftovers
    from dlprof.cli.terminal import say

    leftovers.clear(leftovers.folder_of(output), say)


def _layout(arguments: argparse.Namespace) -> Layout:
    """The checked layout of argv. Raises `UsageError`."""
    from dlprof.errors import UsageError
    from dlprof.ingest.timings_csv import Layout

    sides = tuple(name.strip() for name in (arguments.sides or "").split(","))
    if len(sides) != 2 or not all(sides) or sides[0] == sides[1]:
        raise UsageError("--csv needs --sides A,B: two columns of times", hint="write it like --sides tensorflow,mxnet")
    if arguments.unit is None:
        raise UsageError("--csv needs --unit: a table does not say what its numbers are", hint="s, ms, us or ns")
    if (arguments.side_column is None) != (arguments.value_column is None):
        raise UsageError("--side-column and --value-column belong together")
    return Layout(
        sides=(sides[0], sides[1]),
        unit=arguments.unit,
        groups=tuple(name.strip() for name in arguments.group.split(",") if name.strip()),
        side_column=arguments.side_column,
        value_column=arguments.value_column,
        trial_column=arguments.trial_column,
    )
