"""Plots of findings: each function draws one kind and returns a matplotlib figure; nothing is computed here.

Every figure says its unit, names operators in words beside their colour (palette.py), and hatches or dashes side B.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from dlprof.analysis.exhibits import Epochs, Memory, StepTimes, Sweep, Trials
from dlprof.analysis.model import Comparison, Ratio, Row
from dlprof.analysis.step_timeline import Timeline
from dlprof.analysis.timing.ranking import Ranking
from dlprof.names import SIDES
from dlprof.report import lanes, palette
from dlprof.report.html.figure import WIDTH, axes, logarithmic, named_rows, plain_number
from dlprof.report.html.figure import unit as figure_unit
from dlprof.report.text.breakdown_text import label, per_unit
from dlprof.report.text.verdict import item_words
from dlprof.stats import Calibration
from dlprof.units import NS_PER_MS

_BARS: Final = 16
_TRIALS: Final = 12
_DASH: Final = {"a": "-", "b": "--"}
_MARK: Final = {"a": "o", "b": "s"}


def breakdown(found: Comparison) -> Figure:
    """The largest rows of the breakdown, A above B, in the colours of their operators."""
    steps: dict[str, int] = {side: found.units(side) for side in SIDES}
    rows = sorted(found.rows, key=lambda r: -max((r.a_ns or 0) / steps["a"], (r.b_ns or 0) / steps["b"]))[:_BARS]
    unit = figure_unit(
        (value or 0.0) / steps[side] for row in rows for side, value in zip(SIDES, (row.a_ns, row.b_ns), strict=True)
    )
    figure, (axis,) = axes(WIDTH, 1.2 + 0.36 * max(1, len(rows)))
    for at, row in enumerate(rows):
        for side, value, offset in zip(SIDES, (row.a_ns, row.b_ns), (-0.2, 0.2), strict=True):
            axis.barh(
                at + offset,
                (value or 0.0) / steps[side] / unit.ns,
                height=0.38,
                color=palette.colour(row.op, row.phase),
                hatch=palette.HATCH[side],
            )
    named_rows(axis, [label(row) for row in rows])
    axis.set_xlabel(f"self time, {unit.name} {per_unit(found)}")
    more = f"; {len(found.rows) - len(rows)} smaller rows not drawn" if len(rows) < len(found.rows) else ""
    axis.set_title(f"Largest operators, A (plain) above B (hatched){more}")
    _families(axis, rows)
    return figure


def _families(axis: Axes, rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(palette.family(row.op, row.phase) for row in rows))
    handles = [Patch(facecolor=palette.family_colour(name), label=name) for name in names]
    if handles:
        axis.legend(handles=handles, fontsize=7, loc="lower right")


def timeline(found: Sequence[Timeline], titles: Mapping[str, str]) -> Figure:
    """A representative step of each side on one time axis: a row a lane, bars in the colours of their operators."""
    unit = figure_unit(side.wall_ns for side in found)
    heights = [max(1.0, 0.34 * len(side.lanes)) for side in found]
    figure, parts = axes(WIDTH, 1.1 * len(found) + sum(heights), rows=len(found), share_x=True)
    length = max(side.wall_ns for side in found)
    for axis, side in zip(parts, found, strict=True):
        for colour, boxes in _boxes(side, unit.ns, length / _HAIRS):
            axis.add_patch(PathPatch(boxes, facecolor=colour, linewidth=0))
        axis.set_xlim(-0.02 * length / unit.ns, 1.02 * length / unit.ns)
        for bar in side.bars:
            family = palette.family(bar.op, bar.phase)
            place = (bar.start_ns / unit.ns, bar.duration_ns / unit.ns)
            if len(bar.op) <= _LETTERS * bar.duration_ns / length:
                middle = place[0] + place[1] / 2
                axis.text(middle, bar.row, bar.op, ha="center", va="center", fontsize=6, color=palette.on(family))
        axis.axvline(side.wall_ns / unit.ns, linestyle=":", color="gray")
        tracks = [(lane.device, lane.stream) for lane in side.lanes]
        names = lanes.names(tracks)
        named_rows(axis, [f"{track[0]} · {names[track]}" for track in tracks], 26)
        axis.grid(visible=False)
        more = f"; {side.left_out} shorter events not drawn" if side.left_out else ""
        axis.set_title(f"{titles[side.side]}: step {side.step}, {side.wall_ns / unit.ns:.3f} {unit.name}{more}")
    parts[-1].set_xlabel(f"{unit.name} from the start of the step")
    families = dict.fromkeys(palette.family(bar.op, bar.phase) for side in found for bar in side.bars)
    handles = [Patch(facecolor=palette.family_colour(name), label=name) for name in families]
    figure.legend(handles=handles, fontsize=7, ncols=4, loc="outside lower center")
    return figure


def _boxes(side: Timeline, scale: float, least: float) -> list[tuple[str, Path]]:
    """The bars as few shapes, one a colour: a shape for each of 4000 would be megabytes. What lies inside others comes last.

    None is drawn narrower than `least` ns, or a lane in which little ran would look as if nothing had.
    """
    ends: dict[int, float] = {}
    found: dict[tuple[bool, str], list[Path]] = {}
    for bar in side.bars:
        end = bar.start_ns + bar.duration_ns
        inside = end <= ends.get(bar.row, -1.0)
        ends[bar.row] = max(end, ends.get(bar.row, end))
        seen = max(end, bar.start_ns + least)
        low, high, left, right = bar.row - 0.4, bar.row + 0.4, bar.start_ns / scale, seen / scale
        corners = [(left, low), (right, low), (right, high), (left, high), (left, low)]
        found.setdefault((inside, palette.colour(bar.op, bar.phase)), []).append(Path(corners, closed=True))
    return [(colour, Path.make_compound_path(*found[inside, colour])) for inside, colour in sorted(found)]


_HAIRS: Final = 1500
"""How many of the narrowest bars the width of an axis has room for: each about a pixel."""
_LETTERS: Final = 110
"""Letters of a bar's text for which the width of the whole axis has room."""


