"""What it costs to find who holds up whom, by the number of ranks: their traces imported, and summaries of many reduced.

    python3 benchmarks/ranks.py made FOLDER --ranks 64 --megabytes 50    a job of recorded ranks (ranks_made.py), 3.2 GB
    python3 benchmarks/ranks.py scaling FOLDER --ranks 16 --times 5      imports of 16 by one worker and two, of all by two
    python3 benchmarks/ranks.py killed FOLDER --ranks 8                  a worker killed on the way
    python3 benchmarks/ranks.py simulated --ranks 100 300 1000           summaries reduced, each size in a process of its own
    python3 benchmarks/ranks.py report --into docs/guides/ranks.md       the tables between the page's marks

Each verb but `made` keeps what it found in data/ranks.json. Imports by Dask need the extra `dlprof[dask]`.

Simulated are the summaries, not the events: `--steps` steps of a data-parallel job with `--buckets` all-reduces each, on hosts of
eight ranks whose clocks differ, one rank at fault. Written is what `dlprof import` writes; timed is what `dlprof ranks
--format json` does, from the files to the text. Memory is the greatest
resident size of that process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ranks_imported
import ranks_made
from marked import put

BEGIN, END = "<!-- ranks: begin -->", "<!-- ranks: end -->"
IMPORTED_BEGIN, IMPORTED_END = "<!-- imported: begin -->", "<!-- imported: end -->"
KEPT = Path(__file__).parent / "data" / "ranks.json"
STRAGGLER_US = 30_000
STEP_US = 200_000
AT_FAULT = 3


def simulated(target: Path, ranks: int, steps: int, buckets: int) -> None:
    """A data set of so many ranks' summaries, without events."""
    from dlprof.store.rank_set import TABLES, Index, Part, RankSet
    from dlprof.version import __version__

    data = RankSet(target)
    (target / "_dlprof").mkdir(parents=True)
    rng = np.random.default_rng(11)
    own = np.maximum(rng.normal(STEP_US * 0.6, 1500.0, (ranks, steps)), 1.0)
    own[AT_FAULT] += STRAGGLER_US
    arrivals = np.zeros((ranks, steps))
    begin = 0.0
    start = np.zeros((ranks, steps))
    for step in range(steps):
        start[:, step] = begin
        arrivals[:, step] = begin + own[:, step]
        begin = float(arrivals[:, step].max()) + 5000.0
    end = np.append(start[0, 1:], begin)
    ahead = rng.normal(0.0, 5e5, -(-ranks // 8)).repeat(8)[:ranks]  # µs, of each host's clock
    writers = {
        name: pq.ParquetWriter(data.path / "_dlprof" / f"{name}.parquet", declared, compression="zstd")
        for name, declared in TABLES.items()
    }
    parts = []
    for rank in range(ranks):
        tables = _summaries(rank, start[rank], arrivals, end, buckets)
        for name, table in tables.items():
            writers[name].write_table(table)
        parts.append(
            Part(run="job", rank=rank, told="distributedInfo", source=f"rank{rank}.json", bytes=50_000_000, sha256="0" * 64,
                 kind="kineto", producer="pytorch", events=0, host=f"node{rank // 8}", world=ranks,
                 origin_ns=1_700_000_000_000_000_000 + int(ahead[rank] * 1000), dlprof_version=__version__)
        )  # fmt: skip
    for writer in writers.values():
        writer.close()
    data.write_index(Index(dlprof_version=__version__, created="", complete=True, parts=parts))


def _summaries(
    rank: int, start: np.ndarray, arrivals: np.ndarray, end: np.ndarray, buckets: int
) -> dict[str, pa.Table]:
    """Of one rank: a step computes, then goes through its buckets, of which the last waits for the slowest."""
    from dlprof.store.rank_set import TABLES

    ps = 1_000_000.0
    steps = len(start)
    compute = arrivals[rank] - start
    last = arrivals.max(axis=0)
    exposed = end - arrivals[rank]
    begun = np.stack([arrivals[rank] + at * 10.0 for at in range(buckets)], axis=1)
    ended = np.stack([last + (end - last) * (at + 1) / buckets for at in range(buckets)], axis=1)
    number = np.arange(steps)
    which = np.repeat(number, buckets)
    whole: dict[str, Any] = {
        "steps": {"step": number, "start_ps": start, "end_ps": end, "compute_ps": compute, "communication_ps": exposed},
        "lines": {"step": number, "time_ps": compute, "calls": np.full(steps, 100)},
        "collectives": {
            "step": which,
            "start_ps": begun.ravel(),
            "end_ps": ended.ravel(),
            "exposed_from_ps": begun.ravel(),
            "exposed_until_ps": ended.ravel(),
            "sequence": np.arange(steps * buckets),
            "bytes": np.full(steps * buckets, 25 << 20),
        },
    }
    texts = {"run": "job", "stream": "gpu:0 stream 7", "part": "compute", "op": "AllReduce", "group": "0", "host": "x"}
    times = np.unique(np.concatenate([start, end, begun.ravel(), ended.ravel()]))
    done = (
        np.searchsorted(start, times, side="right") - 1
    )  # the step; its begin is a moment, so none lies before the first
    since = np.concatenate([[0.0], compute.cumsum()])
    until = since[done] + np.minimum(times - start[done], compute[done])
    whole["moments"] = {"time_ps": times, "compute_ps": until, "communication_ps": times - until}
    found = {}
    for name, declared in TABLES.items():
        values, rows = whole[name], len(next(iter(whole[name].values())))
        columns = []
        for field in declared:
            if field.name in values:
                scale = ps if field.name.endswith("_ps") else 1
                columns.append(pa.array(np.round(values[field.name] * scale).astype(np.int64)).cast(field.type))
            elif field.name == "rank":
                columns.append(pa.array([rank] * rows, pa.int64()).cast(field.type))
            elif field.name in texts:
                columns.append(pa.array([texts[field.name]] * rows).cast(field.type))
            elif field.nullable:
                columns.append(pa.nulls(rows, field.type))
            else:
                columns.append(pa.array([0] * rows, pa.int64()).cast(field.type))
        found[name] = pa.table(columns, schema=declared)
    return found


def reduce(data: Path) -> dict[str, Any]:
    """What `dlprof ranks DATASET --format json` does, timed in this process from its first import."""
    begun = time.perf_counter()
    from dlprof.api.ranks.read import analyse
    from dlprof.report import json as report_json

    loaded, worked = time.perf_counter(), time.process_time()
    found = analyse(data)
    text = report_json.ranks(found)
    over = time.perf_counter()
    worst = found.stragglers[0]
    return {
        "imports_s": loaded - begun,
        "seconds": over - loaded,
        "cpu_s": time.process_time() - worked,
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "json_bytes": len(text),
        "named": worst.rank,
        "excess_us": worst.excess.mean / 1000,
        "stragglers": len(found.stragglers),
    }


def measure(sizes: list[int], steps: int, buckets: int) -> dict[str, Any]:
    """Each size in a process of its own."""
    found = []
    for ranks in sizes:
        with tempfile.TemporaryDirectory(prefix="dlprof-ranks-") as folder:
            target = Path(folder) / "set"
            simulated(target, ranks, steps, buckets)
            stored = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
            command = [sys.executable, __file__, "reduce", str(target)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(
                {"ranks": ranks, "steps": steps, "buckets": buckets, "stored_bytes": stored, **json.loads(done.stdout)}
            )
            print(found[-1], file=sys.stderr)
    load = os.getloadavg()[0]
    return {"sizes": found, "cpus": os.cpu_count(), "load": load, "python": platform.python_version()}


def table(kept: dict[str, Any]) -> str:
    """The sizes, and what the largest says of ten thousand ranks."""
    lines = [
        "| ranks | steps × collectives | summaries, MB | reduced in, s of CPU | s of wall | memory, MB | named | excess, ms |"
    ]
    lines.append("| ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
    lines += [
        f"| {one['ranks']} | {one['steps']} × {one['buckets']} | {one['stored_bytes'] / 1e6:.1f} | {one['cpu_s']:.2f} | "
        f"{one['seconds']:.2f} | {one['memory_bytes'] / 1e6:.0f} | rank {one['named']}, {one['stragglers']} in all | "
        f"{one['excess_us'] / 1000:.1f} |"
        for one in kept["sizes"]
    ]
    small, large = kept["sizes"][0], kept["sizes"][-1]
    more = large["ranks"] - small["ranks"]
    seconds, memory = ((large[name] - small[name]) / more for name in ("cpu_s", "memory_bytes"))
    far = 10_000 - large["ranks"]
    lines += [
        "",
        f"{STRAGGLER_US // 1000} ms were planted at rank {AT_FAULT}. From {small['ranks']} to {large['ranks']} ranks each "
        f"costs {1000 * seconds:.2f} ms of CPU and {memory / 1e6:.3f} MB more; 10 000 by that: "
        f"{large['cpu_s'] + far * seconds:.0f} s and {(large['memory_bytes'] + far * memory) / 1e9:.1f} GB "
        f"(extrapolated, not measured). {kept['cpus']} processors, {_load(kept)}.",
    ]
    return "\n".join(lines)


def _load(kept: dict[str, Any]) -> str:
    """How busy the machine was with others' work."""
    others = " with others' work, which is in the seconds of wall" if kept["load"] > 1.5 else ""
    return f"a load of {kept['load']:.1f} when it ended{others}"


def kept() -> dict[str, Any]:
    """What the verbs found, by verb."""
    found: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def keep(output: Path, verb: str, found: dict[str, Any]) -> None:
    """In the place of what the verb found before."""
    before = json.loads(output.read_text(encoding="utf-8")) if output.is_file() else {}
    output.write_text(json.dumps({**before, verb: found}, indent=1) + "\n", encoding="utf-8")


def report(into: Path | None) -> None:
    """Print the tables, and put them between their markers of a document."""
    found = kept()
    parts = {(BEGIN, END): table(found["simulated"])} if "simulated" in found else {}
    if "scaling" in found:
        parts[IMPORTED_BEGIN, IMPORTED_END] = ranks_imported.told(found["scaling"], found.get("killed"))
    for (begin, end), text in parts.items():
        print(text)
        if into is not None:
            put(into, begin, end, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("made")
    making.add_argument("folder", type=Path)
    making.add_argument("--ranks", type=int, default=64)
    making.add_argument("--megabytes", type=float, default=50)
    scaling = verbs.add_parser("scaling")
    scaling.add_argument("folder", type=Path)
    scaling.add_argument("--ranks", type=int, default=16)
    scaling.add_argument("--times", type=int, default=5)
    killing = verbs.add_parser("killed")
    killing.add_argument("folder", type=Path)
    killing.add_argument("--ranks", type=int, default=8)
    simulating = verbs.add_parser("simulated")
    simulating.add_argument("--ranks", type=int, nargs="+", default=[100, 300, 1000])
    simulating.add_argument("--steps", type=int, default=20)
    simulating.add_argument("--buckets", type=int, default=4)
    for verb in (scaling, killing, simulating):
        verb.add_argument("-o", "--output", type=Path, default=KEPT)
    verbs.add_parser("reduce").add_argument("data", type=Path)
    reporting = verbs.add_parser("report")
    reporting.add_argument("--into", type=Path, help="also put the tables between the markers of this document")
    given = parser.parse_args()
    if given.verb == "reduce":
        print(json.dumps(reduce(given.data)))
    elif given.verb == "made":
        steps = ranks_made.made(given.folder, given.ranks, round(given.megabytes * 1e6))
        print(f"{given.folder}: {given.ranks} ranks of {steps} steps", file=sys.stderr)
    elif given.verb == "scaling":
        keep(given.output, "scaling", ranks_imported.scaling(given.folder.resolve(), given.ranks, given.times))
    elif given.verb == "killed":
        keep(given.output, "killed", ranks_imported.killed(given.folder.resolve(), given.ranks))
    elif given.verb == "simulated":
        keep(given.output, "simulated", measure(given.ranks, given.steps, given.buckets))
    else:
        report(given.into)


if __name__ == "__main__":
    main()
