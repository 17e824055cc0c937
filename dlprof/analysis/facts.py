"""What a comparison knows beside its verdicts: `Comparison.facts`, a class for each thing, named as in comparison.json.

Some are told to the findings (how it was measured), the others are computed by them (what profiling cost, what the items
of an op workload say together). None, or an empty collection, where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from dlprof.manifest import Disturbance, Session
from dlprof.names import SideLetter
from dlprof.stats.result import Crossover


@dataclass(frozen=True, slots=True)
class Ratio:
    """Time of B ÷ time of A with its interval; below 1 means that B is faster. Null ends where there is no interval."""

    estimate: float
    low: float | None
    high: float | None
    confidence: float
    trials: int
    method: str


@dataclass(frozen=True, slots=True)
class EpochFacts:
    """One epoch of the first traced run of a side."""

    epoch: int
    traced: bool
    wall_ns: int
    train_loss: float | None
    validation_accuracy: float | None
    test_accuracy: float | None


@dataclass(frozen=True, slots=True)
class TrialNote:
    """One trial as the report tells it.

    rounds: timed rounds of each group of items
    machine: what else the machine did; None where that was not measured
    """

    number: int
    rounds: tuple[int, ...] = ()
    wall_s: float = 0.0
    machine: Disturbance | None = None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Accepted difference: |a − b| ≤ absolute + relative × largest |a| in the array."""

    absolute: float = 1e-6
    relative: float = 1e-4


@dataclass(frozen=True, slots=True)
class Agreement:
    """How closely the two sides' arrays agree.

    dtype: element type that sets the tolerance
    largest_relative_difference: array → largest |a − b| ÷ largest |a|
    same_facts: what both sides say of themselves in the same words
    """

    dtype: str
    tolerance: Tolerance
    largest_relative_difference: Mapping[str, float]
    same_facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Share of comparisons of a side with itself that are called different, with its 95 % interval."""

    rate: float
    low: float
    high: float
    comparisons: int
    trials: int


@dataclass(frozen=True, slots=True)
class KnownError:
    """What a calibration on this machine says of one item: how often A against A is called different, and what is found.

    false_positives: how often, for this comparison's design, resampled from the calibration's trials
    sd: standard deviation of the log-ratio between trials
    seconds: what a trial takes
    trials: as many as the design allows in its time
    smallest: the slow-down that so many trials find with 80 % power; None where they are fewer than six
    """

    label: str
    item: str
    calibrated_trials: int
    created: str
    false_positives: ErrorRate
    sd: float
    seconds: float
    trials: int
    alpha: float
    smallest: float | None
    statement: str


@dataclass(frozen=True, slots=True)
class ProfilingCost:
    """What tracing cost a step of one side; all None where it was not measured.

    overhead: traced step ÷ untraced step − 1, medians
    against: which untraced steps it was held against
    """

    overhead: float | None = None
    traced_step_ns: float | None = None
    untraced_step_ns: float | None = None
    against: str | None = None

    @property
    def cost_ns(self) -> float | None:
        """What it added to a step."""
        if self.traced_step_ns is None or self.untraced_step_ns is None:
            return None
        return self.traced_step_ns - self.untraced_step_ns


@dataclass(frozen=True, slots=True)
class Level:
    """One level of profiling: off, light or full.

    step_ns: mean wall time of a step
    cost_ns: step_ns − that of level off; None for off
    classes: operator class (phase, `copies`, `unknown`) → exclusive time per step, ns; empty for off, which has no
        trace
    """

    name: str
    steps: int
    step_ns: float
    cost_ns: float | None
    classes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Tax:
    """What profiling costs at each level that was measured: off, light (as it runs) and full (every step awaited).

    statement: what tracing costs, and whether a difference of `difference_ns` a step can be explained by such traces
    """

    levels: tuple[Level, ...]
    difference_ns: float | None
    explains: bool | None
    statement: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """What came before the timed steps of one side's processes, and what was compiled among them; medians over trials.

    trials: processes that told it
    first_step_s: from the start to the end of the first step, with the least and the most; None where that was not seen
    seconds: from the start to the warm-up of the timed steps
    first_call_ns: of the call that was the first step; None where a step is no call
    early: times of the steps after it ÷ that of a steady step
    compiled, compiling_s: programs until then, and seconds of that; None where the framework does not tell
    again: those of them that were for further shapes of what was compiled before; None as above
    warming, timed, bursts, of: as of manifest.Start, summed over trials
    statement: all this in words
    """

    trials: int
    first_step_s: tuple[float, float, float] | None
    seconds: float
    first_call_ns: float | None
    early: tuple[float, ...]
    compiled: int
    compiling_s: float | None
    again: int | None
    warming: int
    timed: int
    bursts: int
    of: int
    statement: str


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Trials whose sides were alive one after the other, and what that costs; all but the first are computed from the trials.

    why: why they were not alive together
    trials: pairs of processes with a ratio; the fewest that decide anything where they are fewer than any look wants
    sd: standard deviation of their log-ratio
    measured: whether it is that of these pairs; else a prior stands in for it
    lockstep_sd: what it is in lockstep, a prior
    smallest, lockstep_smallest: the difference that as many trials find with 80 % power, as a share; None where none is known
    lockstep_trials: trials in lockstep that find as much; None as above
    statement: all this in words
    """

    why: str
    trials: int = 0
    sd: float | None = None
    measured: bool = False
    lockstep_sd: float | None = None
    smallest: float | None = None
    lockstep_smallest: float | None = None
    lockstep_trials: int | None = None
    statement: str = ""


