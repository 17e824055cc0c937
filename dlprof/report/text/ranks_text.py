"""The ranks of a job as text of 80 columns: who holds up whom, the job's ledger, a table by rank, host, collective or step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlprof.analysis.ranks.model import Collective, Place, Ranks, Step, Straggler
from dlprof.report.text.layout import Column, heading, paragraph, table, visible
from dlprof.stats.sample.steps import OverSteps
from dlprof.units import NS_PER_MS, NS_PER_S, format_bytes, format_ns, format_signed_ns

PART_NAMES: Final = ("compute", "input", "copy", "host", "waiting", "transfer")
_MEANINGS: Final = {
    "compute": "computing",
    "input": "input",
    "copy": "copies",
    "host": "the host: launches, Python, sleep, whatever is not recorded",
    "transfer": "collectives after their last arrival, exposed",
}
_LISTED: Final = 8


def text(found: Ranks, by: str, *, colour: bool) -> str:
    """The whole report, with a table by rank, host, collective or step."""
    lines = [_title(found), *_stragglers(found), *_ledger(found, colour=colour), *heading(f"By {by}", colour=colour)]
    if by == "collective":
        lines += _collectives(found.by_collective)
    elif by == "step":
        lines += _steps(found.by_step)
    else:
        lines += _places(found.by_host if by == "host" else found.by_rank)
    return "\n".join([*lines, *_trust(found, colour=colour)]) + "\n"


def _title(found: Ranks) -> str:
    of = f" of {found.world}" if found.world and found.world != len(found.ranks) else ""
    return (
        f"{visible(found.run)}: {_count(len(found.ranks), 'rank')}{of}, {_count(found.steps, 'step')} of "
        f"{format_ns(found.wall)} (median)"
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _stragglers(found: Ranks) -> list[str]:
    said = [line for one in found.stragglers for line in paragraph(straggler(one), first="  ")]
    if not said:
        said = paragraph("No rank takes longer than the others for good.", first="  ")
    if found.rotating:
        said += paragraph(
            "Steps are held up by one rank now and by another then: no single rank is the cause.", first="  "
        )
    most = max(found.by_collective, key=lambda one: one.share, default=None)
    if most is not None and most.share >= 0.1:
        said += paragraph(
            f"{_kind(most)} takes {format_ns(most.transfer)} after its last rank has arrived, and {100 * most.share:.0f} % of "
            "the critical path: that is no rank's delay, but the collective's own.",
            first="  ",
        )
    return said


def straggler(one: Straggler) -> str:
    """One straggler in a sentence."""
    host = "" if one.host is None else f" ({one.host})"
    size = f"{format_ns(one.excess.mean)} a step{_interval(one.excess)}"
    steps = f"{one.steps} of {one.excess.steps} steps"
    how = {
        "persistent": f"always or nearly: {steps}",
        "now and then": f"now and then: {steps}",
        "one-off": f"in few steps alone: {', '.join(map(str, one.worst))}",
        "unknown": "too few steps to tell whether it stays so",
    }[one.pattern]
    part = f"{format_signed_ns(one.part_ns)} of it is {one.part}"
    return f"Rank {one.rank}{host} takes {size} longer than the median of the others, {how}; {part}."


def _interval(over: OverSteps) -> str:
    if over.low is None or over.high is None:
        return " (too few steps for an interval)"
    return f" [{format_ns(over.low)}, {format_ns(over.high)}]"


def _ledger(found: Ranks, *, colour: bool) -> list[str]:
    """The job's own ledger: the critical path, a step."""
    whole = found.critical.wall
    rows = [
        [
            _MEANINGS[name],
            f"{getattr(found.critical, name) / NS_PER_MS:.3f}",
            _share(getattr(found.critical, name), whole),
        ]
        for name in ("compute", "input", "copy", "host", "transfer")
    ]
    rows.append(["a step on the critical path", f"{whole / NS_PER_MS:.3f}", _share(whole, whole)])
    columns = [Column("Part", 60, right=False), Column("ms", 10), Column("Share", 7)]
    beside = found.critical.overlapped
    note = (
        paragraph(f"Beside these, {format_ns(beside)} a step of collectives ran while something else did.")
        if beside
        else []
    )
    return [*heading("The job's step, along its critical path", colour=colour), *table(columns, rows), *note]


def _together(found: Ranks) -> float:
    """Per cent at which the intervals of all ranks hold at once."""
    return 100 * (1 - (1 - found.stragglers[0].excess.confidence) * len(found.ranks))


def _share(value: float, whole: float) -> str:
    return f"{value / whole * 100:.1f} %" if whole else "–"


def _places(places: Sequence[Place]) -> list[str]:
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
        "ms a step. Waiting: until a collective's last rank arrived; transfer: after that. Excess: its own time (without "
        "collectives) less the median of the others'. Last: collectives at which it came last."
    )
    return out + (paragraph(f"Most memory allocated: {_first(memory)}.") if memory else [])


def _first(texts: Sequence[str]) -> str:
    more = "" if len(texts) <= _LISTED else f" and {len(texts) - _LISTED} more"
    return ", ".join(texts[:_LISTED]) + more


def _kind(one: Collective) -> str:
    size = "" if one.bytes is None else f" of {format_bytes(one.bytes)}"
    return f"{one.op}{size}"


def _collectives(kinds: Sequence[Collective]) -> list[str]:
    if not kinds:
        return paragraph("No collective is on two ranks or more.", first="  ")
    columns = [Column("Collective", 25, right=False), Column("Ranks", 5), Column("Calls", 6), Column("Waiting", 10)]
    columns += [Column("Transfer", 10), Column("GB/s", 7), Column("Latest", 10)]
    rows = [
        [
            _kind(one),
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


def _steps(steps: Sequence[Step]) -> list[str]:
    columns = [Column("Step", 8), Column("Critical", 8), *(Column(part.capitalize(), 9) for part in _MEANINGS)]
    columns.append(Column("Waited", 9))
    rows = [
        [
            str(one.step),
            f"rank {one.critical}",
            *(f"{getattr(one.parts, part) / NS_PER_MS:.2f}" for part in _MEANINGS),
            f"{one.waited / NS_PER_MS:.2f}",
        ]
        for one in steps
    ]
    return table(columns, rows) + paragraph(
        "ms on the critical path. Critical: the rank that it is on for most of its local time. Waited: of all ranks together."
    )


def _trust(found: Ranks, *, colour: bool) -> list[str]:
    """What the figures rest on."""
    said = list(found.notes)
    if found.missing:
        said.append(f"Missing: rank {_first([str(one) for one in found.missing])}.")
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
    if found.stragglers:
        said.append(
            "Intervals are over the steps of this recording, all ranks together at "
            f"{_together(found):.0f} %; another start of the job is another draw."
        )
    return (
        [*heading("What this rests on", colour=colour), *(line for one in said for line in paragraph(one, first="  "))]
        if said
        else []
    )
