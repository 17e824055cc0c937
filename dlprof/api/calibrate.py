"""A side against itself on this machine: how often verdicts are wrong, and how small a difference can be seen."""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dlprof import frameworks, schema, stats, temporary
from dlprof.analysis.timing import lockstep
from dlprof.analysis.timing.verdicts import HEADLINES
from dlprof.api.import_traces import now
from dlprof.api.lockstep.plan import enough_of, plan_of
from dlprof.api.lockstep.rounds import rounds_in
from dlprof.api.options import DEFAULT_BUDGET_S, RunOptions
from dlprof.api.progress import Progress
from dlprof.api.record import Bench, check_mode
from dlprof.api.sides import SideSpec
from dlprof.capture.environments.cache import cache_dir
from dlprof.capture.machine import provenance
from dlprof.capture.workers.schedule import run_trials
from dlprof.capture.workers.trial import Trial
from dlprof.capture.workers.worker import Worker
from dlprof.errors import Interrupted, UsageError
from dlprof.manifest import Disturbance, Machine
from dlprof.names import trial_folder
from dlprof.stored_files import read_as, read_table
from dlprof.temporary import atomic
from dlprof.workload import Workload

FEWEST_TRIALS = 2 * stats.MIN_TRIALS
SHORTEST_TRIAL_S = 5.0
"""Two children are started for a trial, each imports its framework and warms up: no framework does it in less."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One timed item of a calibration.

    without_ratio: trials that are left out, since a side had no usable time
    result: None where the other trials are too few or do not vary
    """

    log_ratios: list[float]
    without_ratio: int
    result: stats.Calibration | None


class TrialNote(msgspec.Struct, frozen=True):
    """A trial of a calibration beside its timings: how long it took, rounds of each group, what else the machine did."""

    wall_s: float
    rounds: list[int]
    machine: Disturbance | None


class Calibrated(msgspec.Struct, frozen=True, kw_only=True):
    """A calibration (A against A) as saved.

    items: what was timed, the headline first
    seconds: median wall time of a trial, start of processes included
    conditions: what else must agree before it may speak of a comparison (`folder`)
    """

    schema_version: int = 2
    workload: str
    side: str
    label: str
    created: str
    machine: Machine
    conditions: dict[str, Any]
    trials: int
    seconds: float
    items: dict[str, Item]
    path: str


def calibrate(options: RunOptions, side_text: str, time_s: float, progress: Progress) -> tuple[Calibrated, bool]:
    """Run trials of a side against itself for `time_s`, add them to those of earlier runs here, and say what they show.

    Trials run as those of a comparison do, and are kept below the cache folder as they finish. Ctrl-C ends them early: the
    second value says so. Raises `UsageError` where fewer than twelve are there in the end.
    """
    with temporary.folder() as scratch:
        bench = Bench(options, progress, scratch)
        side = bench.side(side_text)
        workload = options.resolve(side.framework.name)
        check_mode(side, workload)
        environment, made = bench.environment(side), bench.inputs(workload, 1)
        kept = _Kept(folder(workload, side, options))
        if kept.count:
            progress.say(f"{kept.count} trials of earlier runs are there")
        _check_time(FEWEST_TRIALS - kept.count, time_s)
        progress.stage("trials of a side against itself", time_s)
        deadline = time.monotonic() + time_s

        def start(which: str, number: int) -> Worker:
            request = bench.request(side, workload, made, task="serve")
            return Worker(environment, request, scratch / trial_folder(number, which), options.timeout_s)

        def finished(trial: Trial) -> bool:
            kept.add(trial)
            left = deadline - time.monotonic()
            progress.expect(max(left, 0.0))
            progress.say(f"  trial {kept.count}: {kept.standing()} ({trial.wall_s:.0f} s)")
            return left > trial.wall_s

        plan = plan_of(workload, trials=10_000, seed=options.seed, budget_s=DEFAULT_BUDGET_S)
        stopped = run_trials(
            plan,
            start,
            finished,
            enough=enough_of(workload),
            first=kept.count,
            rounds=kept.rounds,
            rounds_of=None if kept.rounds else rounds_in(workload, DEFAULT_BUDGET_S),
        ).interrupted
    _check_count(kept.count, stopped)
    return kept.result(workload, side, options), stopped


def _check_count(count: int, stopped: bool) -> None:
    """Raises `UsageError` where there are too few trials, `Interrupted` where they are too few because it was stopped."""
    if count < FEWEST_TRIALS:
        told = f"{count} trials: a calibration needs {FEWEST_TRIALS}"
        if stopped:
            raise Interrupted(f"interrupted after {told}", hint="they are kept; run it again to add to them")
        raise UsageError(told, hint="they are kept; run it again, or give more --time")


