"""Is it the same work? Asked before the timing, after the last timed round of every trial, and of the times themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dlprof.analysis.same_work import after, parity, rates, rules
from dlprof.analysis.timing import lockstep
from dlprof.api.compare.measured import Measured
from dlprof.api.options import CompareOptions
from dlprof.api.record import Bench
from dlprof.capture.data import inputs
from dlprof.capture.machine import peak
from dlprof.capture.workers.schedule import Trial
from dlprof.capture.workers.worker import Worker
from dlprof.errors import NotComparable
from dlprof.names import SIDES
from dlprof.workload import Workload


@dataclass(slots=True)
class WorkChecks:
    """The checks of one comparison; what they find goes to `measured.differences`.

    first: number of the session's first trial, whose workers are asked for parity.
    """

    options: CompareOptions
    bench: Bench
    workloads: Mapping[str, Workload]
    measured: Measured
    first: int
    _known: Mapping[str, float] | None = None
    _peak: float = field(default=0.0)

    def before(self, number: int, workers: Mapping[Any, Worker]) -> Collection[str]:
        """In the first trial of a session, before anything is timed: same outputs from the same inputs, and what else differs.

        Returns the items that are not comparable. Raises `NotComparable` where none is.
        """
        if number != self.first:
            return ()
        work = rules.check(workers["a"], workers["b"], self.workloads, self.options.allow)
        earlier = after.found_late(self.measured.differences)  # of a session that this one goes on with
        self.measured.differences, self.measured.agreement = (*work.differences, *earlier), work.agreement
        self._say(work.differences)
        if work.blocks or work.refused >= set(workers["a"].ready["items"]):
            raise NotComparable("the two sides did different work")
        differing = sum(difference["what"] not in ("fact", "design") for difference in work.differences)
        self.bench.progress.say(f"  same work: {work.compared - differing} of {work.compared} arrays agree")
        if work.refused:
            self.bench.warn(f"not comparable, and not timed: {', '.join(sorted(work.refused))}")
        return work.refused | {difference["item"] for difference in parity.blocking(earlier) if "item" in difference}

    def after(self, number: int, workers: Mapping[Any, Worker]) -> Collection[str]:
        """After the last timed round of every trial: did the objects that were timed do the work?

        Returns the items that are not comparable, which are not timed again. Raises `NotComparable` where all are.
        """
        seed, steps = self.options.run.seed + 1000 * (number + 1), max(worker.trained for worker in workers.values())
        a, b = (after.Answer(*workers[side].recheck(seed, steps)) for side in SIDES)
        return self._refused(after.check(a, b, self.workloads, self.options.allow))

    def times(self, trial: Trial) -> Collection[str]:
        """Whether a side was timed as faster than the processor can be; of a CPU only. Returns and raises as `after`."""
        if self._known is None:
            self._known = self._operations()
        if not self._known:
            return ()
        self._peak = self._peak or peak.flops_per_second()
        found = lockstep.by_item(trial.timings)
        times = {item: {"a": one.a_ns, "b": one.b_ns} for item, trials in found.items() for one in trials.values()}
        return self._refused(rates.check(times, self._known, self._peak))

    def _operations(self) -> Mapping[str, float]:
        if self.options.run.device != "cpu":
            return {}
        workload = self.workloads["a"]
        network = workload.kind == "network"
        return rates.operations(
            workload, inputs.multiply_adds(inputs.model_of(workload.description)) if network else None
        )

    def _refused(self, found: tuple[rules.Difference, ...]) -> Collection[str]:
        known = {(difference["what"], difference["where"]) for difference in self.measured.differences}
        self.measured.differences += tuple(one for one in found if (one["what"], one["where"]) not in known)
        blocking = parity.blocking(found)
        self._say(blocking)
        refused = {difference["item"] for difference in blocking if "item" in difference}
        if any("item" not in one for one in blocking):
            raise NotComparable("the two sides did different work while they were timed")
        return refused

    def _say(self, differences: Iterable[rules.Difference]) -> None:
        for block in parity.blocking(tuple(differences)):
            self.bench.progress.say(f"not the same work: {parity.statement(block)}")
