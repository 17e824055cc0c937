"""A side against itself on this machine: how often verdicts are wrong, and how small a difference can be seen."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dlprof import stats
from dlprof.analysis import exhibits
from dlprof.api.opening import now
from dlprof.api.options import RunOptions
from dlprof.api.progress import Progress
from dlprof.api.recording import Bench
from dlprof.capture import provenance
from dlprof.capture.cache import cache_dir
from dlprof.capture.launch import Worker
from dlprof.capture.schedule import Plan, Trial, run_trials
from dlprof.errors import UsageError
from dlprof.store import atomic

FEWEST_TRIALS = 2 * stats.MIN_TRIALS


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration as saved. item: what was timed. seconds: median wall time of a trial, start of processes included.
    without_ratio: trials that gave none (a side without a usable time) and are left out."""

    workload: str
    side: str
    item: str
    created: str
    machine: dict[str, Any]
    seconds: float
    log_ratios: list[float]
    without_ratio: int
    result: stats.Calibration
    path: Path


def calibrate(options: RunOptions, side_text: str, time_s: float, progress: Progress) -> Calibrated:
    """Run trials of a side against itself for `time_s`, add them to those of earlier runs here, and say what they show.

    Trials are kept below the cache folder as they finish. Raises `UsageError` where fewer than twelve are there in the end.
    """
    with tempfile.TemporaryDirectory(prefix="dlprof-") as scratch:
        bench = Bench(options, progress, Path(scratch))
        side = bench.side(side_text)
        workload = options.resolve(side.framework.name)
        item = {"infer": "infer_block", "train": "train_block"}.get(str(workload.description.get("task")))
        environment, made = bench.environment(side), bench.inputs(workload, 1)
        kept = _Kept(folder(workload.name, side.slug))
        progress.stage("trials of a side against itself", time_s)
        deadline = time.monotonic() + time_s

        def start(which: str, number: int) -> Worker:
            request = bench.request(side, workload, made, task="serve")
            return Worker(environment, request, Path(scratch) / f"trial-{number}-{which}", options.timeout_s)

        def finished(trial: Trial) -> bool:
            kept.add(trial)
            left = deadline - time.monotonic()
            progress.expect(max(left, 0.0))
            progress.say(f"  trial {kept.count}: {trial.wall_s:.0f} s")
            return left > trial.wall_s

        plan = Plan(trials=10_000, seed=options.seed, items=(item,) if item else None)
        run_trials(plan, start, finished, first=kept.count)
    if kept.count < FEWEST_TRIALS:
        raise UsageError(
            f"{kept.count} trials in {time_s:g} s: a calibration needs {FEWEST_TRIALS}",
            hint="they are kept; run it again, or give more --time",
        )
    return kept.result(workload.name, side.slug)


def folder(workload: str, slug: str) -> Path:
    """Where the trials of a workload and side lie on this machine."""
    return cache_dir() / "calibration" / f"{workload}-{slug}"


def saved(workload: str, slug: str) -> dict[str, Any] | None:
    """The calibration of this workload and side on this machine, as last saved; None where there is none."""
    path = folder(workload, slug) / "calibration.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return found


class _Kept:
    """The trials in the cache: timings.parquet with all of them, wall times beside it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        self._file = place / "timings.parquet"
        self._table: pa.Table | None = pq.read_table(self._file) if self._file.exists() else None
        seconds = place / "seconds.json"
        self._seconds: list[float] = msgspec.json.decode(seconds.read_bytes()) if seconds.exists() else []

    @property
    def count(self) -> int:
        return len(self._seconds)

    def add(self, trial: Trial) -> None:
        tables = [trial.timings] if self._table is None else [self._table, trial.timings]
        self._table = pa.concat_tables(tables).unify_dictionaries()
        self._seconds.append(trial.wall_s)
        with atomic(self._file) as temporary:
            pq.write_table(self._table, temporary, compression="zstd")
        with atomic(self.place / "seconds.json") as temporary:
            temporary.write_bytes(msgspec.json.encode(self._seconds))

    def result(self, workload: str, slug: str) -> Calibrated:
        assert self._table is not None
        timed = exhibits.trials(self._table)[0]
        ratios = [math.log(ratio) for ratio in timed.ratios if math.isfinite(ratio)]
        seconds = statistics.median(self._seconds)
        calibrated = Calibrated(
            workload=workload,
            side=slug,
            item=timed.item,
            created=now(),
            machine=provenance.machine(),
            seconds=seconds,
            log_ratios=ratios,
            without_ratio=len(timed.ratios) - len(ratios),
            result=stats.calibrate(ratios, seconds),
            path=self.place / "calibration.json",
        )
        with atomic(calibrated.path) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(plain(calibrated)), indent=1))
        return calibrated


def plain(calibrated: Calibrated) -> dict[str, Any]:
    """As JSON values."""
    value = asdict(calibrated)
    value["path"] = str(calibrated.path)
    value["schema_version"] = 1
    return value