def _check_time(missing: int, time_s: float) -> None:
    """Raises `UsageError` where the trials that are missing cannot be run in `time_s`, before any is."""
    least = missing * SHORTEST_TRIAL_S
    if time_s < least:
        raise UsageError(
            f"--time {time_s:.0f}s is too short: {missing} trials are missing, and one takes at least {SHORTEST_TRIAL_S:.0f} s",
            hint=f"give at least --time {math.ceil(least)}s; 20m is usual, and a later run adds to an earlier one",
        )


def _conditions(workload: Workload, side: SideSpec, options: RunOptions) -> dict[str, Any]:
    """What must agree for trials to be of one population, beside the side that the folder's name gives."""
    return {
        "workload": frameworks.own_calls(workload, side.framework.name).description,
        "python": None if options.python is None else str(options.python.absolute()),
        "environment": side.env.name,
        "threads": options.threads,
        "cpu": provenance.cpu_model(),
    }


def folder(workload: Workload, side: SideSpec, options: RunOptions) -> Path:
    """Where the trials of a workload (as resolved) and side lie on this machine."""
    conditions = msgspec.json.encode(_conditions(workload, side, options), order="deterministic")
    digest = hashlib.sha256(conditions).hexdigest()[:8]
    return cache_dir() / "calibration" / f"{workload.name}-{side.slug}-{digest}"


def saved(workload: Workload, side: SideSpec, options: RunOptions) -> Calibrated | None:
    """The calibration of this workload and side on this machine, as last saved; None where there is none."""
    path = folder(workload, side, options) / "calibration.json"
    return read(path) if path.is_file() else None


def read(path: Path) -> Calibrated:
    """A saved calibration. Raises `StoreError` for anything else."""
    return read_as(path, Calibrated)


class _Kept:
    """The trials in the cache: timings.parquet with all of them, wall times and rounds beside it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        self._file = place / "timings.parquet"
        for left in list(temporary.left_beside(place)):
            temporary.remove(left)
        facts = place / "trials.json"
        self._trials: list[TrialNote] = read_as(facts, list[TrialNote]) if facts.exists() else []
        self._table: pa.Table | None = None
        if self._trials and self._file.exists():
            # A trial counts once trials.json names it: killed between the two files, its rows are left out here.
            self._table = read_table(self._file, schema.TIMINGS).filter(pc.field("trial") < len(self._trials))

    @property
    def count(self) -> int:
        return len(self._trials)

    @property
    def rounds(self) -> tuple[int, ...] | None:
        """Rounds of each group in the first trial, which all others have too."""
        return tuple(self._trials[0].rounds) if self._trials else None

    def add(self, trial: Trial) -> None:
        tables = [trial.timings] if self._table is None else [self._table, trial.timings]
        self._table = pa.concat_tables(tables).unify_dictionaries()
        facts = TrialNote(trial.wall_s, list(trial.group_rounds), trial.machine)
        self._trials.append(facts)
        with atomic(self._file) as file:
            pq.write_table(self._table, file, compression="zstd")
        with atomic(self.place / "trials.json") as file:
            file.write_bytes(msgspec.json.encode(self._trials))

    def standing(self) -> str:
        """The headline's spread between trials so far."""
        ratios = next(iter(self._ratios().values()))
        usable = [ratio for ratio in ratios if math.isfinite(ratio)]
        return f"SD {statistics.stdev(usable):.3f} so far" if len(usable) > 1 else "no spread yet"

    def result(self, workload: Workload, side: SideSpec, options: RunOptions) -> Calibrated:
        seconds = statistics.median(trial.wall_s for trial in self._trials)
        calibrated = Calibrated(
            workload=workload.name,
            side=side.slug,
            label=side.label,
            created=now(),
            machine=provenance.machine(side.env.variables),
            conditions=_conditions(workload, side, options),
            trials=self.count,
            seconds=seconds,
            items={item: _item(ratios, seconds) for item, ratios in self._ratios().items()},
            path=str(self.place / "calibration.json"),
        )
        with atomic(self.place / "calibration.json") as file:
            file.write_bytes(msgspec.json.format(msgspec.json.encode(calibrated), indent=1))
        return calibrated

    def _ratios(self) -> dict[str, list[float]]:
        """Item → log-ratio of each trial, the headline first."""
        assert self._table is not None
        found = lockstep.by_item(self._table)
        order = sorted(found, key=lambda item: HEADLINES.index(item) if item in HEADLINES else len(HEADLINES))
        return {item: [trial.log_ratio for trial in found[item].values()] for item in order}


def _item(ratios: list[float], seconds: float) -> Item:
    usable = [ratio for ratio in ratios if math.isfinite(ratio)]
    enough = len(usable) >= FEWEST_TRIALS and len(set(usable)) > 1
    return Item(
        log_ratios=usable,
        without_ratio=len(ratios) - len(usable),
        result=stats.calibrate(usable, seconds) if enough else None,
    )