def step_times(found: Sequence[StepTimes], titles: Mapping[str, str]) -> Figure:
    """Distribution of one unit's time, profiler off and traced: which part of the samples lies below each time."""
    panels = [
        ("profiler off", [(s, s.untraced_ns) for s in found]),
        ("traced steps", [(s, s.traced_ns) for s in found]),
    ]
    panels = [(title, [pair for pair in pairs if pair[1]]) for title, pairs in panels]
    panels = [panel for panel in panels if panel[1]]
    unit = figure_unit(value for _, pairs in panels for _, values in pairs for value in values)
    figure, parts = axes(WIDTH, 2.9, columns=max(1, len(panels)))
    for axis, (title, pairs) in zip(parts, panels, strict=False):
        for side, values in pairs:
            axis.ecdf(
                [value / unit.ns for value in values],
                label=f"{titles[side.side]} (n = {len(values)})",
                color=palette.SIDES[side.side],
                linestyle=_DASH[side.side],
            )
        axis.set_title(f"{item_words(pairs[0][0].item) if title == 'profiler off' else 'Step'}, {title}")
        axis.set_xlabel(unit.name)
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axis.grid(visible=True)
        axis.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.1))
    parts[0].set_ylabel("samples at or below")
    return figure


def trials(found: Sequence[Trials], comparison: Comparison) -> Figure:
    """Each trial's ratio as a dot, the interval as a band, the estimate as a line; 1 means as fast."""
    shown, found = found, found[:_TRIALS]
    figure, (axis,) = axes(WIDTH, 1.6 + 0.5 * len(found))
    ratios = {item.item: item.ratio for item in comparison.items}
    bands = {
        row: ratio
        for row, one in enumerate(found)
        if (ratio := ratios.get(one.item)) is not None and ratio.low is not None
    }
    for row, one in enumerate(found):
        axis.plot(one.ratios, [row] * len(one.ratios), "o", color=palette.SIDES["b"], alpha=0.7, markersize=5)
        ratio = ratios.get(one.item)
        if ratio is not None:
            axis.plot([ratio.estimate] * 2, [row - 0.35, row + 0.35], color="gray", linewidth=2)
        if ratio is not None and ratio.low is not None and ratio.high is not None:
            axis.barh(row, ratio.high - ratio.low, left=ratio.low, height=0.7, color="gray", alpha=0.3)
    axis.axvline(1.0, linestyle=":", color="gray")
    named_rows(axis, [item_words(one.item) for one in found])
    far = _around(axis, [value for one in found for value in one.ratios], bands)
    axis.set_xlabel(f"time of B ÷ time of A (below 1: B is faster{'; logarithmic axis' if far else ''})")
    more = f"; {len(shown) - len(found)} more items not drawn" if len(found) < len(shown) else ""
    axis.set_title(f"Time of B ÷ time of A in each trial{more}")
    figure.legend(handles=_told_of_trials(list(bands.values())), fontsize=7, ncols=3, loc="outside lower center")
    return figure


