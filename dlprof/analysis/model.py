"""The findings as frozen values: what `analysis` returns and `report` shows, in the terms of the JSON contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dlprof.analysis.facts import NOTHING, Facts
from dlprof.analysis.facts import Ratio as Ratio
from dlprof.analysis.of_one_trace import Completeness as Completeness
from dlprof.analysis.of_one_trace import Detail as Detail
from dlprof.analysis.of_one_trace import Explained as Explained
from dlprof.analysis.of_one_trace import Outside as Outside
from dlprof.analysis.of_one_trace import View as View
from dlprof.analysis.of_one_trace import Workless as Workless
from dlprof.stats.result import Drift as Drift

VerdictWord = Literal["faster", "slower", "equivalent", "negligible", "inconclusive", "not_comparable"]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a framework, and how it ran.

    label: for people, such as `TensorFlow 2.21.0 (graph)`
    capture: path of its capture, or None
    """

    framework: str
    version: str
    device: str
    mode: str
    python: str
    label: str
    capture: str | None = None
    manifest_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the side-by-side breakdown: an operator, in its phase and layer, on both sides.

    a_ns, b_ns: self time summed over the traced steps, or over the whole traces where these are compared; None where the
        side has no such row
    delta_ns: B − A of these sums; None where the sides hold other numbers of steps, so that sums do not compare
    delta_unit_ns: B − A of one step (or of the whole trace), always there
    *_count: canonical calls
    *_events: recorded events, which are more where a framework splits one call
    """

    op: str
    phase: str | None
    layer: str | None
    a_ns: float | None
    b_ns: float | None
    delta_ns: float | None
    a_count: int
    b_count: int
    a_events: int
    b_events: int
    low_ns: float | None = None
    high_ns: float | None = None
    q: float | None = None
    delta_unit_ns: float | None = None


KernelChange = Literal["added", "gone", "more", "less", "same"]


@dataclass(frozen=True, slots=True)
class KernelRow:
    """One kernel or copy of a device on both sides, under its recorded name.

    Times and executions are of one step, or of the whole trace where that is the basis.

    change: added (only B runs it), gone (only A), more, less or same (how often B runs it)
    ops: the operators that it ran for
    """

    kernel: str
    change: KernelChange
    ops: tuple[str, ...]
    a_ns: float
    b_ns: float
    delta_ns: float
    a_count: float
    b_count: float


@dataclass(frozen=True, slots=True)
class Recording:
    """How a side's trace was recorded; None for what it does not state.

    profiler: whether one was on
    synchronised: whether each step was waited for
    clock: of the timings, by its name in Python (perf_counter, process_time)
    pid: of the process
    """

    profiler: bool | None = None
    synchronised: bool | None = None
    clock: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The verdict on one timed item.

    *_median_ns: wall time of one unit of work (a training step, an op call)
    p: of the t test over trials; None where it could not run
    q: p adjusted over the items that are judged as one family (Benjamini-Hochberg); None for an item that stands alone
    mean_ratio: mean time of B ÷ mean time of A, where `ratio` is that of typical bursts; None where not known
    drifts: sides whose time changes as their processes run
    """

    item: str
    verdict: VerdictWord
    ratio: Ratio | None
    a_median_ns: float | None
    b_median_ns: float | None
    sentence: str
    more_trials: int | None = None
    warnings: tuple[str, ...] = ()
    p: float | None = None
    q: float | None = None
    mean_ratio: Ratio | None = None
    drifts: tuple[Drift, ...] = ()


GateState = Literal["passed", "failed", "undecided", "not_comparable"]


@dataclass(frozen=True, slots=True)
class GatedItem:
    """Whether B is more than the allowed slow-down slower, of one timed item.

    ratio: time of B ÷ time of A with the interval that decides
    p: one-sided, of a B that is no slower than allowed; q: over all items (Benjamini-Hochberg)
    more_trials: how many further ones would probably decide, where undecided
    allowed: of an item with a limit of its own (peak memory …) this limit; None where the gate's holds
    a_median, b_median, unit: of such an item
    """

    item: str
    state: GateState
    ratio: Ratio | None
    p: float | None
    q: float | None
    more_trials: int | None
    allowed: float | None = None
    a_median: float | None = None
    b_median: float | None = None
    unit: str = "ns"

    def limit(self, gate: Gate) -> float:
        """What it is held against."""
        return gate.allowed if self.allowed is None else self.allowed


@dataclass(frozen=True, slots=True)
class Gate:
    """The answer to `--gate`: is B more than so much slower than A?

    allowed: the slow-down (0.05 = 5 %)
    state: failed where one item has, passed where all have; not_comparable where the sides did different work
    items: all that were judged
    """

    allowed: float
    state: GateState
    items: tuple[GatedItem, ...]

    @property
    def more_trials(self) -> int | None:
        """How many further trials would probably decide all items; None where none are missing or nothing is known."""
        missing = [one.more_trials for one in self.items if one.state == "undecided" and one.more_trials is not None]
        return max(missing, default=None) if self.state == "undecided" else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that `dlprof compare` and `dlprof diff` found. `items[0]` is the headline."""

    workload: str
    a: Side
    b: Side
    items: tuple[ItemResult, ...]
    rows: tuple[Row, ...]
    explained: Mapping[str, Explained]
    profiling_overhead: Mapping[str, float | None]
    parity: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]
    anomalies: Mapping[str, int]
    facts: Facts = NOTHING
    ledger: Ledger | None = None
    alignment: Alignment | None = None
    kernels: tuple[KernelRow, ...] = ()
    gate: Gate | None = None

    @property
    def basis(self) -> Literal["step", "trace"]:
        """What both sides' traces are compared by: a step where each side marks steps, else the whole trace."""
        counts = [part.steps for part in self.explained.values()]
        return "step" if counts and all(counts) else "trace"

    @property
    def traced(self) -> bool:
        """Whether there is any trace of it: none with `--traces 0`."""
        return bool(self.explained)

    def units(self, side: str) -> int:
        """What a side's sums over its trace are divided by: its steps, or 1 for the whole trace."""
        part = self.explained.get(side)
        return part.steps if part and self.basis == "step" else 1


