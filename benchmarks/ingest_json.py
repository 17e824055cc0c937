"""JSON section of the ingest benchmark: MXNet and Kineto traces to Parquet on one core, beside other readers.

    python benchmarks/ingest_json.py [--mb 400] [--repeat 3] [--keep DIR] [FILE…]

Inputs are recorded traces written out again and again with their times, correlation and operator ids moved on, so that they
are as large as asked for and as varied as real ones; or files of the user's own. Each reader runs in a process of its own,
bound to one core, readers taking turns; the file is warm. Shown: median MB/s (of the decompressed file), peak memory above
the process's start, rows. Peers run where they are installed: HTA, orjson + pandas, DuckDB, and msgspec on the whole file.
The load of the machine is printed, since a busy one makes all of these numbers too small.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRACES = ROOT.parent / "shared" / "traces"
MXNET = TRACES / "mxnet" / "gpu-mnist-2019" / "gpu_mnist_cnn_profile_output.json"
KINETO_2021 = TRACES / "kineto" / "resnet50-three-schemas" / "worker0.1623143089861.pt.trace.json.gz"
KINETO_2025 = TRACES / "kineto" / "h100" / "Qwen_Qwen1.5-0.5B-Chat__1016005.json.gz"

READERS = {
    "dlprof": """
import pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from dlprof import ingest, schema
from dlprof.frameworks import vocabularies
pa.set_cpu_count(1); pa.set_io_thread_count(1)
V = vocabularies()
def run(path, out):
    with pq.ParquetWriter(out, schema.EVENTS, compression="zstd") as writer:
        return ingest.read([Path(path)], root=Path(path).parent, vocabularies=V, sink=writer.write_batch).events
""",
    "msgspec, whole file to Arrow": """
import msgspec, gzip, pyarrow as pa
class Event(msgspec.Struct):
    ph: str = ""; name: str = ""; cat: str = ""; ts: float = 0; dur: float = 0; pid: int | str = 0; tid: int | str = 0
class Trace(msgspec.Struct):
    traceEvents: list[Event]
def run(path, out):
    data = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
    events = msgspec.json.decode(data, type=Trace).traceEvents
    return pa.table({k: [str(getattr(e, k)) for e in events] for k in ("ph", "name", "cat", "ts", "dur", "pid", "tid")}).num_rows
""",
    "orjson + pandas to Parquet": """
import orjson, gzip, pandas
def run(path, out):
    data = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
    frame = pandas.DataFrame(orjson.loads(data)["traceEvents"]).astype(str)
    frame.to_parquet(out)
    return len(frame)
""",
    "DuckDB read_json to Parquet": """
import duckdb
def run(path, out):
    link = duckdb.connect(); link.execute("SET threads=1")
    sql = f"SELECT unnest(traceEvents) AS e FROM read_json('{path}', maximum_object_size=4000000000)"
    link.execute(f"COPY (SELECT e.* FROM ({sql})) TO '{out}' (FORMAT parquet)")
    return link.execute(f"SELECT count(*) FROM '{out}'").fetchone()[0]
""",
    "HTA": """
from hta.common.trace_parser import parse_trace_dataframe
def run(path, out):
    return len(parse_trace_dataframe(path)[1])
