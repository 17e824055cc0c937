"""What is said of a job's ranks: each one's ledger, the job's, who holds up whom, and whether that stays so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from dlprof.analysis.columns import NULL, Floats, Ints
from dlprof.analysis.ranks import path_parts
from dlprof.analysis.ranks.collectives import kinds
from dlprof.analysis.ranks.job import Job, hosts_of, waiting, waits
from dlprof.analysis.ranks.model import Clock, Parts, Place, Ranks, Step
from dlprof.analysis.ranks.path_parts import PathParts
from dlprof.analysis.ranks.stragglers import find, rotating
from dlprof.stats.sample.steps import confident, median_of_others, over_steps
from dlprof.units import PS_PER_NS

ALPHA: Final = 0.05
"""Error level of all ranks' intervals together."""


def analyse(job: Job, run: str, world: int | None, notes: Sequence[str] = (), *, marked: bool = True) -> Ranks:
    """All findings of one run. world: ranks that the job had, where told; notes: what was said while its traces were read;
    marked: whether these mark steps."""
    waited, who, when = waits(job)
    held = waiting(job, when)
    excess = excess_of(job)
    divided = path_parts.divide(job)
    parts = _parts(job, held)
    ranks = tuple(one.rank for one in job.members)
    stragglers = find(job, excess, parts)
    counted = np.isin(job.matched.step[job.among], job.steps)
    charged = np.bincount(who, weights=waited.sum(axis=1) * counted, minlength=len(ranks)) / PS_PER_NS / len(job.steps)
    last = np.bincount(who[counted], minlength=len(ranks))
    places = _Places(job, parts, excess, _critical(divided), last, charged)
    return Ranks(
        run=run,
        world=world,
        ranks=ranks,
        missing=tuple(sorted(set(range(world or 0)) - set(ranks))),
        steps=len(job.steps),
        marked=marked,
        wall=float(np.median(job.wall)) / PS_PER_NS,
        critical=_mean(divided.parts),
        skew=_skew(parts),
        clocks=_clocks(job),
        by_rank=tuple(places.rank(at) for at in range(len(ranks))),
        by_host=tuple(places.host(name, of) for name, of in hosts_of(job.members).items()),
        by_step=_steps(job, divided, waited, who),
        by_collective=kinds(job, waited, who, when, divided),
        stragglers=stragglers,
        rotating=rotating(excess, job.wall / PS_PER_NS, stragglers),
        notes=(*notes, *_notes(job)),
    )


def excess_of(job: Job) -> Floats:
    """(ranks, steps): each rank's own time (the step without exposed communication) less the median of the others', ns."""
    own = (job.wall - job.parts["communication_ps"]) / PS_PER_NS
    return own - median_of_others(own)


def _parts(job: Job, held: Floats) -> dict[str, Floats]:
    """Each part by rank and step, ns."""
    ns = {name.removesuffix("_ps"): values / PS_PER_NS for name, values in job.parts.items()}
    wait = held / PS_PER_NS
    return {
        "compute": ns["compute"],
        "copy": ns["copy"],
        "input": ns["input"],
        "host": ns["host"],
        "waiting": wait,
        "transfer": ns["communication"] - wait,
        "overlapped": ns["overlapped"],
    }


def _mean(parts: Sequence[Parts]) -> Parts:
    names = Parts.__slots__
    count = max(len(parts), 1)
    return Parts(**{name: sum(getattr(one, name) for one in parts) / count for name in names})


def _skew(parts: dict[str, Floats]) -> Parts:
    mean = {name: values.mean(axis=1) for name, values in parts.items()}
    return Parts(**{name: float(values.max() - np.median(values)) for name, values in mean.items()})


def _critical(divided: PathParts) -> Ints:
    """The column of each step's critical rank."""
    return divided.local.argmax(axis=1) if divided.local.size else np.zeros(0, dtype=np.int64)


class _Places:
    """Rows of the tables by rank and by host."""

    def __init__(self, job: Job, parts: dict[str, Floats], excess: Floats, critical: Ints, last: Ints, charged: Floats):
        self.job, self.parts, self.excess = job, parts, excess
        self.critical = np.bincount(critical, minlength=len(job.members))
        self.last, self.charged = last, charged

    def rank(self, at: int) -> Place:
        member = self.job.members[at]
        return self._place(f"rank {member.rank}", [at], member.rank, member.host, len(self.job.members))

    def host(self, name: str, of: list[int]) -> Place:
        return self._place(name, of, None, name, len(hosts_of(self.job.members)))

    def _place(self, name: str, of: list[int], rank: int | None, host: str | None, among: int) -> Place:
        memory = int(self.job.memory[of].max())
        return Place(
            name=name,
            rank=rank,
            host=host,
            parts=Parts(**{part: float(values[of].mean()) for part, values in self.parts.items()}),
            excess=over_steps(self.excess[of].mean(axis=0), confident(ALPHA, among)),
            critical=int(self.critical[of].sum()),
            last=int(self.last[of].sum()),
            charged=float(self.charged[of].sum()),
            memory_bytes=None if memory == NULL else memory,
        )


def _steps(job: Job, divided: PathParts, waited: Ints, who: Ints) -> tuple[Step, ...]:
    of = np.searchsorted(divided.steps, job.matched.step[job.among])
    of = np.minimum(of, max(len(divided.steps) - 1, 0))
    charged = np.zeros((len(divided.steps), len(job.members)))
    if len(of) and len(charged):
        known = divided.steps[of] == job.matched.step[job.among]
        np.add.at(charged, (of[known], who[known]), waited.sum(axis=1)[known] / PS_PER_NS)
    critical, latest = _critical(divided), charged.argmax(axis=1)
    most = charged.max(axis=1, initial=0.0)
    return tuple(
        Step(
            step=int(number),
            critical=job.members[int(critical[at])].rank,
            parts=divided.parts[at],
            waited=float(charged[at].sum()),
            latest=job.members[int(latest[at])].rank if most[at] > 0 else None,
            charged=float(most[at]),
        )
        for at, number in enumerate(divided.steps.tolist())
    )


def _clocks(job: Job) -> tuple[Clock, ...]:
    found = job.clocks
    first = [int(np.flatnonzero(found.of == at)[0]) for at in range(len(found.names))]
    return tuple(
        Clock(name, float(found.offset[at]) / PS_PER_NS, float(spread) / PS_PER_NS, float(drift) / PS_PER_NS)
        for name, at, spread, drift in zip(found.names, first, found.spread, found.drift, strict=True)
    )


def _notes(job: Job) -> list[str]:
    notes = []
    if job.uncommon:
        notes.append(f"{job.uncommon} steps are not on all ranks and are left out of the tables by rank.")
    if job.matched.uneven:
        notes.append(
            f"Ranks recorded different numbers of a collective in {job.matched.uneven} cases; they are matched in order, "
            "which may pair the wrong ones."
        )
    if job.matched.alone:
        notes.append(f"{job.matched.alone} collectives were recorded by one rank alone and say nothing of waiting.")
    if job.clocks.broken:
        listed = ", ".join(map(str, job.clocks.broken))
        notes.append(f"The clock of rank {listed} differs from its host's others; it is aligned by itself.")
    if job.clocks.impossible:
        notes.append(
            f"{job.clocks.impossible} collectives seem to end before all have arrived: clocks drift, or they are mismatched."
        )
    if not len(job.among):
        notes.append("No collective is on two ranks or more: clocks are not aligned, and no waiting is known.")
    return notes