@dataclass(frozen=True, slots=True)
class Match:
    """What of A corresponds to what of B: two groups of operators, one of them empty where nothing corresponds.

    a_ops, b_ops: the operators of each side, as `op phase layer`, longest first
    confidence: from 0 (unmatched) to 1 (same operator, phase and layer)
    reason: why they were taken for the same work
    a_ns, b_ns: exclusive time in the frame
    a_calls, b_calls: calls of the operator that takes the most time on both sides; None where that is not the same one
    """

    name: str
    kind: Literal["op", "copy", "communication", "input"]
    a_ops: tuple[str, ...]
    b_ops: tuple[str, ...]
    confidence: float
    reason: str
    a_ns: float
    b_ns: float
    a_calls: float | None = None
    b_calls: float | None = None

    @property
    def key(self) -> str:
        """What it joins, whatever the times: the key of its line of the ledger."""
        return " ~ ".join(" + ".join(sorted(ops)) for ops in (self.a_ops, self.b_ops))


@dataclass(frozen=True, slots=True)
class Alignment:
    """All matches of two sides, longest first.

    *_unmatched: share of the side's operator time without a counterpart (0 to 1)
    *_unknown: raw names that the vocabulary does not know (listed, not guessed)
    """

    matches: tuple[Match, ...]
    a_unmatched: float
    b_unmatched: float
    a_unknown: tuple[str, ...]
    b_unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Amount:
    """A time with its 95 % interval over trials, ns; low_ns and high_ns are None with fewer than three trials."""

    ns: int
    low_ns: int | None
    high_ns: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """One part of the way from the timed to the traced gap: what it is, and what it adds to B − A."""

    name: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class Bridge:
    """From the gap that was timed without profiler to the one that the traces show, both B − A of a step (or call).

    trials: those with timings and a traced window
    timed: gap of the headline item's mean times
    traced: gap of the traced walls, the ledger's own
    parts: what stands between; timed plus parts is traced
    profiling: side → what profiling adds to its step; None where nothing was timed beside the window
    explained_share: the lines with recorded work or cause ÷ the timed gap, with its interval (Fieller); None where the timed
        gap's interval includes 0
    agrees: whether the traces show the gap that was timed; None with too few trials to tell. disagreement: why not, else ''.
    """

    trials: int
    timed: Amount
    traced: Amount
    parts: tuple[Span, ...]
    profiling: Mapping[str, Amount | None]
    explained_share: float | None
    explained_low: float | None
    explained_high: float | None
    agrees: bool | None
    disagreement: str


LineKind = Literal["op", "copy", "communication", "input", "concurrency", "sync", "dispatch", "launch", "unexplained"]


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One part of the wall time, both sides, integer ns; the lines sum to the walls and to the gap exactly.

    a_ns, b_ns: of operators, copies and communication the time of their threads and streams, as if nothing ran beside them
    delta_ns: b_ns − a_ns
    kind: `concurrency` is the line that takes back what ran at the same time; its a_ns and b_ns are never above 0
    low_ns, high_ns: 95 % interval of delta_ns over pairs of traced windows, None below three
    match_confidence: None for parts that are no operators
    a_calls, b_calls: calls per unit (step), as in Match
    a_share_ns, b_share_ns: the walls split so that concurrent work shares its instants (nothing to take back then)
    remark: work that one side alone has, in words (`only in B`, `B runs it twice`), or that it waits for its work more often
        (`B waits for its work 5 times a step, A 1`), or what it asks for more often while it is idle (`B calls X 9 times a
        step, A 1`), or ''
    key: what the line is of, alike in all windows of a comparison, whatever their times
    q: of no difference, adjusted over all lines (Benjamini-Hochberg); None where there is no interval or nothing varies
    phase: of time without work, the phase that it belongs to; None where the line is of no single phase, and for work
    """

    name: str
    kind: LineKind
    a_ns: int
    b_ns: int
    delta_ns: int
    low_ns: int | None
    high_ns: int | None
    match_confidence: float | None
    reason: str = ""
    a_calls: float | None = None
    b_calls: float | None = None
    a_share_ns: int | None = None
    b_share_ns: int | None = None
    remark: str = ""
    key: str = ""
    q: float | None = None
    phase: str | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the difference between two traced walls comes from: lines that sum to it exactly.

    basis: step (mean synchronised step) or trace (from the first start to the last end of the work; no steps)
    gap_ns: b_wall_ns − a_wall_ns, per `basis`
    untraced_gap_ns: the same gap without profiler; None where that was not timed
    profiling_ns: gap_ns − untraced_gap_ns; it stands beside the lines
    lines: largest |delta| first, but waiting and dispatch after extra work that may be behind them (explain.rank)
    unexplained_ns: |a| + |b| of the line of that kind, time with no recorded event behind it
    """

    basis: Literal["step", "trace"]
    a_steps: int
    b_steps: int
    replicates: int
    a_wall_ns: int
    b_wall_ns: int
    gap_ns: int
    untraced_gap_ns: int | None
    profiling_ns: int | None
    lines: tuple[LedgerLine, ...]
    unexplained_ns: int
    statement: str
    notes: tuple[str, ...] = ()
    bridge: Bridge | None = None
