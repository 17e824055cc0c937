"""The ingest benchmark: dlprof and other readers on the same large traces, one table. For every reader an environment of its own.

    python benchmarks/ingest.py [prepare] [SECTION…] [--mb 200] [--inputs DIR] [--keep FILE] [--docs]

speed: MB/s (of the decompressed file, from opening it to the stored table, file warm, libraries loaded) on one core and on two,
readers taking turns; each up to three times, as many as fit in six seconds; the median is shown. memory: dlprof's peak on inputs
of growing size. show: `dlprof show` of stored captures of one and of seven million events, the whole command. commands:
`dlprof show RAW`, which
stores nothing, and `dlprof import RAW`, both from start to end. prepare: makes the inputs of the sections named beside it and
the environments of the peers, so that a run behind it measures only. readers: dlprof's native reader beside the one in Python,
and beside what pyarrow takes to write the same columns. Inputs are made first, from the recorded traces of ../shared/traces, and
stay in --inputs.
The machine's load is part of the table: a busy one makes all figures too small.
--keep: JSON file that sections run one by one are collected in. --docs: puts its table into docs/formats.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ingest_inputs import SOURCES, made
from ingest_readers import JSON, OURS, READERS, Reader, command, once

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "formats.md"
SECTIONS = ("speed", "memory", "show", "commands", "readers")
ENOUGH_S, LIMIT_S = 6, 180
MEMORY = (("kineto-2021", 100), ("kineto-2021", 400), ("kineto-2021", 2000), ("kineto-2021.gz", 2000), ("mxnet", 2000))
NATIVE = ("mxnet", "kineto-2021", "kineto-2025", "kineto-2021.gz", "xplane")
"""Inputs that the native reader reads."""
COMMANDS = NATIVE
SHOW_MB = 620
"""A million events of kineto-2021."""


def speed(inputs: Path, mb: float, names: list[str], peers: bool) -> list[dict[str, Any]]:
    """All readers on all inputs, on one core and on two; without `peers` on two only dlprof."""
    rows = []
    for name in names:
        path = made(inputs, name, mb)
        size = made(inputs, name.partition(".")[0], mb).stat().st_size / 1e6
        for cores in (1, 2):
            readers = [
                reader for reader in READERS if name in reader.kinds and (cores == 1 or not reader.packages or peers)
            ]
            runs: dict[str, list[dict[str, Any]]] = {reader.name: [] for reader in readers}
            failed: dict[str, str] = {}
            for _ in range(3):
                for reader in readers:
                    _again(reader, path, cores, runs[reader.name], failed)
            rows += [_row(reader, name, cores, size, runs[reader.name], failed) for reader in readers]
            print(table(rows[-len(readers) :], []), flush=True)
    return rows


def readers(inputs: Path, mb: float) -> list[dict[str, Any]]:
    """Both readers of dlprof on what the native one reads, and pyarrow, on one core and on two, taking turns."""
    rows = []
    asked = (*OURS, *(reader for reader in READERS if reader.name == "pyarrow"))
    for name in NATIVE:
        path = made(inputs, name, mb)
        size = made(inputs, name.partition(".")[0], mb).stat().st_size / 1e6
        for cores in range(1, min(2, len(os.sched_getaffinity(0))) + 1):
            runs: dict[str, list[dict[str, Any]]] = {reader.name: [] for reader in asked}
            failed: dict[str, str] = {}
            for _ in range(3):
                for reader in asked:
                    _again(reader, path, cores, runs[reader.name], failed)
            rows += [_row(reader, name, cores, size, runs[reader.name], failed) for reader in asked]
            print(readers_table(rows[-len(asked) :]), flush=True)
    return rows


def _again(reader: Reader, path: Path, cores: int, runs: list[dict[str, Any]], failed: dict[str, str]) -> None:
    if reader.name in failed or sum(run["wall_s"] for run in runs) > ENOUGH_S:
        return
    answer = once(reader, path, cores, LIMIT_S)
    if isinstance(answer, str):
        failed[reader.name] = answer
    else:
        runs.append(answer)


def _row(
    reader: Reader, name: str, cores: int, mb: float, runs: list[dict[str, Any]], failed: dict[str, str]
) -> dict[str, Any]:
    row: dict[str, Any] = {"input": name, "mb": mb, "cores": cores, "reader": reader.name, "does": reader.does,
                           "load": os.getloadavg()[0]}  # fmt: skip
    if reader.name in failed:
        return {**row, "failed": failed[reader.name]}
    wall = statistics.median(run["wall_s"] for run in runs)
    cpu = statistics.median(run["cpu_s"] for run in runs)
    peak = max(run["peak_mb"] for run in runs)
    return {**row, "mb_s": mb / wall, "mb_cpu_s": mb / cpu, "peak_mb": peak, "rows": runs[0]["rows"], "runs": len(runs)}


def memory(inputs: Path) -> list[dict[str, Any]]:
    """dlprof's peak memory by size of the input."""
    rows = []
    for name, mb in MEMORY:
        path = made(inputs, name, mb)
        size = made(inputs, name.partition(".")[0], mb).stat().st_size / 1e6
        for cores in (1, 2):
            answer = once(READERS[0], path, cores, LIMIT_S)
            if isinstance(answer, str):
                raise SystemExit(f"{path}: {answer}")
            rows.append({"input": name, "mb": size, "cores": cores, "mb_s": size / answer["wall_s"], **answer,
                         "load": os.getloadavg()[0]})  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def show(inputs: Path, sizes: dict[str, float]) -> list[dict[str, Any]]:
    """What `dlprof show` of an ingested capture takes, on one core: medians of three."""
    rows = []
    for name, size in sizes.items():
        path = made(inputs, name, size)
        with tempfile.TemporaryDirectory(dir=inputs) as folder:
            capture = f"{folder}/capture"
            _whole(1, ["import", str(path), "-o", capture])
            runs = [_whole(1, ["show", capture]) for _ in range(3)]
            events = json.loads((Path(capture) / "manifest.json").read_bytes())["trace"]["events"]
            table_mb = (Path(capture) / "events.parquet").stat().st_size / 1e6
        rows.append(
            {"input": name, "events": events, "mb": table_mb, "cores": 1, **_middle(runs), "load": os.getloadavg()[0]}
        )
        print(rows[-1], flush=True)
    return rows