def _told_of_trials(bands: Sequence[Ratio]) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], marker="o", linestyle="", color=palette.SIDES["b"], alpha=0.7, label="one trial"),
        Line2D([], [], color="gray", linewidth=2, label="average over the trials"),
    ]
    if bands:
        words = f"{_level(bands)} interval of the average; single trials may lie outside"
        handles.append(Patch(facecolor="gray", alpha=0.3, label=words))
    return handles


def _level(ratios: Sequence[Ratio]) -> str:
    """The confidence of their intervals: 95 %, or 95 to 99 % where they differ."""
    levels = sorted({ratio.confidence for ratio in ratios})
    return " to ".join(f"{100 * one:.4g}" for one in dict.fromkeys((levels[0], levels[-1]))) + " %"


def ranking(found: Ranking) -> Figure:
    """Each side's time ÷ that of the fastest: the estimate as a dot, its interval as a bar.

    The axis is logarithmic where they lie far apart.
    """
    figure, (axis,) = axes(WIDTH, 1.0 + 0.42 * len(found.sides))
    ends = [1.0]
    for row, one in enumerate(found.sides):
        estimate = 1.0 if row == 0 else one.ratio.estimate if one.ratio else None
        if estimate is None:
            continue
        ends.append(estimate)
        axis.plot(estimate, row, "s" if row == 0 else "o", color=palette.SIDES["a" if row == 0 else "b"])
        if one.ratio is not None and one.ratio.low is not None and one.ratio.high is not None:
            ends += [one.ratio.low, one.ratio.high]
            axis.plot([one.ratio.low, one.ratio.high], [row, row], color="gray", linewidth=5, alpha=0.4)
        if row:
            axis.annotate(
                f"{estimate:.4g}", (estimate, row), (0, 7), textcoords="offset points", ha="center", fontsize=8
            )
    axis.axvline(1.0, linestyle=":", color="gray")
    labels = found.labels
    named_rows(axis, [f"{one.letter}: {labels[one.letter]}" for one in found.sides])
    far = _logarithmic(axis, ends)
    axis.set_xlabel(f"time ÷ time of the fastest{' (logarithmic axis)' if far else ''}")
    return figure


_FAR: Final = 4.0
"""How many times the least value the greatest is from which on a linear axis would leave the others no room."""


def _logarithmic(axis: Axes, values: Sequence[float]) -> bool:
    """Make the horizontal axis logarithmic where the values span far; whether it was made so."""
    low, high = min(values), max(values)
    if low <= 0 or high < _FAR * low:
        return False
    margin = (high / low) ** 0.08
    axis.set_xscale("log")
    axis.set_xlim(low / margin, high * margin)
    logarithmic(axis.xaxis, low, high)
    return True


