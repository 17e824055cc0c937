"""A history as a figure: each revision with its interval, the levels between changes, and the changes."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

from matplotlib.figure import Figure

from dlprof.analysis.history import History
from dlprof.report import palette
from dlprof.report.html.figure import WIDTH, axes, shortened, unit
from dlprof.report.text.history_text import title
from dlprof.report.text.verdict import percent

_NAMED: Final = 24
"""Revisions that are named at the axis at most."""


def draw(found: History) -> Figure:
    """Oldest on the left. Ratios in percent of the base, times in their unit."""
    figure, (axis,) = axes(WIDTH, 3.4)
    scale, label = _scale(found)

    def show(value: float) -> float:
        return (value - 1) * 100 if found.metric == "ratio" else value / scale

    for at, point in enumerate(found.points):
        if point.low is not None and point.high is not None:
            axis.plot([at, at], [show(point.low), show(point.high)], color="gray", linewidth=2, alpha=0.6)
        axis.plot(at, show(point.value), "o", color=palette.SIDES["b"], markersize=4)
    changes = [step.at for step in found.steps]
    for begin, end in pairwise([0, *changes, len(found.points)]) if found.points else ():
        level = math.exp(sum(math.log(point.value) for point in found.points[begin:end]) / (end - begin))
        axis.plot([begin - 0.4, end - 0.6], [show(level)] * 2, color=palette.SIDES["a"], linewidth=1.5)
    for at, step in zip(changes, found.steps, strict=True):
        axis.axvline(at - 0.5, linestyle="--", color=palette.MORE if step.ratio > 1 else palette.LESS)
        axis.annotate(
            percent(step.ratio),
            (at - 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=8,
        )
    if found.metric == "ratio":
        axis.axhline(0.0, linestyle=":", color="gray")
    every = max(1, math.ceil(len(found.points) / _NAMED))
    named = [(at, shortened(point.revision, 14)) for at, point in enumerate(found.points)][::every]
    axis.set_xticks([at for at, _ in named], [name for _, name in named], rotation=60, ha="right", fontsize=7)
    axis.set(ylabel=label)
    axis.set_title(title(found), pad=14)
    axis.grid(visible=True, axis="y")
    return figure


def _scale(found: History) -> tuple[float, str]:
    """What a value is divided by, and the axis' label."""
    if found.metric == "ratio":
        return 1.0, "% more than the base, with 95 % interval"
    if found.unit == "B":
        return 2.0**20, "MiB, with 95 % interval"
    if found.unit != "ns":
        return 1.0, f"{found.unit}, with 95 % interval"
    chosen = unit(point.value for point in found.points)
    return chosen.ns, f"{chosen.name}, with 95 % interval"
