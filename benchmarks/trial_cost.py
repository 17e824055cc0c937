"""Where the seconds of a comparison's trials go: start, warm-up and rounds, each check of the work, the traced window.

    python3 benchmarks/trial_cost.py lenet --frameworks tf,mxnet --trials 2

runs `dlprof compare` with those options in this process and prints, of the first trial and of the median of the others, the
seconds that both sides together took by the clock, and in CPU time of each side, for what the child was asked: `start` until it
was ready; `parity` and `threads`, of the first trial alone; `run`: warm-up and rounds; `recheck` 1, 2, …: what is asked of the
timed objects, after the rounds and after the window; the traced window (its steps, those beside it, opening and closing). CPU
time is what the checks cost whatever else the machine does. Needs dlprof importable.
"""

from __future__ import annotations

import collections
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from dlprof.capture.workers.worker import Worker
from dlprof.cli.main import main as dlprof

WINDOW = frozenset({"open_window", "traced", "unprofiled", "close_window"})
Costs = dict[str, dict[str, tuple[float, float]]]
"""Stage → side → (seconds by the clock, in CPU time)."""


class Watched:
    """Stands in for `Worker._ask` and `Worker.ready`, and keeps what each took; trials follow from the workers' folders."""

    def __init__(self) -> None:
        self.trials: dict[str, Costs] = {}
        self._asked: collections.Counter[Worker] = collections.Counter()
        self._ask, self._ready = Worker._ask, vars(Worker)["ready"].fget

    def __enter__(self) -> Watched:
        watched = self

        def ask(worker: Worker, command: Any, *rest: Any, **named: Any) -> Any:
            if command.name == "recheck":
                watched._asked[worker] += 1
            stage = "window" if command.name in WINDOW else command.name
            if stage == "recheck":
                stage = f"recheck {watched._asked[worker]}"
            return watched._timed(worker, stage, lambda: watched._ask(worker, command, *rest, **named))

        def ready(worker: Worker) -> Any:
            if worker._ready is not None:
                return worker._ready
            return watched._timed(worker, "start", lambda: watched._ready(worker), since=0)

        self._put(ask, property(ready))
        return self

    def __exit__(self, *_: object) -> None:
        self._put(self._ask, property(self._ready))

    @staticmethod
    def _put(ask: Any, ready: Any) -> None:
        for name, value in (("_ask", ask), ("ready", ready)):
            setattr(Worker, name, value)

    def _timed(self, worker: Worker, stage: str, asked: Any, since: int | None = None) -> Any:
        trial, _, side = worker.control.name.rpartition("-")
        if not trial.startswith("trial-"):  # a run of oneDNN's primitives
            return asked()
        cpu, clock = worker.cpu_ns() if since is None else since, time.perf_counter()
        answer = asked()
        took = time.perf_counter() - clock
        spent = max(worker.cpu_ns() - cpu, 0) / 1e9
        costs = self.trials.setdefault(trial, {}).setdefault(stage, {})
        before = costs.get(side, (0.0, 0.0))
        costs[side] = before[0] + took, before[1] + spent
        return answer


def table(trials: Mapping[str, Costs]) -> str:
    """A row for each stage: of the first trial and of the median of the others."""
    numbered = list(trials.values())
    groups = [("first trial", numbered[:1]), *([("others", numbered[1:])] if numbered[1:] else [])]
    sides = sorted({side for costs in numbered for of in costs.values() for side in of})
    head = [f"{name}: {what}" for name, _ in groups for what in ("clock, s", *(f"CPU of {side}, s" for side in sides))]
    rows = [["stage", *head]]
    for stage in [*dict.fromkeys(stage for costs in numbered for stage in costs), "all"]:
        cells = [stage]
        for _, group in groups:
            cells.append(f"{_median([_clock(costs, stage) for costs in group]):.2f}")
            cells += [f"{_median([_cpu(costs, stage, side) for costs in group]):.2f}" for side in sides]
        rows.append(cells)
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ["---", *["---:"] * len(head)], *rows[1:]])


def _stages(costs: Costs, stage: str) -> list[Mapping[str, tuple[float, float]]]:
    return list(costs.values()) if stage == "all" else [costs.get(stage, {})]


def _clock(costs: Costs, stage: str) -> float:
    return sum(one[0] for of in _stages(costs, stage) for one in of.values())


def _cpu(costs: Costs, stage: str, side: str) -> float:
    return sum(of[side][1] for of in _stages(costs, stage) if side in of)


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else 0.0


def main() -> None:
    """Runs the comparison and prints the table."""
    with tempfile.TemporaryDirectory(prefix="dlprof-cost-") as folder, Watched() as watched:
        status = dlprof(["compare", *sys.argv[1:], "-o", f"{folder}/out"])
    print(table(watched.trials))
    sys.exit(status)


if __name__ == "__main__":
    main()
