"""XPlane section of the ingest benchmark: a trace to Parquet with all columns, beside xprof, ptars and a protobuf loop.

    python benchmarks/ingest_xplane.py --record PYTHON [--steps 28000]   records the trace with that TensorFlow's own profiler
    python benchmarks/ingest_xplane.py FILE [--mb 110]                   takes one; with --mb its lines again, later, to that size
    python benchmarks/ingest_xplane.py --docs                            writes the kept result into docs/formats.md

With --memory 2000, dlprof alone also reads the trace at that many MB, whose peak memory must not differ. Each reader runs in a
process of its own, bound to its cores, readers taking turns; the file is warm, imports are not counted. Peers run in interpreters
that have them: --peer xprof=PYTHON, --peer ptars=PYTHON, --peer protobuf=PYTHON (without TensorFlow: the message classes are made
from the field table below). They end where they end: none of them writes a table. --keep leaves the result in docs/example.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dlprof.ingest.protobuf.wire import Field, fields  # noqa: E402  path set above

KEPT = ROOT / "docs" / "example" / "ingest-xplane.json"
PAGE = ROOT / "docs" / "formats.md"
MARKS = ("<!-- begin: benchmarks/ingest_xplane.py --docs -->", "<!-- end: benchmarks/ingest_xplane.py -->")

RECORDER = """
import sys, tensorflow as tf
out, steps = sys.argv[1], int(sys.argv[2])
weights = [tf.Variable(tf.random.normal(shape)) for shape in ((32, 64), (64, 64), (64, 10))]
@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        for i, w in enumerate(weights):
            with tf.name_scope(f"forward/dense{i}"):
                x = tf.matmul(x, w)
                x = tf.nn.relu(x) if i < 2 else x
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, x))
    for w, gradient in zip(weights, tape.gradient(loss, weights)):
        w.assign_sub(0.01 * gradient)
    return loss
data = (tf.random.normal((512, 32)), tf.zeros((512,), tf.int32))
batches = iter(tf.data.Dataset.from_tensor_slices(data).repeat().batch(16).prefetch(4))
step(*next(batches))
tf.profiler.experimental.start(out)
for number in range(steps):
    with tf.profiler.experimental.Trace("train", step_num=number, _r=1):
        step(*next(batches))
tf.profiler.experimental.stop()
"""
"""Trains three dense layers under the profiler: about 4 KB a step in TensorFlow 2.21."""

MESSAGES = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
T = descriptor_pb2.FieldDescriptorProto
FIELDS = {
    "XSpace": "1 planes *XPlane, 2 errors *str, 3 warnings *str, 4 hostnames *str",
    "XPlane": "1 id int, 2 name str, 3 lines *XLine, 4 event_metadata *EventEntry, 5 stat_metadata *StatEntry, 6 stats *XStat",
    "XLine": "1 id int, 2 name str, 11 display_name str, 3 timestamp_ns int, 9 duration_ps int, 4 events *XEvent",
    "XEvent": "1 metadata_id int, 2 offset_ps int, 5 num_occurrences int, 3 duration_ps int, 4 stats *XStat",
    "XStat": "1 metadata_id int, 2 double_value float, 3 uint64_value uint, 4 int64_value int, 5 str_value str, "
             "6 bytes_value bytes, 7 ref_value uint",
    "EventEntry": "1 key int, 2 value XEventMetadata", "StatEntry": "1 key int, 2 value XStatMetadata",
    "XEventMetadata": "1 id int, 2 name str, 4 display_name str, 3 metadata bytes, 5 stats *XStat, 6 child_id *int",
    "XStatMetadata": "1 id int, 2 name str, 3 description str",
}
KINDS = {"int": T.TYPE_INT64, "uint": T.TYPE_UINT64, "str": T.TYPE_STRING, "bytes": T.TYPE_BYTES, "float": T.TYPE_DOUBLE}
file = descriptor_pb2.FileDescriptorProto(name="xplane.proto", package="x", syntax="proto3")
for name, text in FIELDS.items():
    message = file.message_type.add(name=name)
    for number, field, kind in (part.split() for part in text.split(",")):
        made = message.field.add(name=field, number=int(number), label=T.LABEL_REPEATED if kind[0] == "*" else T.LABEL_OPTIONAL)
        kind = kind.lstrip("*")
        if kind in KINDS:
            made.type = KINDS[kind]
        else:
            made.type, made.type_name = T.TYPE_MESSAGE, ".x." + kind
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
XSpace = pool.FindMessageTypeByName("x.XSpace")
"""

