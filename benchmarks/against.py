"""How fast traces are read by this checkout beside another one of dlprof: runs of both in turn, CPU seconds of each.

    python benchmarks/against.py OTHER TRACE… [--runs 7] [--repeat N] [--json FILE]

OTHER: a folder with the other `dlprof/`, such as a worktree of an older commit. Each run is a process of its own, which reads the
trace `--repeat` times into Parquet once its libraries are loaded and one reading is over. Which of the two goes first changes
from run to run. A row has the medians of user + system CPU seconds a reading, their ratio (this checkout to the other) as median
of the pairs' ratios, the least and greatest of these, and the ratio of wall times: other work on the machine lengthens these, CPU
seconds hardly.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
READING = """
import os, resource, sys, tempfile, time
from pathlib import Path
from dlprof.api.import_traces import import_files
paths, repeat = [Path(sys.argv[1])], int(sys.argv[2])
def used():
    told = resource.getrusage(resource.RUSAGE_SELF)
    return told.ru_utime + told.ru_stime
with tempfile.TemporaryDirectory() as folder:
    import_files(paths, Path(folder) / "first", repair=False)
    begun, wall = used(), time.perf_counter()
    for turn in range(repeat):
        import_files(paths, Path(folder) / str(turn), repair=False)
    print((used() - begun) / repeat, (time.perf_counter() - wall) / repeat)
"""


def reading(checkout: Path, trace: Path, repeat: int) -> tuple[float, float]:
    """(CPU s, wall s) of one reading."""
    environ = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", READING, str(trace.resolve()), str(repeat)]
    # In the checkout, for with -c the working folder comes before PYTHONPATH: both sides would read with one code.
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True, cwd=checkout)
    cpu, wall = done.stdout.split()
    return float(cpu), float(wall)


def compared(other: Path, trace: Path, runs: int, repeat: int) -> dict[str, Any]:
    """One row of the table."""
    here, there = [], []
    for turn in range(runs):
        for checkout, kept in ((ROOT, here), (other, there))[:: -1 if turn % 2 else 1]:
            kept.append(reading(checkout, trace, repeat))
    ratios = [mine[0] / its[0] for mine, its in zip(here, there, strict=True)]
    walls = [mine[1] / its[1] for mine, its in zip(here, there, strict=True)]
    return {
        "trace": trace.name,
        "this_cpu_s": statistics.median(cpu for cpu, _ in here),
        "other_cpu_s": statistics.median(cpu for cpu, _ in there),
        "ratio": statistics.median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "wall_ratio": statistics.median(walls),
        "runs": runs,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("traces", type=Path, nargs="+")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print(
        "| trace | CPU s | other's CPU s | ratio | from | to | wall ratio | load |\n| - | - | - | - | - | - | - | - |"
    )
    for trace in arguments.traces:
        row = compared(arguments.other.resolve(), trace.resolve(), arguments.runs, arguments.repeat)
        rows.append(row)
        cells = [f"{row[name]:.3f}" for name in ("this_cpu_s", "other_cpu_s", "ratio", "low", "high", "wall_ratio")]
        print(f"| {row['trace']} | {' | '.join(cells)} | {row['load']:.1f} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
