"""`dlprof import`: trace files in, a capture directory out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  dlprof import profile.json -o mxnet-run
  dlprof import logdir/plugins/profile/2026_11_22 -o tf-run
  dlprof import damaged.json.gz --repair -o rescued"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "traces", nargs="+", type=Path, metavar="TRACE", help="trace file, or a folder of them as one run"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="capture directory to make")
    parser.add_argument("--repair", action="store_true", help="keep what stands before damage, and count what is lost")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.opening import import_files
    from dlprof.errors import TraceError

    for path in arguments.traces:
        if not path.exists():
            raise TraceError(f"{path}: no such file or directory")
    capture = import_files(arguments.traces, arguments.output, repair=arguments.repair)
    trace = capture.manifest.trace
    assert trace is not None
    print(f"{capture.path}: {trace.events} events, {', '.join(sorted(set(trace.kinds.values())))}", file=sys.stderr)  # noqa: T201
    for name, count in sorted(trace.anomalies.items()):
        print(f"  {name}: {count}", file=sys.stderr)  # noqa: T201
    print(capture.path)  # noqa: T201
    return 0