READERS = {
    "dlprof": """
import sys; sys.path.insert(0, ROOT)
import pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from dlprof import ingest, schema
from dlprof.frameworks import vocabularies
from dlprof.store import PARQUET_OPTIONS
import dlprof.ingest.run, dlprof.ingest.dialects.xplane
pa.set_cpu_count(CORES); pa.set_io_thread_count(1)
V = vocabularies()
def run(path, out):
    with pq.ParquetWriter(out, schema.EVENTS, **PARQUET_OPTIONS) as writer:
        return ingest.read([Path(path)], root=Path(path).parent, vocabularies=V, sink=writer.write_batch).events
""",
    "xprof": """
from xprof.convert import raw_to_tool_data
def run(path, out):
    raw_to_tool_data.xspace_to_tool_data([path], "framework_op_stats", {})
    return 0
""",
    "ptars": MESSAGES
    + """
import ptars
handler = ptars.HandlerPool([XSpace.file]).get_for_message(XSpace)
def run(path, out):
    batch = handler.list_to_record_batch([open(path, "rb").read()])
    events = batch.column("planes").values.field("lines").values.field("events").values
    return len(events)
""",
    "protobuf": MESSAGES
    + """
Space = message_factory.GetMessageClass(XSpace)
def run(path, out):
    space = Space(); space.ParseFromString(open(path, "rb").read())
    rows = []
    for plane in space.planes:
        for line in plane.lines:
            for e in line.events:
                rows.append((e.metadata_id, e.offset_ps, e.duration_ps, [(s.metadata_id, s.int64_value) for s in e.stats]))
    return len(rows)
""",
}
"""Name → source of `run(path, out) -> rows`."""
ENDS = {
    "dlprof": "Parquet, all columns", "xprof": "framework_op_stats, per-operator sums", "ptars": "Arrow in memory, nested",
    "protobuf": "Python tuples",
}  # fmt: skip
TIMER = """
import os, resource, time
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak(); begin = time.perf_counter(); cpu = time.process_time()
rows = run(PATH, OUT)
print("RESULT", time.perf_counter() - begin, time.process_time() - cpu, (peak() - before) / 1024, rows)
"""