def _whole(cores: int, words: list[str]) -> dict[str, float]:
    """What a command of dlprof takes, start and end of Python included."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Compiled modules are kept, as they are where dlprof is installed.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    asked = [sys.executable, "-c", WHOLE, str(cores), sys.executable, "-m", "dlprof", *words]
    done = subprocess.run(asked, check=True, env=environ, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _middle(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def commands(inputs: Path, mb: float) -> list[dict[str, Any]]:
    """`dlprof show RAW` and `dlprof import RAW`, start and end of Python included, taking turns; medians of three."""
    rows = []
    for name in COMMANDS:
        path = made(inputs, name, mb)
        size = made(inputs, name.partition(".")[0], mb).stat().st_size / 1e6
        for cores in range(1, min(2, len(os.sched_getaffinity(0))) + 1):
            runs: dict[str, list[dict[str, float]]] = {"show": [], "import": []}
            for _ in range(3):
                for verb, found in runs.items():
                    with tempfile.TemporaryDirectory(dir=inputs) as folder:
                        more = ["-o", f"{folder}/capture"] if verb == "import" else []
                        found.append(_whole(cores, [verb, str(path), *more]))
            for verb, found in runs.items():
                rows.append({"input": name, "mb": size, "cores": cores, "command": f"dlprof {verb}", **_middle(found),
                             "load": os.getloadavg()[0]})  # fmt: skip
            print(commands_table(rows[-2:]), flush=True)
    return rows


WHOLE = """
import json, os, resource, subprocess, sys, time
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:int(sys.argv[1])]))
begin = time.perf_counter()
subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
wall, used = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}))
"""
"""Runs a command on the first cores; what it took."""


def prepare(inputs: Path, mb: float, wanted: list[str]) -> None:
    """The inputs of these sections, and the peers' environments where they are among them."""
    names: list[tuple[str, float]] = []
    if "speed" in wanted:
        names += [(name, mb) for name in (*JSON, "xplane")]
    if "commands" in wanted:
        names += [(name, mb) for name in COMMANDS]
    if "readers" in wanted:
        names += [(name, mb) for name in NATIVE]
    names += MEMORY if "memory" in wanted else ()
    names += [("kineto-2021", SHOW_MB), ("xplane", mb)] if "show" in wanted else []
    for name, size in dict.fromkeys(names):
        print(made(inputs, name, size), flush=True)
    for reader in READERS if "speed" in wanted else ():
        if reader.packages:
            done = subprocess.run([*command(reader), "-c", "pass"], capture_output=True, text=True)
            said = "ready" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"{reader.name}: {said}", flush=True)


