"""What the children of a run used while it lasted: CPU, memory, storage and GPU, sampled by a thread of the parent."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dlprof import schema
from dlprof.capture.machine.devices import nvidia_gpus
from dlprof.capture.machine.nvml import Watch
from dlprof.capture.workers.launch import RUNNER
from dlprof.stored_files import read_table
from dlprof.temporary import atomic

MONITORS_FILE: Final = "monitors.parquet"
SAVED_EVERY_S: Final = 30.0
"""How much of the samples a killed run may lose."""

PERIOD_S: Final = 1.0
"""A sample walks /proc, some milliseconds of a core: at one a second the share that it takes from the run stays well below
one percent, and each file says how much it was."""


SAMPLES: Final = "samples"
"""How often was looked."""

COST: Final = "cost_cpu_s"
"""The CPU time that looking took."""

_FACTS: Final = ("period_s", SAMPLES, COST)


def read(file: Path) -> pa.Table:
    """What `Monitors.write` wrote. Raises `StoreError`; `FileNotFoundError` is the caller's."""
    return read_table(file, schema.MONITORS, facts=_FACTS)


class Monitors:
    """Samples the machine while children run: `with Monitors(kinds) as monitors: …; monitors.write(path)`.

    It looks at the child processes that `capture.launch` started from here, each with its descendants.

    kinds: of cpu, memory, disk, gpu; the others' columns stay null
    gpu: which one, as children count them
    earlier: the table of an earlier session, after whose last sample this one goes on
    spare: where the samples so far are saved every half minute, in case this process is killed
    """

    def __init__(
        self,
        kinds: Collection[str],
        *,
        gpu: int = 0,
        period_s: float = PERIOD_S,
        earlier: pa.Table | None = None,
        spare: Path | None = None,
    ) -> None:
        self._kinds = frozenset(kinds)
        self._period_s = period_s
        self._watch = Watch(_identity(gpu)) if "gpu" in self._kinds else None
        self._rows: list[dict[str, Any]] = []
        self._last: dict[int, tuple[int, float]] = {}
        self._names: dict[int, str] = {}
        self._earlier = earlier
        self._spare = spare
        self._saved_every = max(round(SAVED_EVERY_S / period_s), 1)
        self._offset_ns = int(pc.max(earlier["t_ns"]).as_py() or 0) if earlier is not None else 0
        self._began_ns = time.monotonic_ns()
        self._cpu_ns = 0
        self._samples = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dlprof-monitors", daemon=True)

    def __enter__(self) -> Self:
        self._began_ns = time.monotonic_ns()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if self._watch is not None:
            self._watch.close()

    def table(self) -> pa.Table:
        """What was sampled so far (schema.MONITORS); metadata: period_s, samples, and cost_cpu_s, what sampling itself took."""
        table = pa.Table.from_pylist(self._rows, schema=schema.MONITORS)
        samples, cost_s = self._samples, self._cpu_ns / 1e9
        if self._earlier is not None:
            table = pa.concat_tables([self._earlier.cast(schema.MONITORS), table]).unify_dictionaries()
            before = self._earlier.schema.metadata
            samples, cost_s = samples + int(float(before[SAMPLES.encode()])), cost_s + float(before[COST.encode()])
        facts = dict(zip(_FACTS, (self._period_s, samples, round(cost_s, 3)), strict=True))
        return table.replace_schema_metadata({key: str(value) for key, value in facts.items()})

    def write(self, path: Path) -> None:
        with atomic(path) as temporary:
            pq.write_table(self.table(), temporary, compression="zstd")

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self._sample()
            self._samples += 1
            if self._spare is not None and self._samples % self._saved_every == 0:
                with contextlib.suppress(OSError):  # a full disk is told by what is written in the end
                    self.write(self._spare)
            self._cpu_ns = time.thread_time_ns()

    def _sample(self) -> None:
        graphics = self._watch.read() if self._watch else {}
        for child in _children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                self._rows.append(self._row(child, graphics))

    def _row(self, child: psutil.Process, graphics: dict[str, Any]) -> dict[str, Any]:
        now = time.monotonic_ns()
        tree = [child, *child.children(recursive=True)]
        row: dict[str, Any] = {
            "t_ns": self._offset_ns + now - self._began_ns,
            "process": self._name(child),
            "pid": child.pid,
        }
        if "cpu" in self._kinds:
            row["cpu_percent"] = self._cpu_percent(child.pid, now, sum(_cpu_s(one) for one in tree))
        if "memory" in self._kinds:
            row["rss_bytes"] = sum(_rss(one) for one in tree)
        if "disk" in self._kinds:
            row["read_bytes"], row["write_bytes"] = map(sum, zip(*map(_storage, tree), strict=True))
        row["gpu_percent"] = graphics.get("utilisation_percent")
        row["gpu_memory_bytes"] = graphics.get("memory_used_bytes")
        row["gpu_power_w"] = graphics.get("power_w")
        return row

    def _cpu_percent(self, pid: int, now_ns: int, used_s: float) -> float | None:
        last = self._last.get(pid)
        self._last[pid] = (now_ns, used_s)
        if last is None:
            return None
        # A descendant that ended takes its time with it, so a sum may fall; that is no use below nothing.
        return max(used_s - last[1], 0.0) / ((now_ns - last[0]) / 1e9) * 100

    def _name(self, child: psutil.Process) -> str:
        """The child's control folder; that of a capture under way has the temporary name `.NAME.partial-PID-TOKEN`."""
        if child.pid not in self._names:
            folder = Path(child.cwd()).name or str(child.pid)
            self._names[child.pid] = folder.removeprefix(".").partition(".partial-")[0]
        return self._names[child.pid]


def _identity(gpu: int) -> str | int:
    """The UUID of the GPU that children call number `gpu`, which is another number where CUDA_VISIBLE_DEVICES hides some."""
    known = [one.uuid for one in nvidia_gpus() if one.index == gpu and one.uuid]
    return known[0] if known else gpu


def _children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process(os.getpid()).children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if any(Path(word).parent == RUNNER.parent for word in child.cmdline()):
                found.append(child)
    return found


def _cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _rss(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return int(process.memory_info().rss)
    return 0


def _storage(process: psutil.Process) -> tuple[int, int]:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        counted = process.io_counters()
        return int(counted.read_bytes), int(counted.write_bytes)
    return 0, 0
