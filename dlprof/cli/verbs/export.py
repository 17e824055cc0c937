"""`dlprof export`: a capture, or a comparison, for other tools: Chrome/Perfetto, TensorBoard, Parquet, CSV, JSON."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dlprof.cli.terminal import line

if TYPE_CHECKING:
    from dlprof.api.results import CaptureResult, ComparisonResult

EXAMPLES = """examples:
  dlprof export my-capture --to chrome -o trace.json       open in ui.perfetto.dev or chrome://tracing
  dlprof export my-comparison --to chrome --steps 3..5 -o both.json
  dlprof export my-capture --to tensorboard -o logdir      then: dlprof view my-capture, or tensorboard --logdir logdir
  dlprof export my-capture --to csv -o events.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("capture", type=Path, metavar="A", help="capture or comparison directory, or a raw trace")
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="a second one, put beside A (chrome, tensorboard)")
    parser.add_argument("--to", choices=["chrome", "tensorboard", "parquet", "csv", "json"], required=True)
    parser.add_argument("--steps", metavar="FROM..TO", help="only these steps, for a trace too big for a viewer")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PATH")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.load import opened_result

    shown = _steps(arguments.steps)
    with opened_result(arguments.capture, arguments.b) as result:
        if arguments.to == "tensorboard":
            from dlprof.api.render import logdir

            logdir(result, arguments.output)
        else:
            _write(result, arguments.to, shown, arguments.output)
    line(arguments.output)
    return 0


def _write(result: ComparisonResult | CaptureResult, form: str, shown: tuple[int, int] | None, output: Path) -> None:
    from dlprof.api.results import ComparisonResult
    from dlprof.cli.output import deliver
    from dlprof.errors import UsageError
    from dlprof.report import csv, json
    from dlprof.report.traces import chrome, chrome_pair
    from dlprof.store import write_events

    if isinstance(result, ComparisonResult):
        sides = result.representative()
        if form != "chrome" or len(sides) != 2:
            raise UsageError(
                f"two sides can be exported to chrome or tensorboard, not to {form}"
                if form != "chrome"
                else "this comparison holds no trace of both sides",
                hint=f"export one of its captures: {', '.join(sorted(result.captures)) or 'it has none'}",
            )
        a, b = sides["a"], sides["b"]
        chunks = chrome_pair.export(a.events, b.events, a.side.label, b.side.label, steps_shown=shown)
        deliver(chunks, output)
        return
    events = chrome_pair.within(result.events, *shown) if shown else result.events
    title = result.side.label
    if form == "parquet":
        write_events(events, output)
    elif form == "csv":
        deliver(csv.events(events), output)
    else:
        deliver(chrome.export(events, title) if form == "chrome" else json.events(events, title), output)


def _steps(text: str | None) -> tuple[int, int] | None:
    from dlprof.errors import UsageError

    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+)(?:\.\.([0-9]+))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise UsageError(f"--steps {text}: not a range of steps", hint="write it like 3..5")
    return first, last
