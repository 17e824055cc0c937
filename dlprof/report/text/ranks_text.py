"""The ranks of a job as text of 80 columns: who holds up whom, the job's ledger, a table by rank, host, collective or step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlprof.analysis.ranks.model import Collective, Place, Ranks, Straggler
from dlprof.report.text.layout import Column, heading, paragraph, table, visible
from dlprof.stats.result import MIN_TRIALS
from dlprof.stats.sample.steps import OverSteps
from dlprof.units import NS_PER_MS, NS_PER_S, counted, format_bytes, format_ns, format_signed_ns

PART_NAMES: Final = ("compute", "input", "copy", "host", "waiting", "transfer")
MEANINGS: Final = {
    "compute": "computing",
    "input": "input",
    "copy": "copies",
    "host": "the host: launches, Python, sleep, whatever is not recorded",
    "transfer": "collectives after their last arrival, exposed",
}
_LISTED: Final = 8
SAME_LENGTH: Final = 0.01
"""Share by which two lengths of a step may differ on one screen without a word."""


def text(found: Ranks, by: str, *, colour: bool) -> str:
    """The whole report, with a table by rank, host, collective or step."""
    lines = [
        title(found),
        *_indented(sentences(found)),
        *_ledger(found, colour=colour),
        *heading(f"By {by}", colour=colour),
    ]
    if by == "collective":
        lines += _collectives(found.by_collective)
    elif by == "step":
        lines += _steps(found)
    else:
        lines += _places(found.by_host if by == "host" else found.by_rank, unit(found))
    return "\n".join([*lines, *_trust(found, colour=colour)]) + "\n"


def title(found: Ranks) -> str:
    """The job in a line."""
    of = f" of {found.world}" if found.world and found.world != len(found.ranks) else ""
    ranks = f"{visible(found.run)}: {counted(len(found.ranks), 'rank')}{of}"
    if not found.marked:
        return f"{ranks}, no step is marked: a recording of {format_ns(found.critical.wall)} as a whole"
    # The mean is of the steps on the path, which some rank may not have recorded.
    return f"{ranks}, {counted(len(found.by_step) or found.steps, 'step')} of {format_ns(found.critical.wall)} (mean)"


def sentences(found: Ranks) -> list[str]:
    """Who holds up whom, a sentence or two each."""
    said = [straggler(one, marked=found.marked) for one in found.stragglers]
    if len(found.ranks) == 1:
        said = ["One rank alone was recorded: whom it held up, or waited for, is not known."]
    elif not said:
        said = ["No rank takes longer than the others for good."]
    if found.rotating:
        said.append("Steps are held up by one rank now and by another then: no single rank is the cause.")
    most = max(found.by_collective, key=lambda one: one.share, default=None)
    if most is not None and most.share >= 0.1:
        last, whose = "its last rank", "that is no rank's delay, but the collective's own."
        if found.missing:
            last = "the last recorded rank"
            whose = "that is no recorded rank's delay, but the collective's own, or that of a rank that is missing."
        said.append(
            f"{kind(most)} takes {format_ns(most.transfer)} after {last} has arrived, and {100 * most.share:.0f} % of "
            f"the critical path: {whose}"
        )
    return said


def straggler(one: Straggler, *, marked: bool) -> str:
    """One straggler in a sentence. marked: whether there are steps."""
    host = "" if one.host is None else f" ({one.host})"
    over = one.excess
    steps = f"{one.steps} of {one.of} steps"
    a_step = " a step" if marked else ""
    unsure = (
        "; too few steps to tell whether it stays so"
        if marked
        else "; no step is marked, so nothing tells whether it stays so"
    )
    few = "" if over.steps < MIN_TRIALS else " and too different"
    how = {
        "persistent": f"{a_step}{_interval(over, few)} longer than the median of the others, always or nearly: {steps}",
        "now and then": f"{a_step}{_interval(over, few)} longer than the median of the others, now and then: {steps}"
        if over.steps == one.of
        else f" longer than the median of the others in {over.steps} of {one.of} steps, which stand out, and is no straggler "
        "otherwise",
        "one-off": f" longer than the median of the others in few steps alone ({', '.join(map(str, one.worst))}), and is no "
        "straggler otherwise",
        "unknown": f"{a_step} longer than the median of the others{unsure}",
    }[one.pattern]
    part = f"{format_signed_ns(one.part_ns)} of it is {one.part}"
    return f"Rank {one.rank}{host} takes {format_ns(over.mean)}{how}. {part[:1].upper()}{part[1:]}."


def _interval(over: OverSteps, few: str) -> str:
    if over.low is None or over.high is None:
        return f" (steps too few{few} for an interval)"
    return f" [{format_ns(over.low)}, {format_ns(over.high)}]"


def lengths(found: Ranks) -> list[str]:
    """Why a step of the table is not the one that most steps are like."""
    whole = found.critical.wall
    if not found.marked or abs(found.wall - whole) < SAME_LENGTH * whole:
        return []
    usual = f"the median step of a rank takes {format_ns(found.wall)}"
    each = [one.parts.wall for one in found.by_rank]
    if abs(sum(each) / len(each) - whole) < abs(found.wall - whole) / 2:
        return [f"This is the mean step, in which long ones weigh more: {usual}."]
    return [
        "Ranks do not begin a step together, and this is counted from when the last of them does: "
        f"{usual}, with the waiting for others in it ({format_ns(min(each))} to {format_ns(max(each))} by rank)."
    ]


def _ledger(found: Ranks, *, colour: bool) -> list[str]:
    """The job's own ledger: the critical path, a step; of a job that marks none, in all."""
    whole = found.critical.wall
    rows = [
        [
            MEANINGS[name],
            f"{getattr(found.critical, name) / NS_PER_MS:.3f}",
            _share(getattr(found.critical, name), whole),
        ]
        for name in ("compute", "input", "copy", "host", "transfer")
    ]
    rows.append(
        [
            f"{'a step' if found.marked else 'the recording'} on the critical path",
            f"{whole / NS_PER_MS:.3f}",
            _share(whole, whole),
        ]
    )
    columns = [Column("Part", 60, right=False), Column("ms", 10), Column("Share", 7)]
    beside = found.critical.overlapped
    note = (
        paragraph(
            f"Beside these, {format_ns(beside)}{' a step' if found.marked else ''} of collectives ran while something else did."
        )
        if beside
        else []
    )
    lengthy = [line for one in lengths(found) for line in paragraph(one)]
    return [*heading(path_title(found), colour=colour), *table(columns, rows), *note, *lengthy]