def _around(axis: Axes, values: Sequence[float], bands: Mapping[int, Ratio]) -> bool:
    """Dots and 1 in view, and each row's interval unless it is so wide, as from two trials, that the dots would be one.

    Whether the axis was made logarithmic, for dots that lie far apart.
    """
    known = [value for value in values if value > 0] + [1.0]
    far = max(known) >= _FAR * min(known)
    onto, back = (math.log, math.exp) if far else (float, float)
    low, high = onto(min(known)), onto(max(known))
    space = 0.25 * (high - low) or 0.1
    most = max(1.0, _WIDEST * (high - low))
    ends = [onto(end) for ratio in bands.values() for end in (ratio.low, ratio.high) if end is not None and end > 0]
    left, right = max(min([low, *ends]), low - most) - space, min(max([high, *ends]), high + most) + space
    start, end = back(left) if far else max(0.0, left), back(right)
    if far:
        axis.set_xscale("log")
        logarithmic(axis.xaxis, start, end)
    axis.set_xlim(start, end)
    for row, ratio in bands.items():
        if ratio.low is not None and ratio.high is not None and (ratio.low < start or ratio.high > end):
            told = f"interval {ratio.low:.3g} to {ratio.high:.3g}, wider than the picture"
            axis.annotate(told, (0.99, row), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=7)
    return far


_WIDEST: Final = 4.0
"""How many times the range of the dots an interval may stand out on each side before it is cut and told in words."""


def epochs(found: Sequence[Epochs], titles: Mapping[str, str]) -> Figure:
    """Accuracy and training loss per epoch."""
    figure, parts = axes(WIDTH, 2.8, columns=2)
    for side in found:
        common: dict[str, Any] = {
            "color": palette.SIDES[side.side],
            "marker": _MARK[side.side],
            "linestyle": _DASH[side.side],
        }
        for values, name in ((side.validation_accuracy, "validation"), (side.test_accuracy, "test")):
            known = [(epoch, value) for epoch, value in zip(side.epochs, values, strict=True) if value is not None]
            if known:
                axis_style = common if name == "validation" else {**common, "alpha": 0.5, "linewidth": 0.8}
                parts[0].plot(*zip(*known, strict=True), label=f"{titles[side.side]}, {name}", **axis_style)
        known = [(e, value) for e, value in zip(side.epochs, side.train_loss, strict=True) if value is not None]
        if known:
            parts[1].plot(*zip(*known, strict=True), label=titles[side.side], **common)
    for axis, title in zip(parts, ("Accuracy", "Training loss"), strict=True):
        axis.set_title(title)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(visible=True)
        if axis.lines:
            axis.legend(fontsize=7)
    return figure


def sweep(found: Sweep, titles: Mapping[str, str]) -> Figure:
    """Both frameworks over sizes: medians, the ratio with its interval as a band, and the crossover where one is shown."""
    figure, (time, ratio) = axes(WIDTH, 4.6, rows=2, share_x=True)
    all_ns = [ns for ns in (*found.a_ns, *found.b_ns) if ns]
    unit = figure_unit(all_ns)
    for side, values in zip(SIDES, (found.a_ns, found.b_ns), strict=True):
        known = [(size, ns / unit.ns) for size, ns in zip(found.sizes, values, strict=True) if ns is not None]
        if known:
            time.plot(
                *zip(*known, strict=True),
                label=titles[side],
                color=palette.SIDES[side],
                marker=_MARK[side],
                linestyle=_DASH[side],
                markersize=4,
            )
    time.set(yscale="log", ylabel=f"{unit.name}, median", title=found.stem)
    if all_ns:
        logarithmic(time.yaxis, min(all_ns), max(all_ns))
    points = [(size, r) for size, r in zip(found.sizes, found.ratios, strict=True) if r is not None]
    ratio.plot([size for size, _ in points], [r.estimate for _, r in points], color="gray", marker=".")
    bands = [(size, r.low, r.high) for size, r in points if r.low is not None and r.high is not None]
    if bands:
        sizes, low, high = zip(*bands, strict=True)
        ratio.fill_between(
            sizes, low, high, color="gray", alpha=0.3, label=f"{_level([r for _, r in points])} interval"
        )
    ratio.axhline(1.0, linestyle=":", color="gray")
    ratio.set(xscale="log", yscale="log", xlabel=found.key, ylabel="time of B ÷ time of A")
    ratio.xaxis.set_major_locator(FixedLocator(_readable(found.sizes)))
    ratio.xaxis.set_minor_locator(NullLocator())
    ratio.xaxis.set_major_formatter(FuncFormatter(plain_number))
    ends = [value for _, r in points for value in (r.estimate, r.low, r.high) if value]
    logarithmic(ratio.yaxis, min([1.0, *ends]), max([1.0, *ends]))
    cross = found.crossover
    if cross is not None and cross.size is not None:
        ratio.axvline(cross.size, color=palette.LESS, label=f"crossover at {cross.size:.4g}")
        if cross.low is not None and cross.high is not None:
            ratio.axvspan(cross.low, cross.high, color=palette.LESS, alpha=0.15)
    for axis in (time, ratio):
        axis.grid(visible=True)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7)
    return figure


