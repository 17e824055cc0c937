"""A comparison from start to end: parity, lockstep trials, traced runs, findings, a directory that holds it all."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dlprof import __version__, stats
from dlprof.analysis import columns, parity
from dlprof.analysis import compare as analysis
from dlprof.analysis.model import Comparison, Side
from dlprof.analysis.verdicts import HEADLINES
from dlprof.api.evidence import evidence_of, side_of
from dlprof.api.opening import now
from dlprof.api.options import RunOptions
from dlprof.api.progress import Progress
from dlprof.api.recording import Bench, check_mode, epochs_of, output_folder, record
from dlprof.api.sides import SideSpec
from dlprof.capture import provenance
from dlprof.capture.launch import Worker
from dlprof.capture.schedule import Plan, Trial, Trials, run_trials
from dlprof.errors import DlprofError, Interrupted, NotComparable, StoreError
from dlprof.protocol import Inputs
from dlprof.report import json
from dlprof.store import COMPARISON_FILE, Capture, CaptureWriter, Manifest, atomic
from dlprof.workload import Workload

DEFAULT_BUDGET_S = 300.0
TRIAL_ESTIMATE_S = 20.0
TRACE_ESTIMATE_S = 45.0


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What `dlprof compare` was asked for. trials: exactly so many (fixed design), else adaptive within budget_s."""

    run: RunOptions
    a: str
    b: str
    budget_s: float
    trials: int | None
    precision: float | None
    margin: float
    traces: int
    gate: float | None
    output: Path | None

    @property
    def adaptive(self) -> bool:
        return self.trials is None


def compare(options: CompareOptions, progress: Progress) -> tuple[Comparison, int]:
    """Run the comparison; returns it and the exit code. The directory is complete when this returns."""
    with tempfile.TemporaryDirectory(prefix="dlprof-") as scratch:
        bench = Bench(options.run, progress, Path(scratch))
        sides = {"a": bench.side(options.a), "b": bench.side(options.b)}
        workloads = {name: options.run.resolve(side.framework.name) for name, side in sides.items()}
        for name, side in sides.items():
            check_mode(side, workloads[name])
        target = output_folder(options.output, f"{workloads['a'].name}-{sides['a'].slug}-vs-{sides['b'].slug}")
        if target.exists():
            raise StoreError(f"{target}: exists already", hint="choose another -o, or remove it")
        progress.plan(_estimates(options, sides))
        with CaptureWriter(target) as writer:
            return _Comparing(options, bench, sides, workloads, writer).run()