def path_title(found: Ranks) -> str:
    """Of the job's own ledger."""
    step = "step" if found.marked else "recording, in which no step is marked"
    return f"The job's {step}, along its critical path"


def _together(found: Ranks) -> float:
    """Per cent at which the intervals of all ranks hold at once."""
    return 100 * (1 - (1 - found.stragglers[0].excess.confidence) * len(found.ranks))


def _share(value: float, whole: float) -> str:
    return f"{value / whole * 100:.1f} %" if whole else "–"


def unit(found: Ranks) -> str:
    """Of the figures of a rank."""
    return "ms a step" if found.marked else "ms in all"


def _places(places: Sequence[Place], unit: str) -> list[str]:
    if not places:
        return paragraph("No trace tells its host.", first="  ")
    name = max(8, min(12, max(len(visible(one.name)) for one in places)))
    columns = [Column("", name, right=False), *(Column(part.capitalize(), 8) for part in PART_NAMES)]
    columns += [Column("Excess", 8), Column("Last", 4)]
    rows = [
        [
            one.name,
            *(f"{getattr(one.parts, part) / NS_PER_MS:.2f}" for part in PART_NAMES),
            f"{one.excess.mean / NS_PER_MS:+.2f}",
            str(one.last),
        ]
        for one in places
    ]
    memory = [f"{one.name} {format_bytes(one.memory_bytes)}" for one in places if one.memory_bytes is not None]
    out = table(columns, rows)
    out += paragraph(
        f"{unit}. Waiting: until a collective's last rank arrived; transfer: after that. Excess: its own time (without "
        "collectives) less the median of the others'. Last: collectives at which it came last."
    )
    return out + (paragraph(f"Most memory allocated: {_first(memory)}.") if memory else [])