def table(speeds: list[dict[str, Any]], memories: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = []
    if speeds:
        lines += [
            "| input | cores | reader | MB/s | × slower | MB per CPU s | peak MB | rows | load |",
            "| - " * 9 + "|",
        ]
    ours = {(row["input"], row["cores"]): row["mb_s"] for row in speeds if row["reader"] == "dlprof" and "mb_s" in row}
    for row in speeds:
        start = f"| {row['input']}, {row['mb']:.0f} MB | {row['cores']} | {row['reader']} ({row['does']}) |"
        if "failed" in row:
            lines.append(f"{start} fails: {row['failed'].replace('|', '/')} | | | | | {row['load']:.1f} |")
            continue
        best = ours.get((row["input"], row["cores"]))
        slower = "" if row["reader"] == "dlprof" or best is None else f"{best / row['mb_s']:.1f}"
        rows = "" if row["rows"] is None else row["rows"]
        lines.append(f"{start} {row['mb_s']:.1f} | {slower} | {row['mb_cpu_s']:.1f} | {row['peak_mb']:.0f} | {rows} "
                     f"| {row['load']:.1f} |")  # fmt: skip
    if memories:
        lines += ["", "| input (dlprof) | cores | MB/s | peak MB | rows | load |", "| - " * 6 + "|"]
    for row in memories:
        lines.append(f"| {row['input']}, {row['mb']:.0f} MB | {row['cores']} | {row['mb_s']:.1f} | {row['peak_mb']:.0f} "
                     f"| {row['rows']} | {row['load']:.1f} |")  # fmt: skip
    return "\n".join(lines)


def commands_table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| input | cores | the whole command | s | CPU s | MB/s | peak MB | load |", "| - " * 8 + "|"]
    lines += [
        f"| {row['input']}, {row['mb']:.0f} MB | {row['cores']} | `{row['command']}` | {row['wall_s']:.2f} | {row['cpu_s']:.2f} "
        f"| {row['mb'] / row['wall_s']:.0f} | {row['peak_mb']:.0f} | {row['load']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def show_table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| capture of | events | table MB | cores | s | CPU s | peak MB | load |", "| - " * 8 + "|"]
    lines += [
        f"| {row['input']} | {row['events']} | {row['mb']:.0f} | {row['cores']} | {row['wall_s']:.2f} | {row['cpu_s']:.2f} "
        f"| {row['peak_mb']:.0f} | {row['load']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def readers_table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| input | cores | reader | MB/s | events/s | MB per CPU s | events per CPU s | × pyarrow | peak MB | load |",
        "| - " * 10 + "|",
    ]
    floor = {
        (row["input"], row["cores"]): row["mb_cpu_s"] for row in rows if row["reader"] == "pyarrow" and "mb_s" in row
    }
    for row in rows:
        start = f"| {row['input']}, {row['mb']:.0f} MB | {row['cores']} | {row['reader']} |"
        if "failed" in row:
            lines.append(f"{start} fails: {row['failed'].replace('|', '/')} | | | | | | {row['load']:.1f} |")
            continue
        events, least = row["rows"] / row["mb"], floor.get((row["input"], row["cores"]))
        times = "" if least is None or row["reader"] == "pyarrow" else f"{least / row['mb_cpu_s']:.1f}"
        lines.append(
            f"{start} {row['mb_s']:.1f} | {events * row['mb_s']:,.0f} | {row['mb_cpu_s']:.1f} | {events * row['mb_cpu_s']:,.0f} "
            f"| {times} | {row['peak_mb']:.0f} | {row['load']:.1f} |"
        )
    return "\n".join(lines)


def document(found: dict[str, Any]) -> None:
    """Puts the tables between the markers of docs/formats.md."""
    parts = [table(found.get("speed", []), found.get("memory", []))]
    for name, write in (("readers", readers_table), ("commands", commands_table), ("show", show_table)):
        if name in found:
            text, marker = DOCUMENT.read_text(), f"<!-- begin: benchmarks/ingest.py {name} -->\n"
            before, _, rest = text.partition(marker)
            DOCUMENT.write_text(f"{before}{marker}\n{write(found[name])}\n\n{rest[rest.index('<!-- end -->') :]}")
    if not found.get("speed"):
        return
    old = DOCUMENT.read_text()
    new = re.sub(r"(<!-- begin: benchmarks/ingest.py \(regenerated[^\n]*-->\n).*?(<!-- end -->)",
                 lambda m: m[1] + "\n" + "\n\n".join(parts) + "\n\n" + m[2], old, count=1, flags=re.DOTALL)  # fmt: skip
    if new == old and parts[0] not in old:
        raise SystemExit(f"{DOCUMENT} has no block for the table")
    DOCUMENT.write_text(new)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sections", nargs="*", metavar="section", help="speed, memory, show, commands, readers (default: all); prepare"
    )
    parser.add_argument("--mb", type=float, default=200)
    parser.add_argument("--input", action="append", choices=[*JSON, "xplane"], help="speed, show: only this input")
    parser.add_argument("--inputs", type=Path, default=Path(tempfile.gettempdir()) / "dlprof-benchmark-inputs")
    parser.add_argument("--keep", type=Path, default=ROOT / "docs" / "example" / "ingest.json")
    parser.add_argument("--peers-on-one", action="store_true", help="speed: peers on one core only")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    if not all(source.exists() for source in SOURCES.values()):
        print("no recorded traces to make inputs from (../shared/traces)", file=sys.stderr)
        return 1
    if "prepare" in options.sections:
        rest = [section for section in options.sections if section != "prepare"]
        prepare(options.inputs, options.mb, rest or list(SECTIONS))
        return 0
    found: dict[str, Any] = json.loads(options.keep.read_text()) if options.keep.exists() else {}
    wanted = options.sections or ([] if options.docs else SECTIONS)
    if "speed" in wanted:
        names = options.input or [*JSON, "xplane"]
        rows = [row for row in found.get("speed", []) if row["input"] not in names]
        rows += speed(options.inputs, options.mb, names, not options.peers_on_one)
        found["speed"] = sorted(rows, key=lambda row: [*JSON, "xplane"].index(row["input"]))
    if "memory" in wanted:
        found["memory"] = memory(options.inputs)
    if "show" in wanted:
        sizes = {"kineto-2021": SHOW_MB, "xplane": options.mb}
        asked = {name: size for name, size in sizes.items() if name in (options.input or sizes)}
        rows = [row for row in found.get("show", []) if row["input"] not in asked] + show(options.inputs, asked)
        found["show"] = sorted(rows, key=lambda row: list(sizes).index(row["input"]))
    if "readers" in wanted:
        found["readers"] = readers(options.inputs, options.mb)
    if "commands" in wanted:
        found["commands"] = commands(options.inputs, options.mb)
    options.keep.write_text(json.dumps(found, indent=1) + "\n")
    if options.docs:
        document(found)
    print(table(found.get("speed", []), found.get("memory", [])))
    if "readers" in found:
        print(readers_table(found["readers"]))
    if "show" in found:
        print(show_table(found["show"]))
    if "commands" in found:
        print(commands_table(found["commands"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