""",
}
"""Name → source of `run(path, out) -> rows`, executed in a process of its own."""
NEEDS = {"orjson + pandas to Parquet": "orjson", "DuckDB read_json to Parquet": "duckdb", "HTA": "hta"}

_RUN = """
import json, os, resource, sys, time
core = min(os.sched_getaffinity(0)); os.sched_setaffinity(0, {core})
exec(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wall, cpu = time.perf_counter(), time.process_time()
rows = run(sys.argv[2], sys.argv[3])
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"rows": rows, "wall_s": wall, "cpu_s": cpu, "peak_kb": peak}))
"""


@dataclass(frozen=True, slots=True)
class Result:
    """One reader on one file; mb_s, cpu_mb_s: MB of decompressed input per second elapsed and of CPU. None: it failed."""

    file: str
    reader: str
    mb: float
    mb_s: float | None
    cpu_mb_s: float | None
    peak_mb: float | None
    rows: int | None
    note: str = ""


def repeated(source: Path, target: Path, mb: float) -> Path:
    """Writes a recorded trace again and again, times and ids moved on, until `mb` are reached."""
    data = source.read_bytes()
    text = gzip.decompress(data) if source.suffix == ".gz" else data
    start = text.index(b"[", text.index(b'"traceEvents"')) + 1
    end = max(end for end in _ends(text, start))
    body = text[start:end]
    times = [int(us) for us in re.findall(rb'"ts": (\d+)', body)]
    span = max(times) - min(times) + 1000
    with target.open("wb") as file:
        file.write(text[:start])
        for turn in range(max(1, round(mb * 1e6 / len(body)))):
            moved = re.sub(rb'"ts": (\d+)', lambda m, by=turn * span: b'"ts": %d' % (int(m[1]) + by), body)
            ids = rb'("(?:External id|external id|correlation)": ?)(\d+)'
            moved = re.sub(ids, lambda m, by=turn * 10_000_000: m[1] + b"%d" % (int(m[2]) + by), moved)
            file.write((b",\n" if turn else b"") + moved)
        file.write(text[end:])
    return target


def _ends(text: bytes, start: int) -> Iterator[int]:
    sys.path.insert(0, str(ROOT))
    from dlprof.ingest.json_envelope import ends_of_events

    return (start + end for end in ends_of_events(text[start:]))


def inputs(folder: Path, mb: float) -> list[Path]:
    """The large traces, made from recorded ones: MXNet, Kineto of 2021 and 2025, and one of them compressed."""
    made = [
        repeated(MXNET, folder / "mxnet.json", mb),
        repeated(KINETO_2021, folder / "kineto-2021.json", mb),
        repeated(KINETO_2025, folder / "kineto-2025.json", mb),
    ]
    packed = folder / "kineto-2021.json.gz"
    with gzip.open(packed, "wb", compresslevel=1) as file:
        file.write(made[1].read_bytes())
    return [*made, packed]


def measure(path: Path, readers: list[str], repeat: int) -> list[Result]:
    """All readers on one file, taking turns."""
    size = path.stat().st_size
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            size = sum(len(piece) for piece in iter(lambda: file.read(1 << 24), b""))
    runs: dict[str, list[dict[str, float]]] = {reader: [] for reader in readers}
    notes: dict[str, str] = {}
    path.read_bytes()
    for _ in range(repeat):
        for reader in readers:
            if reader not in notes:
                answer = _once(reader, path)
                if isinstance(answer, str):
                    notes[reader] = answer
                else:
                    runs[reader].append(answer)
    return [_result(path, reader, size / 1e6, runs[reader], notes.get(reader, "")) for reader in readers]


def _once(reader: str, path: Path) -> dict[str, float] | str:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _RUN, READERS[reader], str(path), f"{folder}/out.parquet"]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1][:100]
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _result(path: Path, reader: str, mb: float, runs: list[dict[str, float]], note: str) -> Result:
    if note or not runs:
        return Result(path.name, reader, mb, None, None, None, None, f"failed: {note}")
    wall = statistics.median(run["wall_s"] for run in runs)
    cpu = statistics.median(run["cpu_s"] for run in runs)
    peak = max(run["peak_kb"] for run in runs) / 1024
    return Result(path.name, reader, mb, mb / wall, mb / cpu, peak, int(runs[0]["rows"]))


def installed() -> list[str]:
    """Readers that can run here."""
    return [name for name in READERS if importlib.util.find_spec(NEEDS.get(name, "msgspec")) is not None]


def show(results: list[Result]) -> None:
    """Prints the table."""
    print(f"{'file':22} {'reader':30} {'MB':>6} {'MB/s':>7} {'MB/s CPU':>9} {'peak MB':>8} {'rows':>9}")
    for r in results:
        numbers = (
            f"{r.mb_s:7.1f} {r.cpu_mb_s:9.1f} {r.peak_mb:8.0f} {r.rows:9d}" if r.mb_s is not None else f" {r.note}"
        )
        print(f"{r.file:22} {r.reader:30} {r.mb:6.0f} {numbers}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--mb", type=float, default=400)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder for the inputs (default: temporary)")
    options = parser.parse_args()
    if not options.files and not MXNET.exists():
        print("no recorded traces to make inputs from (../shared/traces): name files of your own", file=sys.stderr)
        return 1
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        paths = options.files or inputs(folder, options.mb)
        show([result for path in paths for result in measure(path, installed(), options.repeat)])
    load = " ".join(f"{value:.1f}" for value in (*before, *os.getloadavg()))
    print(f"one core of {os.cpu_count()}; load averages before and after: {load}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