Reason = Literal["same implementation", "other implementation", "only in A", "only in B", "reorder"]
"""Why a primitive takes another time on the other side."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One problem that oneDNN solves (a convolution of these shapes, …), on both sides.

    reason: why the sides differ
    *_implementation, *_layouts: the implementation that oneDNN chose, and the memory layouts
    *_calls: per unit (step)
    *_ns: per unit (calls × median of a call); None where the side does not run it
    """

    primitive: str
    prop: str
    problem: str
    reason: Reason
    a_implementation: str | None
    b_implementation: str | None
    a_layouts: str | None
    b_layouts: str | None
    a_calls: float
    b_calls: float
    a_ns: float | None
    b_ns: float | None

    @property
    def delta_ns(self) -> float:
        """B − A per unit, an absent side counting as 0."""
        return (self.b_ns or 0.0) - (self.a_ns or 0.0)


@dataclass(frozen=True, slots=True)
class OneDnn:
    """What oneDNN says of itself on one side.

    steps: how many steps were listened to
    unread: lines that were not understood
    """

    version: str | None
    isa: str | None
    runtime: str | None
    threads: int | None
    steps: int
    unread: int


@dataclass(frozen=True, slots=True)
class Primitives:
    """What oneDNN said of both sides' primitives.

    statement: in words; where nothing was asked or printed, why
    absent: sides that printed nothing
    by_reason_ns: reason → ns a step
    a, b: None where nothing was asked
    """

    statement: str
    absent: tuple[str, ...] = ()
    by_reason_ns: Mapping[Reason, float] = field(default_factory=dict)
    primitives: tuple[Primitive, ...] = ()
    a: OneDnn | None = None
    b: OneDnn | None = None


@dataclass(frozen=True, slots=True)
class SweepFacts:
    """One operator over sizes.

    crossover: the size at which the faster side changes; None where not every size was measured in every trial
    sentence: the same in words
    """

    op: str
    key: str
    sizes: tuple[float, ...]
    crossover: Crossover | None
    sentence: str


@dataclass(frozen=True, slots=True)
class TwoSpeeds:
    """One side's processes fall into a fast and a slow group.

    side: a | b
    item: what was timed
    *_ns: median over the trials of each group
    *_trials: their numbers
    sentence: in words
    traces: what the traces of the two groups tell apart, in words; None where they were not asked
    """

    side: SideLetter
    item: str
    fast_ns: float
    slow_ns: float
    fast_trials: tuple[int, ...]
    slow_trials: tuple[int, ...]
    sentence: str
    traces: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """Others' table of timings, and how it was read (ingest.timings_csv.Layout)."""

    file: str
    sides: tuple[str, ...] = ()
    unit: str = ""
    groups: tuple[str, ...] = ()
    side_column: str | None = None
    value_column: str | None = None
    trial_column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that comparison.json states beside the verdicts; NOTHING for a diff of two recordings.

        kind: network | op
        method: lockstep | interleaved | imported | as-published; None for a diff
        preset: of the workload
        differs: what the preset lets differ between the sides
        epochs: capture → the epochs that it trained
        idle_cpu_fraction: side → the largest part of a core that its idle worker used
        trials: one note per trial
        stopped: why the trials ended early, '' where they did not
        sessions: the sittings in which they were made
        agreement: how closely the sides' outputs agree
        calibration: what is known of this comparison's errors on this machine
        folder: where the result lay when it was written
        items_listed: the workload's items in its order
        repetitions: of the original study's method
        unsound: the warning that goes with that method
        profiling: side → what tracing cost a step
        tax: what each level of profiling costs
    XX
        events_of_items: side → item → executed operators in its trace
        summary, geometric_mean: what the items say together
        sweeps: operators that were timed over sizes
        speeds: sides whose processes come in two speeds; None where there is none
        beginnings: side → what came before its timed steps (scripts); None where that is not told
        interleaved: what it costs that the sides were not alive together; None where they were
    """

    kind: str | None = None
    method: str | None = None
    preset: str | None = None
    differs: tuple[str, ...] = ()
    epochs: Mapping[str, tuple[EpochFacts, ...]] = field(default_factory=dict)
    idle_cpu_fraction: Mapping[str, float | None] = field(default_factory=dict)
    trials: tuple[TrialNote, ...] = ()
    stopped: str = ""
    agreement: Agreement | None = None
    sessions: tuple[Session, ...] = ()
    calibration: KnownError | None = None
    primitives: Primitives | None = None
    imported: ImportedTable | None = None
    folder: str | None = None
    repetitions: int | None = None
    unsound: str | None = None
    items_listed: tuple[str, ...] | None = None
    profiling: Mapping[str, ProfilingCost] = field(default_factory=dict)
    tax: Mapping[str, Tax] = field(default_factory=dict)
    explained_of_items: Mapping[str, Mapping[str, float]] | None = None
    summary: str | None = None
    geometric_mean: Ratio | None = None
    sweeps: tuple[SweepFacts, ...] | None = None
    events_of_items: Mapping[str, Mapping[str, int]] | None = None
    speeds: tuple[TwoSpeeds, ...] | None = None
    beginnings: Mapping[str, Beginning] | None = None
    interleaved: Interleaved | None = None


NOTHING: Final = Facts()
"""The facts of a diff of two recordings: none."""
