"""Is it the same work? Asked before the timing, after the last timed round of every trial, and of the times themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dlprof.analysis.same_work import after, parity, rates, rules
from dlprof.analysis.timing import lockstep
from dlprof.api.compare import memory
from dlprof.api.findings import pairs
from dlprof.api.lockstep.measured import Between, Measured
from dlprof.api.options import CompareOptions
from dlprof.api.record import Bench
from dlprof.capture.data import inputs
from dlprof.capture.machine import peak
from dlprof.capture.workers.trial import Trial
from dlprof.capture.workers.worker import Worker
from dlprof.errors import NotComparable
from dlprof.names import SIDES, Pair, pairs_of
from dlprof.workload import Workload


@dataclass(slots=True)
class WorkChecks:
    """The checks of one comparison, of each pair of its sides; what they find goes to `measured.between`.

    first: number of the session's first trial, whose workers are asked for parity.
    """

    options: CompareOptions
    bench: Bench
    workloads: Mapping[str, Workload]
    measured: Measured
    first: int
    _known: Mapping[str, float] | None = None
    _scales: Mapping[str, float] = field(default_factory=dict)
    _peak: float = field(default=0.0)

    def before(self, number: int, workers: Mapping[str, Worker]) -> Collection[str]:
        """In the first trial of a session, before anything is timed: same outputs from the same inputs, and what else differs.

        Returns the items that are not comparable on every two sides. Raises `NotComparable` where none is left.
        """
        if number != self.first:
            return ()
        said = {side: answers_of(worker) for side, worker in workers.items()}
        self._scales = after.scales(said["a"].arrays)
        refused: set[str] = set()
        compared, differing, blocks = 0, 0, False
        for pair in self._pairs:
            work = rules.check(said[pair[0]], said[pair[1]], self._of(pair), self.options.allow)
            held = self.measured.between.get(pair, Between())
            earlier = after.found_late(held.differences)  # of a session that this one goes on with
            self.measured.between[pair] = replace(
                held, differences=(*work.differences, *earlier), agreement=work.agreement
            )
            self._say(work.differences, pair)
            blocks = blocks or bool(work.blocks)
            refused |= work.refused | {one["item"] for one in parity.blocking(earlier) if "item" in one}
            compared += work.compared
            differing += sum(difference["what"] not in ("fact", "design") for difference in work.differences)
        if blocks or refused >= set(workers["a"].ready.items):
            raise NotComparable(f"{self._whom} did different work")
        of = "" if len(self._pairs) == 1 else f" over {len(self._pairs)} pairs of sides"
        self.bench.progress.say(f"  same work: {compared - differing} of {compared} arrays agree{of}")
        if refused:
            self.bench.warn(f"not comparable, and not timed: {', '.join(sorted(refused))}")
        self._crowded(workers)
        return refused

    def after(self, number: int, workers: Mapping[str, Worker], *, brief: bool = False) -> Collection[str]:
        """After the last timed round of every trial: did the objects that were timed do the work? brief: and after the traced
        window, of what it has done alone.

        Returns the items that are not comparable, which are not timed again. Raises `NotComparable` where all are.
        """
        seed, steps = self.options.run.seed + 1000 * (number + 1), max(worker.trained for worker in workers.values())
        found = self._asked(workers, seed, steps, brief)
        if number == self.first and not brief:
            self._crowded(workers)
        for more in range(1, after.AGAIN + 1):
            doubtful = [pair for pair, differences in found.items() if after.doubtful(differences)]
            if not doubtful:
                break
            again = self._asked(workers, seed + more, 0, brief)
            found |= {pair: after.confirmed(found[pair], again[pair]) for pair in doubtful}
        return self._refused(found)

    def _asked(
        self, workers: Mapping[str, Worker], seed: int, steps: int, brief: bool
    ) -> dict[Pair, tuple[rules.Difference, ...]]:
        """What the objects that were timed do differently, of each pair of sides."""
        answers = {
            side: after.Answer(*workers[side].recheck(seed, steps, self._scales, brief=brief))
            for side in self.workloads
        }
        return {
            (a, b): after.check(answers[a], answers[b], self._of((a, b)), self.options.allow) for a, b in self._pairs
        }

    def times(self, trial: Trial) -> Collection[str]:
        """Whether a side was timed as faster than the processor can be; of a CPU only. Returns and raises as `after`."""
        if self._known is None:
            self._known = self._operations()
        if not self._known:
            return ()
        self._peak = self._peak or peak.flops_per_second()
        found = {}
        for pair in self._pairs:
            timed = lockstep.by_item(pairs.timings(trial.timings, pair))
            times = {item: {"a": one.a_ns, "b": one.b_ns} for item, trials in timed.items() for one in trials.values()}
            found[pair] = rates.check(times, self._known, self._peak)
        return self._refused(found)

    @property
    def _pairs(self) -> Sequence[Pair]:
        return pairs_of(self.workloads)

    @property
    def _whom(self) -> str:
        return "the two sides" if len(self.workloads) == 2 else "not all sides did the same: some"

    def _of(self, pair: Pair) -> Mapping[str, Workload]:
        return {role: self.workloads[side] for role, side in zip(SIDES, pair, strict=True)}

    def _crowded(self, workers: Mapping[str, Worker]) -> None:
        """Of more than two sides, whether their processes leave memory enough."""
        if len(workers) > 2 and (text := memory.crowded([worker.pid for worker in workers.values()])):
            self.bench.warn(text)

    def _operations(self) -> Mapping[str, float]:
        if self.options.run.device != "cpu":
            return {}
        workload = self.workloads["a"]
        network = workload.kind == "network"
        return rates.operations(
            workload, inputs.multiply_adds(inputs.model_of(workload.description)) if network else None
        )

    def _refused(self, found: Mapping[Pair, tuple[rules.Difference, ...]]) -> Collection[str]:
        refused: set[str] = set()
        whole = False
        for pair, differences in found.items():
            held = self.measured.between.get(pair, Between())
            known = {(difference["what"], difference["where"]) for difference in held.differences}
            new = tuple(one for one in differences if (one["what"], one["where"]) not in known)
            self.measured.between[pair] = replace(held, differences=(*held.differences, *new))
            blocking = parity.blocking(differences)
            self._say(blocking, pair)
            refused |= {difference["item"] for difference in blocking if "item" in difference}
            whole = whole or any("item" not in one for one in blocking)
        if whole:
            raise NotComparable(f"{self._whom} did different work while they were timed")
        return refused

    def _say(self, differences: Iterable[rules.Difference], pair: Pair) -> None:
        """Of one pair among several it is said which sides its A and B are."""
        of = "" if len(self.workloads) == 2 else f"(A = side {pair[0]}, B = side {pair[1]}) "
        for block in parity.blocking(tuple(differences)):
            self.bench.progress.say(f"not the same work: {of}{parity.statement(block)}")


def answers_of(worker: Worker) -> rules.Answers:
    """What the worker says before it is timed; each side is asked once, however many others it is held against."""
    arrays = worker.parity()
    return rules.Answers(worker.ready, arrays, worker.missing, worker.busy_threads())
