"""The charts of the studies: ratios with intervals on a logarithmic axis, and what training reached over epochs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import matplotlib
from artefacts import STYLE
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from results import TASKS, Item, tasks_of

BLUE, ORANGE, GREEN, GREY, PINK = "#0072B2", "#D55E00", "#009E73", "#888888", "#CC79A7"
"""Okabe and Ito (2008): told apart by colour-blind readers too; marks differ as well."""


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """The common style while a figure is made, without leaving it behind in the process."""

    @functools.wraps(draw)
    def inside(*words: object, **options: object) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*words, **options)

    return inside


def ratio_axis(axis: object, label: str) -> None:
    """A logarithmic axis of factors, with a line at 1."""
    axis.set_xscale("log")
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_xlabel(label)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: between(axis, value)))
    axis.grid(axis="x", alpha=0.25, linewidth=0.5)


def between(axis: object, value: float) -> str:
    """Label of a tick between powers of ten: 2s and 5s where the axis spans little more than a decade, as numbers."""
    low, high = axis.get_xlim()
    return f"{value:g}" if high / low < 30 and f"{value:.0e}"[0] in "25" else ""


@styled
def factors(groups: Mapping[str, Sequence[Item]], label: str, title: str) -> Figure:
    """One panel a group; a row a task, a mark a size (larger mark: larger size) with its interval."""
    tasks = tasks_of(item for found in groups.values() for item in found)
    figure = Figure(figsize=(2.6 * max(len(groups), 2) + 1, 0.34 * len(tasks) + 1.5), layout="constrained")
    panels = figure.subplots(1, max(len(groups), 1), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (name, found) in zip(panels, groups.items(), strict=False):
        for at, task in enumerate(tasks):
            mine = sorted((item for item in found if item.task == task and item.ratio), key=lambda item: item.size)
            for place, item in enumerate(mine):
                y = at + (place - (len(mine) - 1) / 2) * 0.15
                mark(axis, item, y, 3 + 4 * place / max(len(mine) - 1, 1))
        axis.set_title(name.replace(", ", ",\n"))
        ratio_axis(axis, label)
        axis.set_yticks(range(len(tasks)), [TASKS.get(task, task) for task in tasks])
        axis.set_ylim(len(tasks) - 0.5, -0.5)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def mark(axis: object, item: Item, y: float, size: float) -> None:
    """A ratio with its interval: filled where the verdict shows a difference, hollow where not."""
    if item.low and item.high:
        axis.plot([item.low, item.high], [y, y], color=BLUE, linewidth=1.2, solid_capstyle="butt")
    shown = item.faster is not None
    axis.plot(item.ratio, y, "o", markersize=size, color=BLUE, markerfacecolor=BLUE if shown else "white")


@styled
def training(series: Mapping[str, tuple[Sequence[int], Sequence[float], Sequence[float]]], title: str) -> Figure:
    """name → (epochs, seconds of training, accuracy): accuracy over epochs, and over the time that they take."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    styles = ((BLUE, "o-"), (ORANGE, "s--"))
    for (name, (epochs, seconds, accuracy)), (colour, style) in zip(series.items(), styles, strict=False):
        for axis, x in zip(panels, (epochs, seconds), strict=True):
            axis.plot(x, accuracy, style, color=colour, label=name, markersize=4, linewidth=1.2)
    for axis, label in zip(panels, ("epochs", "training time, s"), strict=True):
        axis.set_xlabel(label)
        axis.grid(alpha=0.25, linewidth=0.5)
    panels[0].set_ylabel("accuracy on the test images")
    panels[0].legend()
    panels[0].set_title(title)
    return figure


@styled
def audit(rows: Sequence[Mapping[str, object]], title: str) -> Figure:
    """A row a task: the published range, the same method here (hollow), the sound ratios with intervals (filled)."""
    figure = Figure(figsize=(9, 0.5 * len(rows) + 1.5), layout="constrained")
    axis = figure.subplots()
    for at, row in enumerate(rows):
        low, high = row["published"]
        axis.plot([low, high], [at - 0.25] * 2, color=GREY, linewidth=6, solid_capstyle="butt",
                  label="published" if at == 0 else None)  # fmt: skip
        axis.plot(row["by_its_method"], [at] * len(row["by_its_method"]), "x", color=ORANGE, markersize=5,
                  label="its method, here" if at == 0 else None)  # fmt: skip
        for place, item in enumerate(row["sound"]):
            mark(axis, item, at + 0.15 + 0.3 * place / max(len(row["sound"]) - 1, 1), 4)
    axis.plot([], [], "o-", color=BLUE, markersize=4, label="sound, with 95 % interval (hollow: no difference shown)")
    ratio_axis(axis, "time of TensorFlow ÷ time of MXNet (right of 1: MXNet is faster)")
    axis.set_yticks(range(len(rows)), [f"{row['title']}: {row['verdict'].replace('_', ' ')}" for row in rows])
    axis.set_ylim(len(rows) - 0.3, -0.7)
    figure.legend(loc="outside upper right", ncols=3)
    axis.set_title(title)
    return figure


@styled
def releases(groups: Mapping[str, Sequence[Item]], title: str) -> Figure:
    """A panel a pair of neighbouring releases: time of the older ÷ time of the newer, by operation."""
    return factors.__wrapped__(groups, "older ÷ newer", title)
