"""What is found of a job's ranks: frozen values, times in ns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlprof.stats.sample.steps import OverSteps

Pattern = Literal["persistent", "one-off", "now and then", "unknown"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a time consists of, ns; all but overlapped sum to it.

    waiting: exposed communication until the last rank had arrived
    transfer: exposed communication after that, and what else of it was nobody's delay
    overlapped: communication beside another part, in which it is counted
    """

    compute: float
    copy: float
    input: float
    host: float
    waiting: float
    transfer: float
    overlapped: float

    @property
    def wall(self) -> float:
        """The sum."""
        return self.compute + self.copy + self.input + self.host + self.waiting + self.transfer


@dataclass(frozen=True, slots=True)
class Place:
    """A rank, or a host, whose steps were looked at; times a step.

    name: `rank 3` or a host's name
    excess: its own time (wall without exposed communication) less the median of the others', by step
    critical: steps in which it was the critical one
    last: collectives at which it arrived last
    charged: waiting of all others at those, a step
    """

    name: str
    rank: int | None
    host: str | None
    parts: Parts
    excess: OverSteps
    critical: int
    last: int
    charged: float
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Straggler:
    """A rank that takes longer than the others.

    excess: as of Place, but of a typical step (`stats.sample.steps.typical`) where that shows it, and of a one-off in its steps
        alone; an interval that is given lies above 0
    part: of Parts, the one in which it differs most, and by how much a step
    pattern: persistent (in half of the steps or more), one-off (a step or two make up half of it), else now and then; unknown
        with fewer than three steps
    steps: in which it exceeded the others by over MARGIN of a step; `excess.steps` are fewer where only those that stand out
        are of interest
    of: steps of the job
    worst: those of them that took longest, at most three
    """

    rank: int
    host: str | None
    excess: OverSteps
    part: str
    part_ns: float
    pattern: Pattern
    steps: int
    of: int
    worst: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Collective:
    """One kind of collective, by operator, process group and size.

    calls: each counted once for all ranks
    waiting: from a rank's arrival to the last one's, mean over ranks and calls
    transfer: from the last arrival to the end, median over calls
    bandwidth: bytes a second on each rank's link, by the usual factor of the operator; None where bytes are not recorded
    late: the rank that arrived last most often, and how often
    share: of its time on the critical path in the whole
    """

    op: str
    group: str | None
    bytes: int | None
    ranks: int
    calls: int
    waiting: float
    transfer: float
    bandwidth: float | None
    late: int | None
    late_calls: int
    share: float


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the job, along its critical path.

    critical: the rank that the path spends most time on
    parts: on the path; waiting is none there by construction
    waited: of all ranks, at collectives
    latest: the rank for which most of that was, as it came last; None where nobody waited. charged: how much of it
    """

    step: int
    critical: int
    parts: Parts
    waited: float
    latest: int | None
    charged: float


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock beside the first one.

    name: of a host, or of a rank that is aligned by itself
    offset: how far it is ahead
    spread: how far apart ends of one collective still are, median absolute deviation
    drift: by how much the offset grew from the first half of the recording to the second
    """

    name: str
    offset: float
    spread: float
    drift: float


@dataclass(frozen=True, slots=True)
class Ranks:
    """All that is found of one run.

    steps: number of steps that all ranks have; wall: median wall time of one
    marked: whether the traces mark steps; if not, the whole recording counts as one
    critical: parts of the job's steps along the critical path, a step
    skew: what the slowest rank has more of each part than the median one, a step
    rotating: whether steps are held up by one rank now and by another then
    """

    run: str
    world: int | None
    ranks: tuple[int, ...]
    missing: tuple[int, ...]
    steps: int
    marked: bool
    wall: float
    critical: Parts
    skew: Parts
    clocks: tuple[Clock, ...]
    by_rank: tuple[Place, ...]
    by_host: tuple[Place, ...]
    by_step: tuple[Step, ...]
    by_collective: tuple[Collective, ...]
    stragglers: tuple[Straggler, ...]
    rotating: bool
    notes: tuple[str, ...]
