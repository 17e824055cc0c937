"""`dlprof import`: trace files in, a capture directory out; a trace per rank in, a data set out; a table of timings in, a
comparison directory out."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from dlprof.cli.terminal import line, say
from dlprof.units import counted

if TYPE_CHECKING:
    from dlprof.ingest.timings_csv import Layout

EXAMPLES = """examples:
  dlprof import profile.json -o mxnet-run
  dlprof import logdir/plugins/profile/2026_11_22 -o tf-run
  dlprof import ddp-traces -o ddp-ranks --jobs 4        a trace per rank: a data set, for dlprof ranks
  dlprof import ddp-traces -o ddp-ranks --scheduler tcp://head:8786     … on a Dask cluster
  dlprof import ddp-traces -o s3://bucket/ddp-ranks     … kept at a URL (dlprof[urls] and the store's library for fsspec)
  dlprof import damaged.json.gz --repair -o rescued
  dlprof import --csv published.csv --sides tensorflow,mxnet --unit s --group task,size -o published
  dlprof import --csv long.csv --side-column framework --value-column ms --sides tf,mxnet --unit ms \\
      --group task --trial-column process -o published"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "traces", nargs="*", type=Path, metavar="TRACE", help="trace file, or a folder of them as one run"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="directory to make; of ranks it may be a URL"
    )
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
    parser.add_argument(
        "--scheduler", metavar="tcp://HOST:PORT", help="of ranks: read the files on this Dask cluster (dlprof[dask])"
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
    from dlprof.store.remote_set import place

    arguments.output = place(arguments.output)
    if arguments.csv is not None and arguments.traces:
        raise UsageError("--csv and TRACE are two things", hint="import them one after the other")
    if arguments.csv is not None:
        _check_local(arguments.output)
        return _table(arguments)
    if not arguments.traces:
        raise UsageError("nothing to import", hint="name trace files, or a table with --csv FILE")
    if _is_of_ranks(arguments):
        return _ranks(arguments)
    if arguments.scheduler is not None:
        raise UsageError("--scheduler is for a folder with a trace per rank", hint="leave it out, or say --as ranks")
    _check_local(arguments.output)
    return _traces(arguments)


def _check_local(output: Path | str) -> None:
    """Raises `UsageError` for a URL."""
    from dlprof.errors import UsageError

    if isinstance(output, str):
        raise UsageError(
            f"-o {output}: only a data set of ranks can be at a URL", hint="name a folder, and copy it there"
        )


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
                raise TraceError(
                    f"{path}: no such file or directory", hint="give trace files, or a folder that holds them"
                )
        if len(arguments.traces) != 1 or not folders:
            raise UsageError("--as ranks takes one folder", hint="put the traces of all ranks into one folder")
        return True
    if len(arguments.traces) != 1 or not folders:
        return False
    from dlprof.api.ranks.plan import holds_ranks

    return holds_ranks(folders[0])


def _ranks(arguments: argparse.Namespace) -> int:
    from dlprof.api.ranks.build import build
    from dlprof.cli.output import though_unread
    from dlprof.cli.terminal import Progress
    from dlprof.errors import UsageError
    from dlprof.store import remote_set

    output: Path | str = arguments.output
    if isinstance(output, str) and arguments.scheduler is not None:
        raise UsageError(
            "--scheduler and -o URL are two things: the workers write to a file system that all of them have",
            hint="name a folder there, and copy it afterwards",
        )
    with ExitStack() as engine, Progress() as progress:
        make, jobs = None, arguments.jobs
        if isinstance(output, str):
            progress.stage("asking the store")
            output = engine.enter_context(remote_set.under_way(output))
        if arguments.scheduler is not None:
            from dlprof.api.ranks.cluster import connected

            progress.stage("asking the scheduler")
            make, workers = engine.enter_context(connected(arguments.scheduler))
            jobs = min(jobs or workers, workers)
        progress.stage("reading ranks")
        # Workers of other machines have other working folders.
        folder, target = (path if make is None else path.absolute() for path in (arguments.traces[0], output))
        built = build(
            folder,
            target,
            repair=arguments.repair,
            jobs=jobs,
            make=make,
            on_file=lambda done, of: progress.detail(f"{done} of {of} files"),
        )
        if isinstance(arguments.output, str):
            progress.stage("sending")
    index = built.index
    events, runs = sum(part.events for part in index.parts), len({part.run for part in index.parts})
    again = f", {built.unchanged} of the files unchanged since the last import" if built.unchanged else ""
    say(
        f"{arguments.output}: {counted(len(index.parts), 'rank')} of {counted(runs, 'run')}, {counted(events, 'event')}{again}"
    )
    for note in index.notes:
        say(f"  {note}")
    for failed in index.failed:
        say(f"  left out: {failed.source}: {failed.why}")
    with though_unread():
        line(arguments.output)
    return 1 if index.failed else 0


def _traces(arguments: argparse.Namespace) -> int:
    from dlprof.analysis.trace import completeness
    from dlprof.api.import_traces import import_files
    from dlprof.errors import TraceError

    _clear(arguments.output)
    for path in arguments.traces:
        if not path.exists():
            raise TraceError(f"{path}: no such file or directory", hint="give trace files, or a folder that holds them")
    capture = import_files(arguments.traces, arguments.output, repair=arguments.repair)
    trace = capture.manifest.trace
    assert trace is not None
    say(f"{capture.path}: {counted(trace.events, 'event')}, {', '.join(sorted(set(trace.kinds.values())))}")
    for name, count in sorted(trace.anomalies.items()):
        say(f"  {name}: {count}")
    for text in completeness.said({name: str(text) for name, text in trace.completeness.items()}):
        say(f"  {text}")
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
