"""The page of a job's ranks: who holds up whom, a heat map, the worst steps, the job's ledger, the tables of `dlprof ranks`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from dlprof.analysis.ranks.drawn import Drawn, WorstStep
from dlprof.analysis.ranks.model import Place, Ranks
from dlprof.report import json
from dlprof.report.html import ranks_plots
from dlprof.report.html.figure import page_style
from dlprof.report.html.parts import Cell, Section, figure, number, page, paragraphs, section, table, verdict
from dlprof.report.text import ranks_text
from dlprof.report.text.layout import unbroken, visible
from dlprof.units import NS_PER_MS, NS_PER_S, format_bytes, format_ns

_ROWS: Final = 2000
"""Of a table; a browser stays quick, and `--format csv` has the rest."""


def ranks(found: Ranks, drawn: Drawn, *, commands: Sequence[str] = (), version: str = "") -> str:
    """The page; what `--format json` writes is embedded as the element `data`."""
    with page_style():
        figures = [_heat(found, drawn), _worst(found, drawn)]
    sections = [
        *figures,
        _ledger(found),
        _places("ranks", "By rank", found.by_rank, found),
        _places("hosts", "By host", found.by_host, found),
        _collectives(found),
        _steps(found),
        section("trust", "What this rests on", paragraphs(map(visible, ranks_text.rests_on(found)))),
        section(
            "reproduce",
            "How to reproduce",
            f"<pre>{escape(chr(10).join(map(visible, commands)))}</pre>" if commands else "",
        ),
    ]
    data = {"schema_version": json.SCHEMA_VERSION, "kind": "ranks", **json.plain(found)}
    return page(f"dlprof: ranks of {visible(found.run)}", _top(found, version), sections, data)


def _top(found: Ranks, version: str) -> str:
    first, *rest = (unbroken(visible(one)) for one in ranks_text.sentences(found))
    said = verdict(first, "slower" if found.stragglers else "")
    job = escape(unbroken(ranks_text.title(found)))
    made = f'<p class="note">Page made by {escape(f"dlprof {version}".strip())}; it fetches nothing.</p>'
    return f"{said}\n<p>{job}.</p>{paragraphs(rest)}{made}"


def _heat(found: Ranks, drawn: Drawn) -> Section:
    if not found.marked or len(drawn.ranks) < 2:
        return section("heat", "Ranks and steps", "")
    about = "By how much each rank took longer than the median of the others, step by step; a row that is light all along is a "
    about += "rank that is slow for good, a light column a step in which one was."
    return section("heat", "Ranks and steps", figure(ranks_plots.heat(drawn), "heat", about))


def _worst(found: Ranks, drawn: Drawn) -> Section:
    name = "The worst steps" if found.marked else "The recording"
    about = (
        "Ranks wait (hatched) for the one that is marked ▶. Clocks are aligned. Between two collectives only the sums of a "
        "rank's parts are known: they are drawn one after the other, in one order."
    )
    shown = [figure(ranks_plots.step(one), f"step-{at}", _told(one)) for at, one in enumerate(drawn.worst)]
    return section("worst", name, f"<p>{escape(about)}</p>" if shown else "", *shown)


def _told(one: WorstStep) -> str:
    who = (
        "Nobody waited"
        if one.culprit is None
        else f"Rank {one.culprit} was waited for {format_ns(one.charged)} by all others together{_beside(one)}"
    )
    more = f"; {one.left_out} more ranks are not drawn" if one.left_out else ""
    return f"{who}, {format_ns(one.wall)} from the first start to the last end{more}."


def _beside(one: WorstStep) -> str:
    """What was waited for others in the step."""
    rest = one.waited - one.charged
    return f", and others {format_ns(rest)}" if rest > one.waited / 100 else ""


def _ledger(found: Ranks) -> Section:
    whole = found.critical.wall
    rows = [(meaning, *_share(getattr(found.critical, part), whole)) for part, meaning in ranks_text.MEANINGS.items()]
    foot = ("on the critical path in all", *_share(whole, whole))
    titles = ("Part", ranks_text.unit(found), "Share")
    notes = ranks_text.lengths(found)
    shown = table(ranks_text.path_title(found), titles, rows, foot=foot, sortable=False)
    return section("path", "The job's ledger", shown, paragraphs(notes, "note"))


def _share(value: float, whole: float) -> tuple[Cell, Cell]:
    return number(value / NS_PER_MS), number(100 * value / whole if whole else None, "{:.1f} %")


def _places(name: str, title: str, places: Sequence[Place], found: Ranks) -> Section:
    if not places:
        return section(name, title, "")
    first = ("Rank", "On host") if name == "ranks" else ("Host",)
    memory = any(one.memory_bytes is not None for one in places)
    heads = (*first, *(part.capitalize() for part in ranks_text.PART_NAMES), "Excess", "low", "high")
    heads += ("Critical", "Last", "Charged", *(("Memory",) if memory else ()))
    rows = [
        (
            visible(one.name) if one.rank is None else number(one.rank, "{:d}"),
            *((visible(one.host or "–"),) if name == "ranks" else ()),
            *(_ms(getattr(one.parts, part)) for part in ranks_text.PART_NAMES),
            *(_ms(value, "{:+.3f}") for value in (one.excess.mean, one.excess.low, one.excess.high)),
            number(one.critical, "{:d}"),
            number(one.last, "{:d}"),
            _ms(one.charged),
            *((_bytes(one.memory_bytes),) if memory else ()),
        )
        for one in places[:_ROWS]
    ]
    note = (
        f"{ranks_text.unit(found)}. Waiting: until a collective's last rank arrived; transfer: after that. Excess: its own time "
        "(without collectives) less the median of the others', mean over steps, with its interval. Critical: steps in which it "
        "was. Last: collectives at which it came last; charged: what all others waited there."
    )
    return section(
        name,
        title,
        table(title, heads, rows),
        paragraphs([*_left(len(places)), *([note] if name == "ranks" else [])], "note"),
    )


def _left(many: int) -> list[str]:
    return [f"{_ROWS} of {many} rows; `--format csv` has all."] if many > _ROWS else []


def _bytes(value: int | None) -> Cell:
    return Cell("–", -1.0, True) if value is None else Cell(format_bytes(value), float(value), True)


def _ms(value: float | None, form: str = "{:.3f}") -> Cell:
    return number(None if value is None else value / NS_PER_MS, form)


def _collectives(found: Ranks) -> Section:
    rows = [
        (
            one.op,
            _bytes(one.bytes),
            visible(one.group or "–"),
            number(one.ranks, "{:d}"),
            number(one.calls, "{:d}"),
            _ms(one.waiting),
            _ms(one.transfer),
            number(None if one.bandwidth is None else one.bandwidth / NS_PER_S, "{:.3g}"),
            "–" if one.late is None else f"{one.late} ({one.late_calls}×)",
            number(100 * one.share, "{:.1f} %"),
        )
        for one in found.by_collective[:_ROWS]
    ]
    heads = (
        "Collective",
        "Size",
        "Group",
        "Ranks",
        "Calls",
        "Waiting, ms",
        "Transfer, ms",
        "GB/s",
        "Latest",
        "Of the path",
    )
    note = (
        "ms a call. GB/s: bus bandwidth. Latest: the rank that came last most often. Of the path: transfer, as a share of the "
        "critical path."
    )
    shown = table("By collective", heads, rows) if rows else ""
    return section("collectives", "By collective", shown, paragraphs([note], "note") if rows else "")


def _steps(found: Ranks) -> Section:
    if not found.marked:
        return section("steps", "By step", "")
    parts = tuple(ranks_text.MEANINGS)
    rows = [
        (
            number(one.step, "{:d}"),
            Cell(f"rank {one.critical}", float(one.critical)),
            *(_ms(getattr(one.parts, part)) for part in parts),
            _ms(one.parts.wall),
            _ms(one.waited),
            Cell(
                "–" if one.latest is None else f"rank {one.latest}", -1.0 if one.latest is None else float(one.latest)
            ),
        )
        for one in found.by_step[:_ROWS]
    ]
    heads = ("Step", "Critical", *(part.capitalize() for part in parts), "Whole", "Waited", "For")
    note = (
        "ms on the critical path. Critical: the rank that it is on for most of its local time. Waited: of all ranks together; "
        "for: the rank that came last to most of it."
    )
    return section(
        "steps", "By step", table("By step", heads, rows), paragraphs([*_left(len(found.by_step)), note], "note")
    )