def _first(texts: Sequence[str]) -> str:
    more = "" if len(texts) <= _LISTED else f" and {len(texts) - _LISTED} more"
    return ", ".join(texts[:_LISTED]) + more


def kind(one: Collective) -> str:
    """A kind of collective: its operator and size."""
    size = "" if one.bytes is None else f" of {format_bytes(one.bytes)}"
    return f"{one.op}{size}"


def _collectives(kinds: Sequence[Collective]) -> list[str]:
    if not kinds:
        return paragraph("No collective is on two ranks or more.", first="  ")
    columns = [Column("Collective", 25, right=False), Column("Ranks", 5), Column("Calls", 6), Column("Waiting", 10)]
    columns += [Column("Transfer", 10), Column("GB/s", 7), Column("Latest", 10)]
    rows = [
        [
            kind(one),
            str(one.ranks),
            str(one.calls),
            f"{one.waiting / NS_PER_MS:.3f}",
            f"{one.transfer / NS_PER_MS:.3f}",
            "–" if one.bandwidth is None else f"{one.bandwidth / NS_PER_S:.3g}",
            "–" if one.late is None else f"{one.late} ({one.late_calls}×)",
        ]
        for one in kinds
    ]
    return table(columns, rows) + paragraph(
        "ms a call. Waiting: of a rank for the last one, mean; transfer: from the last arrival to the end, median. GB/s: bus "
        "bandwidth. Latest: the rank that came last most often."
    )


def _steps(found: Ranks) -> list[str]:
    if not found.marked:
        return paragraph(
            "No step is marked in these traces (torch: profiler.step(); else a marker ProfilerStep#N).", first="  "
        )
    columns = [Column("Step", 8), Column("Critical", 8), *(Column(part.capitalize(), 8) for part in MEANINGS)]
    columns += [Column("Waited", 8), Column("For", 8)]
    rows = [
        [
            str(one.step),
            f"rank {one.critical}",
            *(f"{getattr(one.parts, part) / NS_PER_MS:.2f}" for part in MEANINGS),
            f"{one.waited / NS_PER_MS:.2f}",
            "–" if one.latest is None else f"rank {one.latest}",
        ]
        for one in found.by_step
    ]
    return table(columns, rows) + paragraph(
        "ms on the critical path. Critical: the rank that it is on for most of its local time. Waited: of all ranks "
        "together; for: the rank that came last to most of it."
    )


def _indented(said: Sequence[str]) -> list[str]:
    return [line for one in said for line in paragraph(one, first="  ")]


def rests_on(found: Ranks) -> list[str]:
    """What the figures rest on, a sentence or two each."""
    said = list(found.notes)
    if found.missing:
        said.append(
            f"Missing: rank {_first([str(one) for one in found.missing])}. What others waited for them counts as transfer."
        )
    away = [one for one in found.clocks if one.offset]
    if away:
        listed = _first([f"{one.name} {format_signed_ns(one.offset)}" for one in away])
        said.append(f"Clocks were aligned on the ends of collectives, against {found.clocks[0].name}: {listed}.")
    if found.by_collective and found.clocks:
        said.append(
            f"Ends of one collective lie {format_ns(max(one.spread for one in found.clocks))} apart at most (median deviation)."
        )
    drifting = [one.name for one in found.clocks if abs(one.drift) > max(10 * one.spread, 100_000.0)]
    if drifting:
        said.append(f"The clock of {_first(drifting)} drifts: waiting there is uncertain by as much.")
    if any(one.excess.low is not None for one in found.stragglers):
        said.append(
            "Intervals are over the steps of this recording, all ranks together at "
            f"{_together(found):.0f} %; another start of the job is another draw."
        )
    return said


def _trust(found: Ranks, *, colour: bool) -> list[str]:
    said = rests_on(found)
    return [*heading("What this rests on", colour=colour), *_indented(said)] if said else []
