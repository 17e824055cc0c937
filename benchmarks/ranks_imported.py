"""What importing a folder of ranks costs: by processes of this machine and by a Dask cluster's, with one worker and
with two, and when one dies.

Each import is the command, `dlprof import FOLDER -o DATASET`, from its start to its end, with all files in the page
cache. A cluster is a real `distributed.LocalCluster` of worker processes on loopback, begun before the command and not
in its time. Memory of a worker is the greatest resident size that the system tells of it (VmHWM), looked at every
twentieth of a second.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ranks_made import RECORDED

ENGINES = ("processes", "Dask")
RECORDINGS = len(list(RECORDED.glob("rank*.json.gz")))
"""Of which the ranks are made by turns."""
_EVERY_S = 0.05


@dataclass(slots=True)
class Imported:
    """One import: seconds of wall, of CPU (None on a cluster, whose workers are no children), peak memory of each
    worker, bytes."""

    seconds: float
    cpu_s: float | None
    workers: dict[int, int] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        return {"s": self.seconds, "cpu_s": self.cpu_s, "worker_bytes": sorted(self.workers.values(), reverse=True)}


@contextmanager
def some(folder: Path, ranks: int) -> Iterator[Path]:
    """A folder of the first ranks of another, the same files; removed at the end."""
    files = sorted(folder.glob("rank*.json"), key=lambda file: int(file.stem.removeprefix("rank")))[:ranks]
    if len(files) < ranks:
        raise SystemExit(f"{folder}: holds {len(files)} ranks, not {ranks}; make more: ranks.py made")
    with tempfile.TemporaryDirectory(prefix=".some-", dir=folder.parent) as place:
        inside = Path(place) / folder.name
        inside.mkdir()
        for file in files:
            os.link(file, inside / file.name)
            with file.open("rb") as read:  # into the page cache, for all alike
                while read.read(1 << 24):
                    pass
        yield inside


def imported(folder: Path, target: Path, workers: int, scheduler: str | None = None, kill: bool = False) -> Imported:
    """One import into a new data set. kill: the first worker that is at work when half of the ranks are there is killed."""
    shutil.rmtree(target, ignore_errors=True)
    words = [sys.executable, "-m", "dlprof", "import", str(folder), "-o", str(target)]
    words += ["--jobs", str(workers)] if scheduler is None else ["--scheduler", scheduler]
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(words, stdout=said, stderr=said)
        found = Imported(0.0, None)
        over = threading.Event()
        watching = threading.Thread(target=_watch, args=(process.pid, found, over))
        if scheduler is None:
            watching.start()
        if kill:
            _kill_one(process, folder, target)
        _, status, used = os.wait4(process.pid, 0)
        found.seconds = time.perf_counter() - begun
        over.set()
        process.returncode = os.waitstatus_to_exitcode(status)
        if scheduler is None:
            watching.join()
            found.cpu_s = used.ru_utime + used.ru_stime
            if workers == 1:  # the command itself reads them
                found.workers = {process.pid: used.ru_maxrss * 1024}
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(words)}: exit {process.returncode}\n{said.read().decode()}")
    return found


def _watch(pid: int, found: Imported, over: threading.Event) -> None:
    while not over.wait(_EVERY_S):
        for worker in _workers(pid):
            found.workers[worker] = max(found.workers.get(worker, 0), _peak(worker))


def _workers(pid: int) -> list[int]:
    """The reading processes among the children of a command: those that multiprocessing spawned."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
    except OSError:
        return []


