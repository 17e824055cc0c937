"""Plots of a job's ranks: the excess of each in each step as a heat map, and the worst steps rank by rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dlprof.analysis.columns import Floats
from dlprof.analysis.ranks.drawn import Drawn, Lane, WorstStep
from dlprof.report import palette
from dlprof.report.html.figure import WIDTH, axes, unit

_MOST: Final = 400
"""Rows or columns of the heat map; of more, neighbours are one, which has the greatest of their values."""
_HATCH: Final = {"waiting": "////"}
_MAP: Final = "cividis"
"""Colours from dark to light that the colour-blind read alike (Nuñez, Anderton and Renslow 2018)."""


def heat(found: Drawn) -> Figure:
    """Ranks × steps: by how much each takes longer than the median of the others; less than nothing is nothing."""
    values = np.maximum(found.excess, 0.0)
    rows, columns = (-(-size // _MOST) for size in values.shape)
    shown = _gathered(_gathered(values, rows).T, columns).T
    scale = unit([float(shown.max(initial=0.0))])
    figure, (axis,) = axes(WIDTH, min(1.6 + 0.24 * shown.shape[0], 5.0))
    picture = axis.imshow(shown / scale.ns, aspect="auto", cmap=_MAP, interpolation="nearest", vmin=0.0)
    for side, numbers, together in ((axis.yaxis, found.ranks, rows), (axis.xaxis, found.steps, columns)):
        side.set_major_locator(MaxNLocator(12, integer=True))
        side.set_major_formatter(FuncFormatter(_names(numbers, together)))
    axis.set_xlabel("step")
    axis.set_ylabel("rank")
    axis.grid(visible=False)
    bar = figure.colorbar(picture, ax=axis, pad=0.02)
    bar.set_label(f"{scale.name} longer than the others' median")
    bar.outline.set_visible(False)
    more = f"; the greatest of {rows} ranks and {columns} steps each" if rows * columns > 1 else ""
    axis.set_title(f"Own time of each rank in each step, without collectives{more}")
    return figure


def _names(numbers: tuple[int, ...], together: int) -> Callable[[float, int | None], str]:
    """Number of a row or column of the heat map → the rank or step that it begins with."""

    def named(value: float, _: int | None = None) -> str:
        at = round(value) * together
        return str(numbers[at]) if value == round(value) and 0 <= at < len(numbers) else ""

    return named


def _gathered(values: Floats, together: int) -> Floats:
    """The greatest of so many neighbouring rows each."""
    found: Floats = (
        np.maximum.reduceat(values, np.arange(0, values.shape[0], together), axis=0) if together > 1 else values
    )
    return found


def step(found: WorstStep) -> Figure:
    """A step: a lane a rank, what it did in colours; a line where the last rank came to a collective."""
    scale = unit([found.wall])
    figure, (axis,) = axes(WIDTH, 1.5 + 0.3 * len(found.lanes))
    for at, lane in enumerate(found.lanes):
        for part in dict.fromkeys(lane.parts):
            axis.add_patch(
                PathPatch(
                    _boxes(lane, part, at, scale.ns),
                    facecolor=palette.RANK_PARTS[part],
                    hatch=_HATCH.get(part, ""),
                    linewidth=0,
                )
            )
    for arrival in found.arrivals:
        axis.axvline(arrival / scale.ns, linestyle=":", linewidth=0.8, color="gray", zorder=0.5)
    axis.set_xlim(-0.01 * found.wall / scale.ns, 1.01 * found.wall / scale.ns)
    axis.set_ylim(len(found.lanes) - 0.4, -0.6)
    axis.set_yticks(range(len(found.lanes)), [_named(lane, found.culprit) for lane in found.lanes])
    for lane, label in zip(found.lanes, axis.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if lane.rank == found.culprit else "normal")
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel(f"{scale.name} from the start of the step; dotted: the last rank came to a collective")
    held = "" if found.culprit is None else f": rank {found.culprit} is waited for"
    axis.set_title(f"Step {found.step}{held}")
    parts = [part for part in palette.RANK_PARTS if any(part in lane.parts for lane in found.lanes)]
    handles = [Patch(facecolor=palette.RANK_PARTS[part], hatch=_HATCH.get(part, ""), label=part) for part in parts]
    figure.legend(handles=handles, fontsize=7, ncols=6, loc="outside lower center")
    return figure


def _named(lane: Lane, culprit: int | None) -> str:
    return f"▶ rank {lane.rank}" if lane.rank == culprit else f"rank {lane.rank}"


def _boxes(lane: Lane, part: str, row: int, scale: float) -> Path:
    """A part's pieces as one shape: a shape for each of thousands would be megabytes."""
    found = []
    for name, start, end in zip(lane.parts, (lane.start / scale).tolist(), (lane.end / scale).tolist(), strict=True):
        if name == part:
            low, high = row - 0.38, row + 0.38
            found.append(Path([(start, low), (end, low), (end, high), (start, high), (start, low)], closed=True))
    return Path.make_compound_path(*found)
