"""XPlane section of the ingest benchmark: a trace to Parquet on one core, beside xprof and a protobuf loop.

    python benchmarks/ingest_xplane.py [--mb 110] [--repeat 3] [--peer NAME=PYTHON]… [FILE]

The input is a recorded trace of this project (or FILE) whose lines are written out again and again with their times moved on, so
that it is as large as asked for. Each reader runs in a process of its own, bound to one core, readers taking turns; the file is
warm. Peers run in interpreters that have them: --peer xprof=/path/to/python, --peer protobuf=/path/to/python (a TensorFlow
environment: its XPlane classes read every event and stat). Shown: median MB/s, peak memory above the start, rows, the load.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from dlprof.ingest.wire import fields
from dlprof.ingest.xspace import ByteFile

ROOT = Path(__file__).resolve().parent.parent

READERS = {
    "dlprof": """
import sys; sys.path.insert(0, ROOT)
import pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from dlprof import ingest, schema
from dlprof.frameworks import vocabularies
from dlprof.store import PARQUET_OPTIONS
import dlprof.ingest.run, dlprof.ingest.xplane
pa.set_cpu_count(1); pa.set_io_thread_count(1)
V = vocabularies()
def run(path, out):
    with pq.ParquetWriter(out, schema.EVENTS, **PARQUET_OPTIONS) as writer:
        return ingest.read([Path(path)], root=Path(path).parent, vocabularies=V, sink=writer.write_batch).events
""",
    "xprof": """
from xprof.convert import raw_to_tool_data
def run(path, out):
    return len(raw_to_tool_data.xspace_to_tool_data([path], "framework_op_stats", {})[0])
""",
    "protobuf": """
from tensorflow.tsl.profiler.protobuf import xplane_pb2
def run(path, out):
    space = xplane_pb2.XSpace(); space.ParseFromString(open(path, "rb").read())
    rows = []
    for plane in space.planes:
        for line in plane.lines:
            for e in line.events:
                rows.append((e.metadata_id, e.offset_ps, e.duration_ps, [(s.metadata_id, s.int64_value) for s in e.stats]))
    return len(rows)
""",
}
TIMER = """
import os, resource, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak(); begin = time.perf_counter(); cpu = time.process_time()
rows = run(PATH, OUT)
print("RESULT", time.perf_counter() - begin, time.process_time() - cpu, (peak() - before) / 1024, rows)
"""


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def grown(path: Path, megabytes: float) -> bytes:
    """The trace with each line's events repeated, the k-th copy k spans later, to about that size."""
    data = path.read_bytes()
    times = max(1, round(megabytes * 1e6 / len(data)))
    out = bytearray()
    for plane in fields(data, 0, len(data)):
        body = data[plane.start : plane.end]
        if plane.number == 1:
            parts = [block(3, longer(body[f.start : f.end], times)) if f.number == 3 else body[f.at : f.end]
                     for f in fields(body, 0, len(body))]  # fmt: skip
            body = b"".join(parts)
        out += varint(plane.number << 3 | 2) + varint(len(body)) + body
    return bytes(out)


def block(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def longer(line: bytes, times: int) -> bytes:
    """A line with its events `times` over. The span covers every line, so that lines stay in step."""
    span = 10**12 * 60
    head = b"".join(line[f.at : f.end] for f in fields(line, 0, len(line)) if f.number != 4)
    events = []
    for event in (f for f in fields(line, 0, len(line)) if f.number == 4):
        parts = list(fields(line, event.start, event.end))
        offset = next((f.value for f in parts if f.number == 2), 0)
        rest = (b"".join(line[f.at : f.end] for f in parts if f.number < 2),
                b"".join(line[f.at : f.end] for f in parts if f.number > 2))  # fmt: skip
        events.append((offset, *rest))
    copies = (
        block(4, before + b"\x10" + varint(offset + copy * span) + after)
        for copy in range(times)
        for offset, before, after in events
    )
    return head + b"".join(copies)


def measure(python: str, code: str, path: Path) -> tuple[float, float, float, int]:
    """(wall s, CPU s, peak MB above start, rows) of one reading in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        constants = f"ROOT = {str(ROOT)!r}; PATH = {str(path)!r}; OUT = {folder + '/o.parquet'!r}\n"
        run = subprocess.run([python, "-c", constants + code + TIMER], capture_output=True, text=True, check=False)
    result = next((line for line in run.stdout.splitlines() if line.startswith("RESULT")), None)
    if result is None:
        raise SystemExit(f"{python} failed:\n{run.stderr[-2000:]}")
    wall, cpu, peak, rows = result.split()[1:]
    return float(wall), float(cpu), float(peak), int(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--mb", type=float, default=110)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    options = parser.parse_args()
    recorded = options.file or next((ROOT / "traces" / "lenet-tf-exact").rglob("*.xplane.pb"))
    pythons = {"dlprof": sys.executable, **dict(peer.split("=", 1) for peer in options.peer)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grown.xplane.pb"
        path.write_bytes(grown(recorded, options.mb))
        with path.open("rb") as file:
            megabytes = ByteFile(file).size / 1e6
        print(f"{megabytes:.1f} MB from {recorded.name}; one core; load {os.getloadavg()[0]:.1f} at the start")
        found: dict[str, list[tuple[float, float, float, int]]] = {name: [] for name in pythons}
        for _ in range(options.repeat):
            for name, python in pythons.items():
                found[name].append(measure(python, READERS[name], path))
    print(f"{'reader':10} {'MB/s':>8} {'MB per CPU s':>13} {'peak MB':>8} {'rows':>10}")
    for name, runs in found.items():
        wall, cpu, peak = (statistics.median(run[i] for run in runs) for i in range(3))
        print(f"{name:10} {megabytes / wall:8.1f} {megabytes / cpu:13.1f} {peak:8.0f} {runs[0][3]:10}")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
