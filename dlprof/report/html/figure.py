"""Figures as bytes: one style for all, SVG for the page (inheriting its text colour), and svg, png or pdf files.

matplotlib's object interface only: pyplot would hold global state and look for a display. The same figure gives the same
bytes (fixed hash salt, no date), so that golden tests and diffs of committed figures mean something.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import (
    AutoLocator,
    FixedFormatter,
    Formatter,
    FuncFormatter,
    LogFormatter,
    LogFormatterMathtext,
    LogLocator,
    NullLocator,
    ScalarFormatter,
)

from dlprof.report.text.layout import visible
from dlprof.units import NS_PER_MS, NS_PER_S, NS_PER_US

Format = Literal["svg", "png", "pdf"]
WIDTH: Final = 8.0
"""Of a figure, inches."""
_WIDEST: Final = 240
"""Characters of a line of text: a page's width has half as many."""
FORMATS: Final[tuple[Format, ...]] = ("svg", "png", "pdf")

_INK: Final = "#010203"
"""Stands for the page's text colour while matplotlib draws; a colour that no palette uses."""
_STYLE: Final[dict[str, Any]] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.3,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.4,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    # Names come from others: `$…$` in one is no formula, and nothing is handed to LaTeX.
    "text.parse_math": False,
    "text.usetex": False,
}
_PAPERED: Final = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
_INKED: Final = (
    "text.color",
    "axes.edgecolor",
    "axes.labelcolor",
    "xtick.color",
    "ytick.color",
    "grid.color",
    "hatch.color",
    "patch.edgecolor",
)


@contextmanager
def style(ink: str = "black", paper: str = "white") -> Iterator[None]:
    """Draw inside this: the common style, with lines and text in `ink` on `paper` (none: transparent).

    The rest is matplotlib's own defaults: no setting of a matplotlibrc counts.
    """
    chosen: Any = {**_STYLE, **dict.fromkeys(_INKED, ink), **dict.fromkeys(_PAPERED, paper), "svg.hashsalt": "dlprof"}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(chosen)
        yield


def page_style() -> AbstractContextManager[None]:
    """Draw inside this for `inline`: lines and text take the colour of the page around them."""
    return style(_INK, paper="none")


def ink() -> str:
    """The colour of lines and text inside the style."""
    return str(matplotlib.rcParams["text.color"])


def axes(
    width: float, height: float, rows: int = 1, columns: int = 1, *, share_x: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of inches with constrained layout and its axes, row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share_x)
    return figure, [axis for row in grid for axis in row]


def render(figure: Figure, form: Format) -> bytes:
    """A figure as the bytes of a file."""
    for drawn in figure.axes:
        for axis in (drawn.xaxis, drawn.yaxis):
            axis.set_major_formatter(_plain(axis.get_major_formatter()))
            axis.set_minor_formatter(_plain(axis.get_minor_formatter()))
    for text in figure.findobj(Text):
        text.set_text(_shown(text.get_text()))
    out = io.BytesIO()
    metadata = {"svg": {"Date": None}, "png": {"Software": "dlprof"}, "pdf": {"CreationDate": None}}[form]
    with warnings.catch_warnings():  # names may be in any script; a page's font has what the one of figures lacks
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        warnings.filterwarnings("ignore", ".*layout not applied", UserWarning)  # figures that leave no room for axes
        figure.savefig(out, format=form, dpi=150, metadata=metadata)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of an axis: its name, its length in ns, and how many decimals its numbers have beside a bar."""

    name: str
    ns: float
    decimals: int


def unit(values_ns: Iterable[float]) -> Unit:
    """The one unit in which all of these can be read: by the greatest."""
    greatest = max((abs(value) for value in values_ns if math.isfinite(value)), default=0.0)
    if greatest >= 10 * NS_PER_S:
        return Unit("s", NS_PER_S, 3)
    if greatest >= NS_PER_MS or not greatest:
        return Unit("ms", NS_PER_MS, 3)
    return Unit("µs", NS_PER_US, 2) if greatest >= NS_PER_US else Unit("ns", 1, 1)


def plain_number(value: float, _: int | None = None) -> str:
    """A number of an axis in digits: 0.6, 100000; never as a power of ten."""
    return np.format_float_positional(float(f"{value:.10g}"), trim="-").replace("-", "−")


def signed(value: float, decimals: int = 3) -> str:
    """A difference with its sign, the minus as wide as the plus."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def logarithmic(axis: Axis, low: float, high: float) -> None:
    """Numbers on a logarithmic axis from low to high: enough to read it by, however near or far the two are."""
    near, far = high < _NEAR * low, high >= _DECADES * low
    axis.set_major_locator(AutoLocator() if near else LogLocator(subs=(1,) if far else (1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(plain_number))


_NEAR: Final = 4.0
"""How many times the least value the greatest must be for 1, 2, 5, 10 to name more than one place between them."""
_DECADES: Final = 1000.0
"""From here on only powers of ten are written at a logarithmic axis."""


def named_rows(axis: Axes, names: Sequence[str], width: int = 44) -> None:
    """Named rows, the first on top; names too long lose their middle, and no two are the same."""
    axis.set_yticks(range(len(names)), distinct([shortened(name, width) for name in names]))
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.grid(visible=True, axis="x")
    axis.tick_params(axis="y", length=0)


def shortened(name: str, width: int = 44) -> str:
    """The name, or its beginning and end: names of one family often differ in what stands last."""
    if len(name) <= width:
        return name
    tail = width // 3
    return f"{name[: width - tail - 1]}…{name[-tail:]}"


def distinct(names: Sequence[str]) -> list[str]:
    """The names, those that occur several times with a number behind them."""
    many, seen, found = Counter(names), Counter[str](), []
    for name in names:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if many[name] > 1 else name)
    return found


def _plain(formatter: Formatter) -> Formatter:
    """Numbers in digits: no power of ten, no offset that is to be added in one's head. Names without control characters."""
    if isinstance(formatter, ScalarFormatter):
        formatter.set_useOffset(False)
        formatter.set_scientific(False)
        return formatter
    if isinstance(formatter, FixedFormatter | FuncFormatter):
        return FuncFormatter(lambda value, at=None: _shown(formatter(value, at)))
    if not isinstance(formatter, LogFormatterMathtext):
        return formatter
    return _PlainLog(labelOnlyBase=formatter.labelOnlyBase, minor_thresholds=formatter.minor_thresholds)


def _shown(text: str) -> str:
    """Its lines without control characters, which no font draws and no SVG may hold, each no longer than a page could show."""
    return "\n".join(visible(shortened(line, _WIDEST)) for line in text.split("\n"))


class _PlainLog(LogFormatter):
    """matplotlib's choice of which ticks have a number, and the number in digits."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return plain_number(x) if super().__call__(x, pos) else ""


def inline(figure: Figure, name: str, description: str) -> str:
    """An `<svg>` element for a page: ids prefixed with `name` (several stand in one page), role and label for readers."""
    text = render(figure, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = text.replace(_INK, "currentColor")
    text = re.sub(
        r'(<svg[^>]*?) width="[^"]+" height="[^"]+"|(<svg[^>]*?) height="[^"]+"( [^>]*?) width="[^"]+"',
        _unsized,
        text,
        count=1,
    )
    return text.replace("<svg", f'<svg role="img" aria-label="{_attribute(description)}"', 1)


def _unsized(match: re.Match[str]) -> str:
    return match[1] if match[1] is not None else match[2] + match[3]


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
