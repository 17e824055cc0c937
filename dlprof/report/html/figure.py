"""Figures as bytes: one style for all, SVG for the page (inheriting its text colour), and svg, png or pdf files.

matplotlib's object interface only: pyplot would hold global state and look for a display. The same figure gives the same
bytes (fixed hash salt, no date), so that golden tests and diffs of committed figures mean something.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogFormatter, LogFormatterMathtext

Format = Literal["svg", "png", "pdf"]
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
    out = io.BytesIO()
    metadata = {"svg": {"Date": None}, "png": {"Software": "dlprof"}, "pdf": {"CreationDate": None}}[form]
    figure.savefig(out, format=form, dpi=150, metadata=metadata)
    return out.getvalue()


def _plain(formatter: Formatter) -> Formatter:
    """A logarithmic axis writes its numbers as formulas, which we do not draw: 1e+05 instead."""
    if not isinstance(formatter, LogFormatterMathtext):
        return formatter
    return LogFormatter(labelOnlyBase=formatter.labelOnlyBase, minor_thresholds=formatter.minor_thresholds)


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