def _readable(sizes: Sequence[float]) -> list[float]:
    """The sizes whose numbers have room beside each other on a logarithmic axis; the first and the last among them."""
    logs = np.log(np.array(sizes, dtype=np.float64))
    least = (logs[-1] - logs[0]) / _SIZES
    kept: list[int] = []
    for at in range(len(sizes)):
        if not kept or logs[at] - logs[kept[-1]] >= least:
            kept.append(at)
    if kept[-1] != len(sizes) - 1:
        kept[-1:] = [len(sizes) - 1] if len(kept) > 1 else [kept[-1], len(sizes) - 1]
    return [sizes[at] for at in kept]


_SIZES: Final = 14
"""How many numbers a horizontal axis has room for."""


def memory(found: Sequence[Memory], titles: Mapping[str, str]) -> Figure:
    """Recorded memory counters over time, as steps: a counter holds its value until the next sample."""
    figure, (axis,) = axes(WIDTH, 3.0)
    for series in found:
        axis.step(
            [ns / NS_PER_MS for ns in series.time_ns],
            [value / 2**20 for value in series.value],
            where="post",
            label=f"{titles[series.side]}: {series.name}",
            linestyle=_DASH[series.side],
        )
    axis.set(xlabel="ms from the first sample", ylabel="MiB", title="Memory as recorded")
    axis.grid(visible=True)
    axis.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0, 1.08), ncols=2)
    return figure


def calibration(found: Calibration, title: str) -> Figure:
    """A against A: how often it was called different (bars: 95 % interval), and which slow-down is found in what time."""
    figure, (rates, power) = axes(WIDTH, 3.2, columns=2)
    named = (
        ("6 trials, as they ran", found.real_fixed),
        ("adaptive, as they ran", found.real_adaptive),
        ("6 trials, resampled", found.fixed.significant),
        ("adaptive, resampled", found.adaptive.significant),
    )
    for row, (_, rate) in enumerate(named):
        if rate is not None:
            rates.plot([rate.low * 100, rate.high * 100], [row, row], color="gray", linewidth=4, alpha=0.4)
            rates.plot(rate.rate * 100, row, "o", color=palette.SIDES["a"], clip_on=False)
    named_rows(rates, [name if rate else f"{name}: too few" for name, rate in named])
    rates.axvline(5.0, linestyle=":", color="gray")
    rates.set(xlabel="% called different (dotted: 5 %)", title=f"{title} against itself")
    rates.set_xlim(left=0)
    known = [(minutes, effect * 100) for minutes, effect in found.detectable if effect is not None]
    if known:
        power.plot(*zip(*known, strict=True), color=palette.SIDES["a"], marker="o", clip_on=False)
    power.set(xlabel="minutes", ylabel="smallest slow-down found, %", title="Found with 80 % power")
    power.set_ylim(bottom=0)
    power.grid(visible=True)
    return figure
