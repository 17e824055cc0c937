"""Two recorded jobs as text of 80 columns: where the difference of a step lies, ranks and collectives, what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlprof.analysis.ranks.two_jobs import JobLine, TwoJobs, changed
from dlprof.report.text import ranks_text
from dlprof.report.text.layout import Column, heading, paragraph, table
from dlprof.stats.sample.steps import Difference
from dlprof.units import NS_PER_MS, format_bytes, format_ns, format_signed_ns

_ROWS: Final = 12
SINGLE: Final = (
    "Each job was recorded once: this is no verdict. Intervals are over the steps of these two recordings, and over the ranks "
    "that both have; another start of either job is another draw. Several recordings a side give one: dlprof diff --a "
    "old/*.json --b new/*.json."
)


def text(found: TwoJobs, *, colour: bool) -> str:
    """The whole report."""
    lines = [f"A  {ranks_text.title(found.a)}", f"B  {ranks_text.title(found.b)}", ""]
    lines += paragraph(headline(found), first="  ")
    lines += [line for one in stragglers(found) for line in paragraph(one, first="  ")]
    lines += [*heading(_of_step(found), colour=colour), *_ledger(found)]
    lines += [*heading("By rank, those that changed most first", colour=colour), *_ranks(found)]
    if found.collectives:
        lines += [*heading("By collective", colour=colour), *_collectives(found)]
    lines += [*heading("What this rests on", colour=colour)]
    lines += [line for one in rests_on(found) for line in paragraph(one, first="  ")]
    return "\n".join(lines) + "\n"


def _of_step(found: TwoJobs) -> str:
    return (
        "A step of each job, along its critical path"
        if found.a.marked and found.b.marked
        else "Along the critical paths"
    )


def headline(found: TwoJobs) -> str:
    """The difference in a sentence."""
    whole = found.whole
    what = "step" if found.a.marked and found.b.marked else "recording"
    much = (
        f"{format_signed_ns(whole.over_steps.value)} ({whole.b_ns / whole.a_ns:.3f} times A's)" if whole.a_ns else "–"
    )
    most = max(found.lines, key=lambda line: abs(line.over_steps.value))
    lengths = f"{format_ns(whole.b_ns)} on its critical path, A's {format_ns(whole.a_ns)}"
    return (
        f"B's {what} takes {lengths}: {much}{_interval(whole.over_steps)}. "
        f"Most of it is {most.part}: {format_signed_ns(most.over_steps.value)}{_interval(most.over_steps)}."
    )


def _interval(one: Difference) -> str:
    if one.low is None or one.high is None:
        return ""
    return f" [{format_signed_ns(one.low)}, {format_signed_ns(one.high)}]"


def stragglers(found: TwoJobs) -> list[str]:
    """Who holds up one job and not the other."""
    new, gone = changed(found.a.stragglers, found.b.stragglers)
    said = [f"In B alone: {ranks_text.straggler(one, marked=found.b.marked)}" for one in new]
    return said + [f"In A alone: {ranks_text.straggler(one, marked=found.a.marked)}" for one in gone]


def rests_on(found: TwoJobs) -> list[str]:
    """What the figures rest on."""
    only = [
        f"{side} alone has {', '.join(those)}." for side, those in (("A", found.only_a), ("B", found.only_b)) if those
    ]
    sides = [f"{side}: {note}" for side, job in (("A", found.a), ("B", found.b)) for note in ranks_text.rests_on(job)]
    return [SINGLE, *found.notes, *only, *sides]


def _ledger(found: TwoJobs) -> list[str]:
    columns = [Column("Part", 9, right=False), Column("A, ms", 9), Column("B, ms", 9), Column("B − A", 9)]
    columns += [Column("over steps", 18), Column("over ranks", 18)]
    rows = [_row(line) for line in (*found.lines, found.whole)]
    return table(columns, rows) + paragraph(
        "ms. The parts sum to the step on both sides, and their differences to its difference. Over steps: interval of B − A, "
        "the step being the unit; over ranks (six or more in both): of what each rank has more of this part in B than in A, the "
        "rank being the unit."
    )


def _row(line: JobLine) -> list[str]:
    return [
        "the step" if line.part == "step" else line.part,
        f"{line.a_ns / NS_PER_MS:.3f}",
        f"{line.b_ns / NS_PER_MS:.3f}",
        f"{line.over_steps.value / NS_PER_MS:+.3f}",
        _ends(line.over_steps),
        _ends(line.over_ranks),
    ]


def _ends(one: Difference | None) -> str:
    if one is None or one.low is None or one.high is None:
        return "–"
    return f"{one.low / NS_PER_MS:+.2f} to {one.high / NS_PER_MS:+.2f}"


def _ranks(found: TwoJobs) -> list[str]:
    if not found.ranks:
        return paragraph("The jobs have no rank in common.", first="  ")
    columns = [Column("Rank", 6), Column("A own", 9), Column("B own", 9), Column("B − A", 9), Column("interval", 18)]
    columns += [Column("A excess", 9), Column("B excess", 9)]
    rows = [
        [
            str(one.rank),
            *(f"{value / NS_PER_MS:.3f}" for value in (one.a_own_ns, one.b_own_ns)),
            f"{one.own.value / NS_PER_MS:+.3f}",
            _ends(one.own),
            *(f"{value / NS_PER_MS:+.3f}" for value in (one.a_excess_ns, one.b_excess_ns)),
        ]
        for one in found.ranks[:_ROWS]
    ]
    left = [f"{len(found.ranks) - _ROWS} ranks changed less; --format csv has all."] if len(found.ranks) > _ROWS else []
    said = "ms a step. Own: without collectives; excess: that less the median of the others'."
    return table(columns, rows) + _all([*left, said])


def _all(said: Sequence[str]) -> list[str]:
    return [line for one in said for line in paragraph(one)]


def _collectives(found: TwoJobs) -> list[str]:
    columns = [
        Column("Collective", 24, right=False),
        Column("Calls", 11),
        Column("Waiting, ms", 18),
        Column("Transfer, ms", 18),
    ]
    rows = [
        [
            f"{one.op}{'' if one.bytes is None else f' of {format_bytes(one.bytes)}'}",
            f"{one.a_calls} → {one.b_calls}",
            f"{one.a_waiting_ns / NS_PER_MS:.3f} → {one.b_waiting_ns / NS_PER_MS:.3f}",
            f"{one.a_transfer_ns / NS_PER_MS:.3f} → {one.b_transfer_ns / NS_PER_MS:.3f}",
        ]
        for one in found.collectives[:_ROWS]
    ]
    return table(columns, rows) + paragraph("A → B, a call: waiting mean over ranks, transfer median over calls.")