@dataclass(slots=True)
class _Comparing:
    """One comparison under way; what is finished is on disk under the writer's temporary name."""

    options: CompareOptions
    bench: Bench
    sides: Mapping[str, SideSpec]
    workloads: Mapping[str, Workload]
    writer: CaptureWriter
    differences: tuple[Mapping[str, str], ...] = ()
    finished: list[Trial] = field(default_factory=list)
    captures: dict[str, Capture] = field(default_factory=dict)
    stopped: str = ""
    deadline: float = 0.0
    trial_began: float = 0.0

    def run(self) -> tuple[Comparison, int]:
        try:
            trials = self._trials()
            if not trials.interrupted:
                self._traces()
        except KeyboardInterrupt:
            self.stopped = "interrupted while tracing"
        except NotComparable:
            self.stopped = "not comparable"
        except DlprofError as error:
            self._keep_finished(error)
            raise
        if self.stopped and not self.finished and not self.differences:
            raise Interrupted("interrupted before the first trial was finished: nothing to keep")
        found = self._findings()
        capture = self._commit(found)
        self.bench.progress.say(f"written: {capture.path}")
        return found, self._exit_code(found)

    def _keep_finished(self, error: DlprofError) -> None:
        """A worker failed: what was finished before is kept as an incomplete comparison, and the error says where."""
        if not self.finished:
            return
        self.stopped = f"failed: {error.message.splitlines()[0]}"
        self.bench.warn(f"stopped by a failure after {len(self.finished)} trials")
        kept = self._commit(self._findings())
        error.hint = (
            f"{error.hint + '; ' if error.hint else ''}the {len(self.finished)} finished trials are in {kept.path}"
        )

    def _trials(self) -> Trials:
        for side in self.sides.values():
            self.bench.environment(side)
        made = {name: self.bench.inputs(workload, 1) for name, workload in self.workloads.items()}
        self.bench.progress.stage("trials")
        self.deadline = time.monotonic() + self.options.budget_s
        looks = stats.look_schedule()
        plan = Plan(
            trials=self.options.trials or looks[-1], seed=self.options.run.seed, items=_items(self.workloads["a"])
        )
        trials = run_trials(
            plan,
            lambda side, number: self._worker(side, number, made[side]),
            self._after_trial,
            on_ready=self._check_parity,
            on_step=self._show_step,
        )
        if trials.interrupted:
            self.stopped = f"interrupted after {len(trials.trials)} trials"
            self.bench.warn(f"{self.stopped}: the verdict rests on those alone")
        return trials

    def _worker(self, side: str, number: int, made: Inputs) -> Worker:
        spec = self.sides[side]
        request = self.bench.request(spec, self.workloads[side], made, task="serve")
        control = self.bench.scratch / f"trial-{number}-{side}"
        return Worker(self.bench.environment(spec), request, control, self.options.run.timeout_s)

    def _check_parity(self, number: int, workers: Mapping[Any, Worker]) -> None:
        """In the first trial, before anything is timed: same outputs from the same weights, and what else differs."""
        if number:
            return
        arrays = {side: worker.parity() for side, worker in workers.items()}
        facts = {side: _facts(worker.ready) for side, worker in workers.items()}
        found = [*parity.check(arrays["a"], arrays["b"]), *parity.facts(facts["a"], facts["b"])]
        self.differences = tuple(found)
        blocks = parity.blocking(found)
        for block in blocks:
            self.bench.progress.say(f"not the same work: {parity.statement(block)}")
        if blocks:
            raise NotComparable("the two sides did different work")
        self.bench.progress.say(
            f"  same work: {len(arrays['a'])} arrays agree (logits, loss, gradients, updated weights)"
        )

    def _after_trial(self, trial: Trial) -> bool:
        """Persist the trial, say where things stand, and decide whether to go on."""
        self.finished.append(trial)
        self.writer.timings(self._timings())
        for warning in trial.warnings:
            self.bench.warn(warning)
        ratios = self._log_ratios()
        n = len(ratios)
        if not self.options.adaptive:
            result = stats.compare(ratios, margin=self.options.margin)
            self.bench.progress.expect(trial.wall_s * ((self.options.trials or n) - n))
            self._say_trial(n, trial, result)
            return True
        decision = stats.decide(ratios, precision=self.options.precision, margin=self.options.margin)
        self._say_trial(n, trial, decision.result)
        left = self.deadline - time.monotonic()
        self.bench.progress.expect(min(left, trial.wall_s * max((decision.next_look or n) - n, 0)))
        if decision.stop:
            self.bench.progress.say(f"  stopping: {decision.why}")
            return False
        # A look is planned at even numbers from six on: stop between looks only when the budget cannot reach the next.
        to_next = (decision.next_look or n + 1) - n
        if n >= stats.MIN_TRIALS and left < trial.wall_s * to_next and n in stats.look_schedule():
            self.bench.warn(f"the budget of {self.options.budget_s:g} s is spent after {n} trials without a verdict")
            return False
        if n < stats.MIN_TRIALS and left < 0:
            self.bench.warn(f"the budget of {self.options.budget_s:g} s is too small for {stats.MIN_TRIALS} trials")
            return False
        return True

    def _say_trial(self, n: int, trial: Trial, result: stats.Result) -> None:
        interval = (
            f" [{result.low:.3f}, {result.high:.3f}]" if result.low is not None and result.high is not None else ""
        )
        ratio = f"ratio {result.estimate:.3f}{interval}" if result.estimate is not None else "no ratio"
        self.bench.progress.say(f"  trial {n}: {ratio} so far ({trial.rounds} rounds, {trial.wall_s:.0f} s)")

    def _show_step(self, number: int, stage: str, fraction: float) -> None:
        self.bench.progress.detail(f"trial {number + 1}: {stage}{f' {fraction:.0%}' if fraction else ''}")
        if stage == "start":
            self.trial_began = time.monotonic()
        elif fraction > 0:
            spent = time.monotonic() - self.trial_began
            whole = self.finished[-1].wall_s if self.finished else spent / fraction
            wanted = self.options.trials or next(look for look in stats.look_schedule() if look > len(self.finished))
            left = max(whole - spent, 0.0) + (wanted - len(self.finished) - 1) * whole
            self.bench.progress.expect(min(left, self.deadline - time.monotonic()) if self.options.adaptive else left)

    def _timings(self) -> pa.Table:
        return pa.concat_tables([trial.timings for trial in self.finished]).unify_dictionaries()

    def _log_ratios(self) -> list[float]:
        """One log-ratio a trial for the headline item (the first one offered that HEADLINES knows)."""
        timings = self._timings()
        present: list[str] = [str(name) for name in timings.column("item").unique().to_pylist()]
        item = next((name for name in HEADLINES if name in present), present[0])
        rows = columns.text(timings, "item").where(item) & columns.text(timings, "stage").where("timed")
        chosen = timings.filter(pa.array(rows))
        found = stats.trial_ratios(
            columns.integers(chosen, "trial"),
            columns.integers(chosen, "round"),
            columns.text(chosen, "side").where("b"),
            columns.integers(chosen, "position"),
            chosen.column("kept").to_numpy(),
            columns.integers(chosen, "wall_ns") / np.maximum(columns.integers(chosen, "units"), 1),
        )
        return [trial.log_ratio for trial in found.values()]

    def _traces(self) -> None:
        """K traced runs of fidelity exact a side, interleaved, and one native each."""
        for k in range(1, self.options.traces + 1):
            for name in ("a", "b") if k % 2 else ("b", "a"):
                # The first run trains as long as the workload says, for its accuracy; replicates only need the window.
                epochs = epochs_of(self.options.run, self.workloads[name]) if k == 1 else 1
                self._record(name, "exact", k, epochs)
        if self.options.traces:
            for name in ("a", "b"):
                self._record(name, "native", 1, 1)

    def _record(self, name: str, fidelity: str, k: int, epochs: int) -> None:
        folder = f"{name}-{fidelity}-{k}"
        self.captures[folder] = record(
            self.bench,
            self.sides[name],
            self.workloads[name],
            fidelity=fidelity,
            epochs=epochs,
            target=self.writer.partial / folder,
        )

    def _findings(self) -> Comparison:
        self.bench.progress.stage("putting it together")
        evidence = {}
        for name, spec in self.sides.items():
            mine = [capture for folder, capture in sorted(self.captures.items()) if folder.startswith(f"{name}-exact")]
            path = str(self.writer.path / f"{name}-exact-1")
            side = side_of(mine[0], path=path) if mine else self._side(spec)
            evidence[name] = evidence_of(mine, side)
        return analysis.build(
            workload=self.workloads["a"].name,
            a=evidence["a"],
            b=evidence["b"],
            timings=self._timings() if self.finished else _no_timings(),
            parity_differences=self.differences,
            margin=self.options.margin,
            adaptive=self.options.adaptive,
            warnings=self.bench.warnings,
            facts=self._facts(),
        )

    def _side(self, spec: SideSpec) -> Side:
        """A side without a capture (the run was stopped before its trace)."""
        return Side(
            framework=spec.framework.name,
            version=spec.env.version,
            device=f"{spec.device}:{spec.index}",
            mode=spec.mode,
            python=spec.env.python,
            label=spec.label,
        )

    def _facts(self) -> dict[str, object]:
        """Beside the verdict: accuracy per epoch, idle workers, disturbance, why the trials ended."""
        accuracy = {
            folder: [
                {
                    key: epoch.get(key)
                    for key in ("epoch", "traced", "wall_ns", "train_loss", "validation_accuracy", "test_accuracy")
                }
                for epoch in capture.manifest.child.get("epochs", [])
            ]
            for folder, capture in self.captures.items()
            if "-exact-1" in folder
        }
        return {
            "epochs": accuracy,
            "idle_cpu_fraction": {
                side: max((trial.idle[side] for trial in self.finished), default=None) for side in ("a", "b")
            },
            "trials": [
                {"number": t.number, "rounds": t.rounds, "wall_s": round(t.wall_s, 3), "machine": dict(t.machine)}
                for t in self.finished
            ],
            "stopped": self.stopped,
            "folder": str(self.writer.path),
        }

    def _commit(self, found: Comparison) -> Capture:
        with atomic(self.writer.partial / COMPARISON_FILE) as temporary:
            temporary.write_text(json.comparison(found), encoding="utf-8")
        shutil.rmtree(self.writer.partial / "raw", ignore_errors=True)
        return self.writer.commit(
            Manifest(
                kind="compare",
                dlprof_version=__version__,
                created=now(),
                command=provenance.invocation()["command"],
                complete=not self.stopped,
                workload={name: workload.description for name, workload in self.workloads.items()},
                options={
                    "budget_s": self.options.budget_s,
                    "trials": self.options.trials,
                    "precision": self.options.precision,
                    "margin": self.options.margin,
                    "traces": self.options.traces,
                    "stopped": self.stopped,
                },
                seed=self.options.run.seed,
                machine=provenance.machine(),
                sides={name: msgspec.to_builtins(side_facts(spec)) for name, spec in self.sides.items()},
                trials=[
                    {"number": t.number, "wall_s": t.wall_s, "idle": dict(t.idle), "machine": dict(t.machine)}
                    for t in self.finished
                ],
                warnings=list(self.bench.warnings),
            )
        )

    def _exit_code(self, found: Comparison) -> int:
        if self.stopped.startswith("interrupted"):
            return Interrupted.exit_code
        first = found.items[0] if found.items else None
        if first is not None and first.verdict == "not_comparable":
            return NotComparable.exit_code
        if self.options.gate is None:
            return 0
        ratio = first.ratio if first else None
        if ratio is None or ratio.low is None or ratio.high is None:
            return 4
        limit = 1 + self.options.gate
        return 3 if ratio.low > limit else 0 if ratio.high <= limit else 4