def _peak(pid: int) -> int:
    """Greatest resident size so far, bytes; 0 of one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _kill_one(process: subprocess.Popen[bytes], folder: Path, target: Path) -> None:
    """Kill the process that reads a rank as soon as half of the ranks are there: the one that holds its unfinished folder."""
    half = len(list(folder.iterdir())) // 2
    while process.poll() is None:
        there = len(list(target.glob("run=*/rank=*/_facts.json")))
        for pid in _readers(target) if there >= half else ():
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(_EVERY_S / 5)
    raise SystemExit("the import ended before a worker could be killed; use more ranks")


def _readers(target: Path) -> Iterator[int]:
    """Processes that have a file of an unfinished rank open."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            names = [str(one.readlink()) for one in (place / "fd").iterdir()]
        except OSError:
            continue
        if any(name.startswith(str(target)) and "/.file-of-rank-" in name for name in names):
            yield int(place.name)


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """Worker processes of one thread each on loopback."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0") as made:
        yield made


def on_cluster(folder: Path, target: Path, workers: int, kill: bool = False) -> Imported:
    """The same on a cluster of its own."""
    with cluster(workers) as made:
        found = imported(folder, target, workers, made.scheduler_address, kill)
        found.workers = {one.pid: _peak(one.pid) for one in made.workers.values()}
    return found


def by(engine: str, folder: Path, target: Path, workers: int, kill: bool = False) -> Imported:
    call = {"processes": imported, "Dask": on_cluster}[engine]
    return call(folder, target, workers, kill=kill)


def digest(target: Path) -> str:
    """Of all that a data set holds, events, summaries and index to the last byte; but for when and by which command it
    was made."""
    found = hashlib.sha256()
    for file in sorted(path for path in target.rglob("*") if path.is_file()):
        found.update(str(file.relative_to(target)).encode())
        content = file.read_bytes()
        if file.name == "dataset.json":
            content = json.dumps({**json.loads(content), "created": "", "command": []}).encode()
        found.update(hashlib.sha256(content).digest())
    return found.hexdigest()


def scaling(folder: Path, ranks: int, times: int) -> dict[str, Any]:
    """Imports of the first `ranks` with one worker and two, in turn, by both engines; then all of the folder by each
    engine with two."""
    runs: dict[str, dict[int, list[Imported]]] = {engine: {1: [], 2: []} for engine in ENGINES}
    digests = set()
    size = 0
    with some(folder, ranks) as inside:
        target = inside.parent / "set"
        size = sum(file.stat().st_size for file in inside.iterdir())
        for engine in ENGINES:
            for again in range(times):
                for workers in (1, 2) if again % 2 == 0 else (2, 1):
                    one = by(engine, inside, target, workers)
                    digests.add(digest(target))
                    runs[engine][workers].append(one)
                    print(engine, workers, one.told(), file=sys.stderr)
    return {
        "ranks": ranks, "bytes": size, "same": len(digests) == 1,
        "runs": {engine: {str(n): [one.told() for one in found] for n, found in each.items()} for engine, each in runs.items()},
        "whole": _whole(folder),
        **_where(),
    }  # fmt: skip


def _whole(folder: Path) -> dict[str, Any]:
    """All ranks by each engine with two workers: as much memory as for few, and the same result; and what is found of them."""
    ranks = len(list(folder.glob("rank*.json")))
    told, digests = {}, set()
    with some(folder, ranks) as inside:
        target = inside.parent / "set"
        for engine in ENGINES:
            told[engine] = by(engine, inside, target, 2).told()
            digests.add(digest(target))
            print(engine, "all", told[engine], file=sys.stderr)
        named = _named(target)
        size = sum(file.stat().st_size for file in inside.iterdir())
        stored = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    return {
        "ranks": ranks,
        "bytes": size,
        "stored_bytes": stored,
        "same": len(digests) == 1,
        "named": named,
        "runs": told,
    }


def _named(target: Path) -> dict[str, Any]:
    """The first straggler, and by how much the ranks that are made of the same recording, undisturbed, exceed the others."""
    from dlprof.api.ranks.read import analyse

    found = analyse(target)
    worst = found.stragglers[0]
    alike = (worst.rank + RECORDINGS) % len(found.ranks)
    own = [one.excess.mean for one in found.stragglers if one.rank == alike]
    told = {"rank": worst.rank, "ns": worst.excess.mean, "low": worst.excess.low, "high": worst.excess.high}
    return {**told, "alike": alike, "alike_ns": own[0] if own else 0.0}


def killed(folder: Path, ranks: int, engines: Sequence[str] = ENGINES) -> dict[str, Any]:
    """A worker killed when half of the ranks are there, by each engine, against an import that nothing disturbed."""
    told = {}
    with some(folder, ranks) as inside:
        target = inside.parent / "set"
        imported(inside, target, 2)
        wanted = digest(target)
        for engine in engines:
            found = by(engine, inside, target, 2, kill=True)
            told[engine] = {"s": found.seconds, "same": digest(target) == wanted}
            print(engine, "killed", told[engine], file=sys.stderr)
    return {"ranks": ranks, "runs": told, **_where()}


def _where() -> dict[str, Any]:
    return {"cpus": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0], "python": platform.python_version()}


def told(scaling: dict[str, Any], killed: dict[str, Any] | None) -> str:
    """The tables and what they show, Markdown."""
    from marked import table

    rows = []
    for engine, runs in scaling["runs"].items():
        one, two = (statistics.median(run["s"] for run in runs[workers]) for workers in ("1", "2"))
        pairs = [a["s"] / b["s"] for a, b in zip(runs["1"], runs["2"], strict=True)]
        memory = [max(max(run["worker_bytes"]) for run in runs[workers]) / 1e6 for workers in ("1", "2")]
        whole = scaling["whole"]["runs"][engine]
        row = [engine, f"{one:.1f}", f"{two:.1f}", f"{one / two:.2f} ({min(pairs):.2f} to {max(pairs):.2f})"]
        row += [f"{memory[0]:.0f}", f"{memory[1]:.0f}", f"{whole['s']:.1f}", f"{max(whole['worker_bytes']) / 1e6:.0f}"]
        rows.append(row)
    whole, times = scaling["whole"], len(scaling["runs"]["processes"]["1"])
    few, every = f"{scaling['ranks']} ranks", f"{whole['ranks']} ranks"
    titles = ["engine", f"{few}, one worker, s", "two, s", "ratio", "memory of one, MB", "of two, the larger, MB"]
    titles += [f"{every}, two, s", "memory, the larger, MB"]
    named = whole["named"]
    lines = [
        table(titles, rows).replace(
            f"| {' | '.join(['---'] * len(titles))} |", f"| --- {'| ---: ' * (len(titles) - 1)}|"
        ),
        "",
        f"Medians of {times} imports each, one worker and two in turn; in brackets the ratios of neighbours. A rank is "
        f"{whole['bytes'] / whole['ranks'] / 1e6:.0f} MB of JSON. {_same(scaling['same'] and whole['same'])} Rank "
        f"{named['rank']} is named, with {named['ns'] / 1e6:.2f} ms{_interval(named)} where 30 were planted in a recording "
        f"that, as rank {named['alike']} shows, exceeds the others by {named['alike_ns'] / 1e6:.2f} undisturbed. "
        f"{_busy(scaling)} {scaling['cpus']} processors, a load of {scaling['load']:.1f} when it ended.",
    ]
    if killed is not None:
        each = [
            f"by {engine} {run['s']:.1f} s, {'the same result' if run['same'] else 'ANOTHER result'}"
            for engine, run in killed["runs"].items()
        ]
        lines += ["", f"A worker killed when half of {killed['ranks']} ranks were there: {'; '.join(each)}."]
    return "\n".join(lines)


def _busy(scaling: dict[str, Any]) -> str:
    runs = scaling["runs"]["processes"]
    one, two = (statistics.median(run["cpu_s"] / run["s"] for run in runs[workers]) for workers in ("1", "2"))
    return (
        f"One worker's import kept {one:.2f} processors busy, for a file's digest and copy are made beside its reading, and "
        f"two workers' {two:.2f}: where all are busy that is the greatest ratio there can be."
    )


def _interval(named: dict[str, Any]) -> str:
    return "" if named["low"] is None else f" [{named['low'] / 1e6:.2f}, {named['high'] / 1e6:.2f}]"


def _same(same: bool) -> str:
    return (
        "All data sets of the same ranks are the same to the last byte, whichever engine made them, with however many workers."
        if same
        else "The data sets of the same ranks DIFFER."
    )
