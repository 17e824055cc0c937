"""`dlprof export`: a capture, or a comparison, for other tools: Chrome/Perfetto, TensorBoard, Parquet, CSV, JSON."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dlprof.cli.terminal import line, say

if TYPE_CHECKING:
    import pyarrow as pa

    from dlprof.api.results import CaptureResult, ComparisonResult
    from dlprof.report.traces.chrome_pair import Shown

EXAMPLES = """examples:
  dlprof export my-capture --to chrome -o trace.json       open in ui.perfetto.dev or chrome://tracing
  dlprof export my-comparison --to chrome -o both.json     the steps around the median (--steps 3..5, --steps all)
  dlprof export my-capture --to tensorboard -o logdir      then: dlprof view my-capture, or tensorboard --logdir logdir
  dlprof export my-capture --to csv -o events.csv
  dlprof export ddp-ranks --to chrome --ranks 0,2 --steps 5..6 -o ranks.json    ranks of a job, on one clock"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_pair_argument

    add_pair_argument(parser)
    parser.add_argument("capture", type=Path, metavar="A", help="capture or comparison directory, or a raw trace")
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="a second one, put beside A (chrome, tensorboard)")
    parser.add_argument("--to", choices=["chrome", "tensorboard", "parquet", "csv", "json"], required=True)
    parser.add_argument(
        "--steps",
        metavar="FROM..TO",
        help="only these steps, or all (default: all; of a comparison to chrome the five pairs around the median)",
    )
    parser.add_argument(
        "--ranks",
        metavar="LIST",
        help="of a data set of ranks: which (0,2,5-7; default: at most eight, slowest and fastest)",
    )
    parser.add_argument("--run", dest="chosen", metavar="NAME", help="which run, where a data set holds several")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PATH")
    parser.add_argument("--force", action="store_true", help="replace a file at -o that is of another kind")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.load import opened_result
    from dlprof.cli.output import check_target, deliver, placed
    from dlprof.errors import UsageError
    from dlprof.store import write_events
    from dlprof.store.rank_set import is_rank_set

    shown, output, inputs = _steps(arguments.steps), arguments.output, (arguments.capture, arguments.b)
    if arguments.to != "tensorboard":
        check_target(output, inputs)
    if arguments.b is None and is_rank_set(arguments.capture):
        _ranks(arguments, shown)
        return 0
    if arguments.ranks is not None or arguments.chosen is not None:
        raise UsageError("--ranks and --run are for a data set of ranks", hint="leave them out")
    with opened_result(arguments.capture, arguments.b, arguments.pair) as result:
        if arguments.to == "tensorboard":
            from dlprof.api.render import logdir

            logdir(result, output)
        elif arguments.to == "parquet":
            events = _events(_one(result, "parquet"), shown)
            with placed(output, inputs=inputs, force=arguments.force) as temporary:
                write_events(events, temporary)
        else:
            deliver(_chunks(result, arguments.to, shown), output, inputs=inputs, force=arguments.force)
    line(output)
    return 0


def _ranks(arguments: argparse.Namespace, shown: Shown | None) -> None:
    """Some ranks of a job as one trace."""
    from dlprof.api.ranks.export import export
    from dlprof.api.ranks.read import opened
    from dlprof.cli.output import deliver
    from dlprof.errors import UsageError

    if arguments.to != "chrome":
        raise UsageError(
            f"a data set of ranks is exported to chrome, not to {arguments.to}",
            hint="its events are Parquet files already: run=NAME/rank=N/part.parquet",
        )
    read = opened(arguments.capture, arguments.chosen)
    steps = (int(read.job.steps[0]), int(read.job.steps[-1])) if shown == "all" else shown
    found = export(read, _numbers(arguments.ranks), steps if isinstance(steps, tuple) else None)
    deliver(found.chunks, arguments.output, inputs=(arguments.capture,), force=arguments.force)
    listed = ", ".join(map(str, found.ranks))
    say(f"ranks {listed}; steps {found.first} to {found.last} (others: --ranks, --steps)")
    line(arguments.output)


def _numbers(text: str | None) -> list[int] | None:
    """Ranks as they are written: 0,2,5-7."""
    from dlprof.errors import UsageError
    from dlprof.store.rank_set import MOST_RANKS

    if text is None:
        return None
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,7})(?:-([0-9]{1,7}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last or last >= MOST_RANKS:
            raise UsageError(f"--ranks {text}: no list of ranks", hint="write it like 0,2,5-7")
        found.update(range(first, last + 1))
    return sorted(found)


def _chunks(result: ComparisonResult | CaptureResult, form: str, shown: Shown | None) -> Iterable[bytes]:
    """The file's content, streamed. Says how many pairs of steps a trace of two sides leaves out."""
    from dlprof.api.results import ComparisonResult
    from dlprof.report import csv, json
    from dlprof.report.traces import chrome, chrome_pair

    if isinstance(result, ComparisonResult) and form == "chrome":
        sides = result.representative()
        if len(sides) == 2:
            a, b = sides["a"], sides["b"]
            both = chrome_pair.export(a.events, b.events, a.side.label, b.side.label, steps_shown=shown or "typical")
            if shown is None and both.pairs < both.of:
                say(f"{both.pairs} of {both.of} pairs of steps, those around the median; every one with --steps all")
            return both.chunks
    one = _one(result, form)
    events = _events(one, shown)
    if form == "csv":
        return csv.events(events)
    if form == "json":
        return json.events(events, one.side.label)
    trace = one.manifest.trace
    return chrome.export(events, one.side.label, producer=trace.producer if trace else "")


def _events(result: CaptureResult, shown: Shown | None) -> pa.Table:
    """The events of a capture, of some of its steps alone where a range is given."""
    from dlprof.report.traces import chrome_pair

    return chrome_pair.within(result.events, *shown) if isinstance(shown, tuple) else result.events


def _one(result: ComparisonResult | CaptureResult, form: str) -> CaptureResult:
    """The result as one capture. Raises `UsageError` for a comparison."""
    from dlprof.api.results import ComparisonResult
    from dlprof.errors import UsageError

    if isinstance(result, ComparisonResult):
        raise UsageError(
            f"two sides can be exported to chrome or tensorboard, not to {form}"
            if form != "chrome"
            else "this comparison holds no trace of both sides",
            hint=f"export one of its captures: {', '.join(sorted(result.captures)) or 'it has none'}",
        )
    return result


def _steps(text: str | None) -> Shown | None:
    from dlprof.errors import UsageError

    if text is None:
        return None
    if text == "all":
        return "all"
    match = re.fullmatch(r"([0-9]+)(?:\.\.([0-9]+))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise UsageError(f"--steps {text}: not a range of steps", hint="write it like 3..5, or all")
    return first, last
