"""What the column `source_line` costs beside looking lines up when somebody asks: bytes and time an event.

    python benchmarks/source_lines.py TRACE…

stored: bytes that the column adds to events.parquet, by writing the same table with and without it. view: ms of
`show --by source` from an opened capture, all of it. looked up: ms that it takes, of an XPlane, to find the lines anew, from the
raw file's modules and each event's `hlo_op` and `program_id` in `args`, before any view is made.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dlprof.analysis.trace import breakdown
from dlprof.api.import_traces import import_files
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.protobuf.space import ByteFile, SkeletonReader
from dlprof.ingest.source import Source
from dlprof.ingest.xplane.hlo_module import Modules
from dlprof.store import Capture


def stored(table: pa.Table, folder: Path) -> float:
    """Bytes an event that the column takes."""
    sizes = []
    for columns in (table.column_names, [name for name in table.column_names if name != "source_line"]):
        pq.write_table(table.select(columns), folder / "table.parquet", compression="zstd")
        sizes.append((folder / "table.parquet").stat().st_size)
    return (sizes[0] - sizes[1]) / max(table.num_rows, 1)


def looked_up(capture: Capture) -> int:
    """Events whose line the modules of the raw file tell, each instruction looked up once."""
    found: dict[tuple[Any, str], bool] = {}
    events = 0
    told = [json.loads(args) for args in capture.events(["args"])["args"].to_pylist() if args and "hlo_op" in args]
    for path in capture.raw_files():
        if not path.name.endswith((".pb", ".pb.gz")):
            continue
        with Source(path, path.name, Anomalies()).open_seekable() as file:
            bytes_ = ByteFile(file)
            skeleton = SkeletonReader(bytes_, lambda raw: raw.decode(errors="replace"))
            skeleton.read()
            modules = Modules(bytes_, skeleton.space, lambda: None)
            for args in told:
                key = (args.get("program_id"), args["hlo_op"])
                if key not in found:
                    described = modules.find(key[0], args.get("hlo_module"), key[1])
                    found[key] = described is not None and bool(described.instruction.source)
                events += found[key]
    return events


def timed(work: Any) -> float:
    """ms, the least of five."""
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best * 1e3


def row(path: Path, folder: Path) -> str:
    """One row of the table."""
    capture = import_files([path], folder / "capture", repair=False)
    table = capture.events()
    known = table.num_rows - table["source_line"].null_count
    view = timed(lambda: breakdown.view(capture.events(breakdown.columns_of("source")), "source"))
    again = f"{timed(lambda: looked_up(capture)):.1f}" if looked_up(capture) else "–"
    return f"| {path.name} | {table.num_rows} | {known} | {stored(table, folder):.2f} | {view:.1f} | {again} |"


def main() -> None:
    print("| trace | events | with a line | stored, B an event | view, ms | looked up, ms |\n| - | - | - | - | - | - |")
    for path in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            print(row(Path(path), Path(folder)), flush=True)


if __name__ == "__main__":
    main()
