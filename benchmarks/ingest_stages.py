"""Where the time of reading a trace into Parquet, or into sums, goes: CPU by stage, on one core.

    python benchmarks/ingest_stages.py FILE… [--repeat 3]
    python benchmarks/ingest_stages.py --show FILE…           what `dlprof show FILE` does, which stores nothing
    python benchmarks/ingest_stages.py FILE… --into docs/formats.md     both, kept; the last of each file is a column of its table

Each stage is the functions named below; time in one stage that another calls counts for the inner one alone. The run with the
least CPU is shown. Libraries are loaded before; starting Python, the copy of the trace and its digest are no part of it.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kept
import marked

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FILE = kept.DATA / "ingest-stages.jsonl"
BEGIN, END = "<!-- begin: benchmarks/ingest_stages.py -->", "<!-- end: benchmarks/ingest_stages.py -->"

STAGES = {
    "text read and cut": ("json.stream JsonStream.chunks",),
    "JSON scanned": ("json.blocks Scanner.scan",),
    "skeleton": ("protobuf.space SkeletonReader.read",),
    "lines, events and stats": ("dialects.xplane together", "dialects.xplane parse"),
    "arguments as JSON": ("xplane.other_stats Objects.of",),
    "columns from what was read": ("run _read_file",),
    "temporary file": ("finish.spill Spill.add", "finish.spill Spill.read", "finish.spill Spill.read_args"),
    "finishing": ("finish.finisher Finisher.finish", "finish.finisher Finisher.add"),
    "record batches": ("finish.output Output.write",),
}
"""Stage → functions of dlprof.ingest; what stands before a dot is the module's place there."""

NOTES = {
    "text read and cut": "JSON; valid UTF-8 is told by the scan",
    "JSON scanned": "C",
    "skeleton": "of an XPlane: C but for its planes",
    "lines, events and stats": "C",
    "arguments as JSON": "of an XPlane, C; those of JSON stay as they are",
    "columns from what was read": "NumPy, an XPlane's rows in C; distinct texts and what they mean, asked once a block",
    "temporary file": "events are written as they come and read by track; of JSON mostly recorded arguments",
    "finishing": "nesting in C; steps, launches, phases and layers in NumPy, track by track",
    "record batches": "",
    "adding up": "groups and their sums in C",
    "Parquet": "of JSON most for recorded arguments, of an XPlane half for columns that are empty or hold one value",
}

ADDING = ("take", "pass_over", "table")
"""Methods of analysis.trace.breakdown.Breakdown: the stage of sums that is behind all others."""


class Clock:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._open: list[str] = []
        self._since = time.process_time()

    def _note(self) -> None:
        now = time.process_time()
        if self._open:
            self.spent[self._open[-1]] += now - self._since
        self._since = now

    def within(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time noted; of a generator that of each step."""

        @functools.wraps(function)
        def call(*arguments: object, **named: object) -> Any:
            self._note()
            self._open.append(stage)
            try:
                return function(*arguments, **named)
            finally:
                self._note()
                self._open.pop()

        @functools.wraps(function)
        def steps(*arguments: object, **named: object) -> Iterator[Any]:
            step = self.within(stage, functools.partial(next, function(*arguments, **named), self))
            while (found := step()) is not self:
                yield found

        return steps if inspect.isgeneratorfunction(function) else call

    def watch(self) -> None:
        """Puts itself around the functions of all stages."""
        for stage, places in STAGES.items():
            for place in places:
                module, _, path = place.partition(" ")
                owner: Any = importlib.import_module(f"dlprof.ingest.{module}")
                *classes, name = path.split(".")
                for each in classes:
                    owner = getattr(owner, each)
                setattr(owner, name, self.within(stage, getattr(owner, name)))
        from dlprof.analysis.trace.breakdown import Breakdown

        for name in ADDING:
            setattr(Breakdown, name, self.within("adding up", getattr(Breakdown, name)))


def stages(path: Path) -> Counter[str]:
    """One reading."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dlprof import ingest, schema
    from dlprof.frameworks import vocabularies
    from dlprof.store import PARQUET_OPTIONS

    pa.set_cpu_count(1)
    known, CLOCK.spent = vocabularies(), Counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        pq.ParquetWriter(f"{folder}/e", schema.EVENTS, **PARQUET_OPTIONS) as writer,
    ):
        sink = CLOCK.within("Parquet", writer.write_batch)
        begin = time.process_time()
        ingest.read([path], root=path.parent, vocabularies=known, sink=sink)
        whole = time.process_time() - begin
    return Counter({**CLOCK.spent, "other": whole - sum(CLOCK.spent.values())})


def sums(path: Path) -> Counter[str]:
    """One reading for a breakdown by operator, of which nothing is stored."""
    from dlprof.api.import_traces import read_summed

    CLOCK.spent = Counter()
    begin = time.process_time()
    _, breakdown = read_summed(path, "op", "work", repair=False)
    breakdown.table()
    whole = time.process_time() - begin
    return Counter({**CLOCK.spent, "other": whole - sum(CLOCK.spent.values())})


CLOCK = Clock()


def table() -> str:
    """Markdown: the last reading of each file for each end, by share of its CPU."""
    last = {(one["file"], one["end"]): one for one in kept.read(FILE)}.values()
    whole = [sum(one["cpu_s"].values()) for one in last]
    rows = [["CPU s", *(f"{each:.2f}" for each in whole), ""]]
    for stage in (*NOTES, "other"):
        shares = [100 * one["cpu_s"].get(stage, 0) / each for one, each in zip(last, whole, strict=True)]
        rows.append([stage, *(f"{share:.0f}%" if share else "" for share in shares), NOTES.get(stage, "")])
    return marked.table(["stage", *(f"{one['file']}, {one['mb']:.0f} MB: {one['end']}" for one in last), ""], rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--show", action="store_true", help="sums by operator, nothing stored")
    parser.add_argument("--into", type=Path, help="keep what is found, and put the table of all that is kept there")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    import dlprof.ingest.run  # noqa: F401  what is watched is loaded

    CLOCK.watch()
    ends = {"sums": sums} if options.show else {"stored": stages, "sums": sums} if options.into else {"stored": stages}
    for path in options.files:
        for end, read in ends.items():
            found = min((read(path) for _ in range(options.repeat)), key=lambda one: one.total())
            size = path.stat().st_size / 1e6
            print(f"\n| {path.name}, {size:.0f} MB, {end}: {found.total():.2f} s of CPU | s | share |\n| - | -: | -: |")
            for stage in (*NOTES, "other"):
                if found[stage] > 0:
                    print(f"| {stage} | {found[stage]:.3f} | {100 * found[stage] / found.total():.0f} % |")
            if options.into:
                spent = {stage: round(seconds, 4) for stage, seconds in found.items()}
                kept.add(FILE, {"file": path.name.partition("-200")[0], "mb": size, "end": end, "cpu_s": spent})
    if options.into:
        marked.put(options.into, BEGIN, END, table())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