def encoded(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def grow(path: Path, megabytes: float, out: Path) -> None:
    """Writes the trace with its lines again, each time a minute later under the same id and name, to about that size."""
    data = path.read_bytes()
    times = max(1, round(megabytes * 1e6 / len(data)))
    with out.open("wb") as file:
        for part in fields(data, 0, len(data)):
            if part.number != 1:
                file.write(data[part.at : part.end])
                continue
            inner = list(fields(data, part.start, part.end))
            again = [piece for f in inner if f.number == 3 for copy in range(times) for piece in later(data, f, copy)]
            rest = [data[f.at : f.end] for f in inner if f.number != 3]
            file.write(b"\x0a" + encoded(sum(map(len, again)) + sum(map(len, rest))))
            file.writelines([*again, *rest])


def later(data: bytes, line: Field, copy: int) -> Iterator[bytes | memoryview]:
    """The line's field with its timestamp_ns moved on; the events are not copied."""
    size = line.end - line.start
    time = next((f for f in heads(data, line) if f.number == 3), None)
    if time is None:
        yield from (b"\x1a" + encoded(size), memoryview(data)[line.start : line.end])
        return
    moved = b"\x18" + encoded(time.value + copy * 60 * 10**9)
    yield b"\x1a" + encoded(size - (time.end - time.at) + len(moved))
    yield from (memoryview(data)[line.start : time.at], moved, memoryview(data)[time.end : line.end])


def heads(data: bytes, line: Field) -> Iterator[Field]:
    """The fields of a line before its events."""
    for part in fields(data, line.start, line.end):
        if part.number == 4:
            return
        yield part


def measure(python: str, reader: str, path: Path, cores: int) -> tuple[float, float, float, int]:
    """(wall s, CPU s, peak MB above start, rows) of one reading in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        # A name of its own for each reading: xprof keeps its result beside the file and would not read it a second time.
        link = Path(folder) / path.name
        link.symlink_to(path.absolute())
        constants = f"ROOT = {str(ROOT)!r}; PATH = {str(link)!r}; OUT = {folder + '/o.parquet'!r}; CORES = {cores}\n"
        run = subprocess.run(
            [python, "-c", constants + READERS[reader] + TIMER], capture_output=True, text=True, check=False
        )
    result = next((line for line in run.stdout.splitlines() if line.startswith("RESULT")), None)
    if result is None:
        raise SystemExit(f"{python} failed to read with {reader}:\n{run.stderr[-2000:]}")
    wall, cpu, peak, rows = result.split()[1:]
    return float(wall), float(cpu), float(peak), int(rows)


def compared(path: Path, runs: list[tuple[str, str, int]], repeat: int) -> list[dict[str, Any]]:
    """Medians of (reader, interpreter, cores) on one file, readers taking turns."""
    megabytes = path.stat().st_size / 1e6
    found: dict[tuple[str, str, int], list[tuple[float, float, float, int]]] = {run: [] for run in runs}
    for _ in range(repeat):
        for reader, python, cores in runs:
            found[reader, python, cores].append(measure(python, reader, path, cores))
    result = []
    for (reader, _, cores), times in found.items():
        wall, cpu, peak = (statistics.median(time[i] for time in times) for i in range(3))
        result.append({
            "reader": reader, "cores": cores, "mb": round(megabytes, 1), "mb_per_s": round(megabytes / wall, 1),
            "mb_per_cpu_s": round(megabytes / cpu, 1), "peak_mb": round(peak), "rows": times[0][3], "runs": len(times),
            "ends_in": ENDS[reader],
        })  # fmt: skip
    return result


def table(result: dict[str, Any]) -> list[str]:
    """The result as a Markdown table."""
    lines = [
        f"{result['input']}; {result['cpu']}; load {result['load'][0]} before, {result['load'][1]} after; median of runs.",
        "",
        "| reader | cores | file MB | MB/s | MB per CPU s | peak MB | events | ends in |",
        "|" + " --- |" * 8,
    ]
    for row in result["rows"]:
        events = f"{row['rows']:,}" if row["rows"] else ""
        lines.append(
            f"| {row['reader']} | {row['cores']} | {row['mb']:,.0f} | {row['mb_per_s']} | {row['mb_per_cpu_s']} "
            f"| {row['peak_mb']} | {events} | {row['ends_in']} |"
        )
    return lines


def docs() -> None:
    """Puts the kept result between the marks in docs/formats.md."""
    text = PAGE.read_text()
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(before + "\n".join([MARKS[0], *table(json.loads(KEPT.read_text())), MARKS[1]]) + after)


def recorded(python: str, steps: int, folder: Path) -> Path:
    subprocess.run([python, "-c", RECORDER, str(folder), str(steps)], check=True, stderr=subprocess.DEVNULL)
    return next(folder.rglob("*.xplane.pb"))


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--record", metavar="PYTHON")
    parser.add_argument("--steps", type=int, default=28_000)
    parser.add_argument("--mb", type=float, default=0)
    parser.add_argument("--memory", type=float, nargs="*", default=[], metavar="MB")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if options.docs:
        docs()
        return
    runs = [("dlprof", sys.executable, 1), ("dlprof", sys.executable, 2)]
    runs += [(*peer.split("=", 1), 1) for peer in options.peer]
    with tempfile.TemporaryDirectory() as folder:
        path, source = given(options, Path(folder))
        load = [round(os.getloadavg()[0], 1)]
        rows = compared(path, runs, options.repeat)
        for megabytes in options.memory:
            large = Path(folder) / "large.xplane.pb"
            grow(path, megabytes, large)
            rows += compared(large, runs[:2], 1)
        load.append(round(os.getloadavg()[0], 1))
    result = {"input": source, "cpu": f"{cpu()}, {os.cpu_count()} cores", "load": load, "rows": rows,
              "finished": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    print("\n".join(table(result)))
    if options.keep:
        KEPT.write_text(json.dumps(result, indent=1) + "\n")


def given(options: argparse.Namespace, folder: Path) -> tuple[Path, str]:
    """The trace to read and what it is."""
    if options.record:
        path = recorded(options.record, options.steps, folder)
        return path, f"A trace of {options.steps:,} training steps, recorded by TensorFlow's profiler"
    start = options.file or next((ROOT / "traces" / "lenet-tf-exact").rglob("*.xplane.pb"))
    if options.file and not options.mb:
        return start, start.name
    path = folder / "grown.xplane.pb"
    grow(start, options.mb or 110, path)
    return path, f"{start.name}, its lines again and again"


if __name__ == "__main__":
    main()
