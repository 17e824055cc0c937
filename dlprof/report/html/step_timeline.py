"""One step of each side on the page: a picture for print, the data of the timeline that a script draws, and a table.

The script (assets/timeline.js) reads columns, one entry a bar: texts, colours and works are numbers into lists of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

import numpy as np

from dlprof.analysis.model import Alignment, Ledger, LedgerLine
from dlprof.analysis.step_timeline import Bar, Timeline
from dlprof.report import lanes, palette
from dlprof.report.html import plots
from dlprof.report.html.parts import Cell, Section, data_element, figure, number, section, table
from dlprof.units import NS_PER_MS, PS_PER_NS, format_ns

TITLE: Final = "One step"
_TABLED: Final = 40
"""Events of a side in the table, the longest ones."""
_HELP: Final = (
    "Drag to move, Ctrl and the wheel to zoom (the wheel alone once the timeline has been clicked), double-click to zoom to an "
    "event. Keys: w s or + − zoom, a d or ← → move, 0 shows all, . and , go to the next and the previous event, ↑ ↓ to the next "
    "lane, m to the matched work of the other side, f zooms to it, Escape lets go."
)


def build(
    found: Sequence[Timeline],
    titles: Mapping[str, str],
    alignment: Alignment | None = None,
    ledger: Ledger | None = None,
) -> Section:
    """The typical step of each side on one time axis; drawn inside figure.page_style. Empty where no side has steps."""
    if not found:
        return section("timeline", TITLE, "")
    walls = "; ".join(f"{titles[one.side]}: {len(one.bars)} events, {format_ns(one.wall_ns)}" for one in found)
    about = f"The step whose wall time is nearest to the median, both from their start on one axis. {walls}."
    still = figure(plots.timeline(found, titles), "timeline", about)
    return section(
        "timeline",
        TITLE,
        f'<div class="timeline"><div class="still">{still}</div>{_live(found, about)}{_table(found, titles)}</div>',
        data_element("timeline-data", data(found, titles, alignment, ledger)),
    )


def _live(found: Sequence[Timeline], about: str) -> str:
    """What the script fills; hidden until it runs."""
    families = dict.fromkeys(palette.family(bar.op, bar.phase) for one in found for bar in one.bars)
    legend = "".join(
        f'<li><span class="swatch" style="background:{palette.family_colour(name)}"></span>{escape(name)}</li>'
        for name in families
    )
    return (
        '<div class="live" hidden><div class="tools" role="group" aria-label="View of the timeline"></div>'
        '<div class="drawn"><canvas tabindex="0" role="application" aria-roledescription="timeline" '
        f'aria-label="{escape(about)}" aria-describedby="timeline-help"></canvas><div class="tip" hidden></div></div>'
        f'<ul class="legend" aria-label="Colours">{legend}</ul>'
        '<p class="told" role="status"></p>'
        f'<p class="note" id="timeline-help">{escape(_HELP)}</p></div>'
    )


def _table(found: Sequence[Timeline], titles: Mapping[str, str]) -> str:
    rows: list[tuple[Cell | str, ...]] = []
    for one in found:
        names = _lane_names(one)
        longest = sorted(one.bars, key=lambda bar: -bar.duration_ns)[:_TABLED]
        rows += [(titles[one.side], names[bar.row], *_cells(bar)) for bar in longest]
    heads: tuple[str, ...] = ("Side", "Lane", "Work", "Recorded as", "Start, ms", "Duration, ms", "Launched, ms")
    if not any(bar.launch for one in found for bar in one.bars):
        rows, heads = [row[:-1] for row in rows], heads[:-1]
    many = sum(len(one.bars) + one.left_out for one in found)
    caption = f"{'The' if len(rows) == many else f'The longest {len(rows)} of'} {many} events of the steps drawn"
    return f"<details><summary>The same as a table</summary>{table(caption, heads, rows)}</details>"


def _cells(bar: Bar) -> tuple[Cell | str, ...]:
    return (
        " ".join(filter(None, (bar.op, bar.phase, bar.layer))),
        bar.kernel or bar.name,
        number(bar.start_ns / NS_PER_MS),
        number(bar.duration_ns / NS_PER_MS),
        number(bar.launch.start_ns / NS_PER_MS if bar.launch else None),
    )


def _lane_names(found: Timeline) -> list[str]:
    tracks = [(lane.device, lane.stream) for lane in found.lanes]
    names = lanes.names(tracks)
    return [f"{device} · {names[device, stream]}" for device, stream in tracks]


@dataclass(slots=True)
class _Numbered:
    """Distinct values, each with the number of its first place."""

    place: dict[str, int] = field(default_factory=dict)

    def of(self, value: str | None) -> int | None:
        return None if value is None else self.place.setdefault(value, len(self.place))


def data(
    found: Sequence[Timeline], titles: Mapping[str, str], alignment: Alignment | None, ledger: Ledger | None
) -> dict[str, Any]:
    """What the script draws; times in ns from the start of the step.

    works: names of what is highlighted together, first the matches of the alignment. lines: the ledger's lines in order,
    each with its works, and when `idle` or `together` it stands for the time in which none or several lanes worked.
    """
    matches = alignment.matches if alignment else ()
    works = _Numbered({f"match {at}": at for at in range(len(matches))})
    owner = {"a": {op: at for at, match in enumerate(matches) for op in match.a_ops}}
    owner["b"] = {op: at for at, match in enumerate(matches) for op in match.b_ops}
    texts, families = _Numbered(), _Numbered()
    sides = [_side(one, titles[one.side], owner.get(one.side, {}), works, texts, families) for one in found]
    names = [match.name for match in matches] + list(works.place)[len(matches) :]
    lines = [_line(line, alignment) for line in ledger.lines] if ledger else []
    return {
        "sides": sides,
        "texts": list(texts.place),
        "families": [[name, palette.family_colour(name), palette.on(name)] for name in families.place],
        "works": names,
        "lines": lines,
    }


def _line(line: LedgerLine, alignment: Alignment | None) -> dict[str, Any]:
    matches = alignment.matches if alignment else ()
    if line.kind in ("op", "copy", "communication"):
        works = [at for at, match in enumerate(matches) if match.key == line.key]
        return {"name": line.name, "works": works}
    works = [at for at, match in enumerate(matches) if match.kind == "input"] if line.kind == "input" else []
    return {"name": line.name, "works": works, "when": "together" if line.kind == "concurrency" else "idle"}


def _side(
    found: Timeline,
    title: str,
    owner: Mapping[str, int],
    works: _Numbered,
    texts: _Numbered,
    families: _Numbered,
) -> dict[str, Any]:
    rows, drawn = _placed(found)
    names = _lane_names(found)
    bars = found.bars
    launched = [bar.launch for bar in bars]
    return {
        "title": title,
        "step": found.step,
        "wall": found.wall_ns,
        "left_out": found.left_out,
        "lanes": [names[row] if lane == 0 else f"{names[row]} · {lane + 1}" for row, lane in rows],
        "idle": found.idle,
        "together": found.together,
        "start": [_exact(bar.start_ns) for bar in bars],
        "length": [_exact(bar.duration_ns) for bar in bars],
        "lane": [lane for lane, _ in drawn],
        "depth": [depth for _, depth in drawn],
        "work": [owner[bar.work] if bar.work in owner else works.of(bar.work or bar.op) for bar in bars],
        "family": [families.of(palette.family(bar.op, bar.phase)) for bar in bars],
        **_columns(bars, texts),
        "by": [texts.of(launch.name) if launch else None for launch in launched],
        "launched": [_exact(launch.start_ns) if launch else None for launch in launched],
    }


def _columns(bars: Iterable[Bar], texts: _Numbered) -> dict[str, list[int | None]]:
    return {name: [texts.of(getattr(bar, name)) for bar in bars] for name in ("name", "op", "phase", "layer", "kernel")}


def _placed(found: Timeline) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The lanes drawn, as (row of the timeline, lane of it), and for each bar its lane drawn and how deep it is nested."""
    start = np.array([round(bar.start_ns * PS_PER_NS) for bar in found.bars], dtype=np.int64)
    length = np.array([round(bar.duration_ns * PS_PER_NS) for bar in found.bars], dtype=np.int64)
    row = np.array([bar.row for bar in found.bars], dtype=np.int64)
    lane = np.zeros(len(row), dtype=np.int64)
    for one in np.unique(row).tolist():
        mine = np.flatnonzero(row == one)
        lane[mine] = lanes.assign(start[mine], length[mine])
    drawn = {pair: at for at, pair in enumerate(sorted(set(zip(row.tolist(), lane.tolist(), strict=True))))}
    deep: list[tuple[int, int]] = []
    open_: dict[int, list[int]] = {}
    for pair, begin, end in zip(
        zip(row.tolist(), lane.tolist(), strict=True), start.tolist(), (start + length).tolist(), strict=True
    ):
        stack = open_.setdefault(drawn[pair], [])
        while stack and stack[-1] <= begin:
            stack.pop()
        deep.append((drawn[pair], len(stack)))
        stack.append(end)
    return list(drawn), deep


def _exact(ns: float) -> float | int:
    """To the picosecond, and without a decimal point where there is nothing behind it."""
    return int(ns) if ns == int(ns) else round(ns, 3)