def _items(workload: Workload) -> tuple[str, ...] | None:
    """What is timed: of a network the task's own items, of other kinds all that the child offers."""
    if workload.kind != "network":
        return None
    return ("infer_block",) if workload.description["task"] == "infer" else ("train_block", "train_step_sync")


def side_facts(spec: SideSpec) -> dict[str, str]:
    """A side as asked for, for the manifest."""
    return {
        "framework": spec.framework.name,
        "version": spec.env.version,
        "mode": spec.mode,
        "device": f"{spec.device}:{spec.index}",
        "environment": spec.env.name,
    }


def _facts(ready: Mapping[str, Any]) -> dict[str, object]:
    """What a worker says of itself, flat, for parity."""
    versions, runtime = ready.get("versions", {}), ready.get("runtime", {})
    stated: dict[str, object] = {"python": versions.get("python"), "numpy": versions.get("numpy")}
    stated.update(runtime.get("facts", {}))
    return {name: str(value) for name, value in stated.items() if value is not None}


def _no_timings() -> pa.Table:
    from dlprof import schema

    return schema.TIMINGS.empty_table()


def _estimates(options: CompareOptions, sides: Mapping[str, SideSpec]) -> dict[str, float]:
    """Seconds of each stage, guessed before anything is known; corrected as trials finish."""
    trials = options.trials or stats.MIN_TRIALS
    stages = {
        "trials": min(options.budget_s, trials * TRIAL_ESTIMATE_S) if options.adaptive else trials * TRIAL_ESTIMATE_S
    }
    if options.traces:
        for side in sides.values():
            stages[f"tracing {side.label}, fidelity exact"] = TRACE_ESTIMATE_S * options.traces
            stages[f"tracing {side.label}, fidelity native"] = TRACE_ESTIMATE_S / 3
    return stages
