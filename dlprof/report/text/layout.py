"""Plain text of a given width: aligned tables, wrapped paragraphs, colour as a second cue, no control characters.

The width is 80 columns wherever nobody says otherwise (`at_width`), so that files, pipes and tests always get the same words.
"""

from __future__ import annotations

import itertools
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final, Literal

from dlprof.units import MINUS

WIDTH: Final = 80
"""Columns of a report where nobody says otherwise, and the fewest."""
WIDEST_PROSE: Final = 100
"""Columns of a paragraph, however wide the terminal is: longer lines are hard to read."""
LONGEST_NAME: Final = 1000
"""Characters of one text that a table looks at: a name may have thousands, a column has 80 cells."""

_width: ContextVar[int] = ContextVar("width", default=WIDTH)
_NEGATIVE: Final = re.compile(r"(?<![^\s\[(])-(?=\d[\d.]*\s?(%|ns|µs|ms|s|min)(?!\w))")
"""The hyphen of a negative quantity, such as sentences of older results have it."""

_QUANTITY: Final = re.compile(r"(\d) (%|ns|µs|ms|s|min|steps?|trials?)(?!\w)")
"""A number and its unit, which a line break must not part."""

Colour = Literal["good", "bad", "warn", "head", "dim"]
_ANSI: Final = {"good": "32", "bad": "31", "warn": "33", "head": "1", "dim": "2"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    width: in cells; where the report is wider than 80, a column of words grows as far as its longest text needs
    right: whether its text is set to the right, as numbers are
    path: whether a text that is too long loses the beginning of its last word instead of its end
    """

    title: str
    width: int
    right: bool = True
    path: bool = False


def width() -> int:
    """Columns of the report that is being written."""
    return _width.get()


@contextmanager
def at_width(columns: int) -> Iterator[None]:
    """Reports that are written inside the block use this many columns; never fewer than 80."""
    token = _width.set(max(columns, WIDTH))
    try:
        yield
    finally:
        _width.reset(token)


def paint(text: str, colour: Colour, *, on: bool) -> str:
    """Text in a colour, or as it is where colour is off. The text alone must already say what the colour says."""
    return f"\x1b[{_ANSI[colour]}m{text}\x1b[0m" if on else text


def visible(text: str) -> str:
    """Text with control characters written out, so that a name in a foreign trace cannot steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


_STEERING: Final = re.compile(
    "(?P<paint>\x1b\\[(?:0|1|2|31|32|33)m)"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that steer a terminal or turn the direction of text around, and halves of characters, which cannot be written;
new line and tab are none. paint: the sequences of `paint`."""


def neutral(text: str, *, painted: bool = False) -> str:
    """A whole text with what could steer a terminal written out (`\\x1b`); painted: colours of `paint` are left in it."""

    def written_out(match: re.Match[str]) -> str:
        if match["paint"] and painted:
            return match[0]
        return match[0].encode("unicode_escape").decode("ascii")

    return _STEERING.sub(written_out, text)


def cells(text: str) -> int:
    """Terminal cells that a text takes: wide East Asian characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Text in exactly `width` cells; what is too long is cut and ends with `…`."""
    text = _cut(text, width)
    space = " " * (width - cells(text))
    return space + text if right else text + space


def shortened_path(text: str, width: int) -> str:
    """Text whose last word is a path, in at most `width` cells: the path loses its beginning, for its end tells layers, and
    lines of files, apart.

    `Gemm forward Model_0/Encoder_0/Layer_3/query` → `Gemm forward …er_0/Layer_3/query`.
    """
    text = visible(text)
    head, _, path = text.rpartition(" ")
    room = width - cells(head) - (2 if head else 1)
    if cells(text) <= width or "/" not in path or room < 4:
        return text
    path = path[-LONGEST_NAME:]
    while cells(path) > room:
        path = path[1:]
    return f"{head} …{path}" if head else f"…{path}"


def _cut(text: str, width: int) -> str:
    """The text as `visible`, cut to `width` cells: only as much of it is looked at as is shown."""
    text = visible(text[: LONGEST_NAME + 1])
    if cells(text) <= width:
        return text
    taken = itertools.accumulate(map(cells, text))
    fitting = sum(1 for _ in itertools.takewhile(lambda so_far: so_far <= width - 1, taken))
    return text[:fitting] + "…"


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table: titles, a rule, the rows. Columns are one space apart."""
    rows = [tuple(row) for row in rows]
    columns = _grown(columns, rows)
    lines = [_line(columns, [c.title for c in columns]), " ".join("─" * c.width for c in columns)]
    lines.extend(_line(columns, row) for row in rows)
    return lines


def _grown(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Sequence[Column]:
    """The columns of words as wide as their texts need, the first before the others, as far as the report is wider than 80."""
    room = width() - WIDTH
    grown = []
    for at, column in enumerate(columns):
        needed = max((cells(visible(row[at][:LONGEST_NAME])) for row in rows), default=0)
        more = 0 if column.right else max(0, min(room, needed - column.width))
        room -= more
        grown.append(replace(column, width=column.width + more))
    return grown


def _line(columns: Sequence[Column], row: Sequence[str]) -> str:
    shown = (shortened_path(text, c.width) if c.path else text for c, text in zip(columns, row, strict=True))
    fields = (fit(text, c.width, right=c.right) for c, text in zip(columns, shown, strict=True))
    return " ".join(fields).rstrip()


def paragraph(text: str, *, first: str = "", rest: str | None = None) -> list[str]:
    """A wrapped paragraph; `first` starts its first line, `rest` (default: as many blanks) the others."""
    follow = " " * len(first) if rest is None else rest
    kept = unbroken(_NEGATIVE.sub(MINUS, visible(text)))
    wrapped = textwrap.wrap(
        kept, min(width(), WIDEST_PROSE), initial_indent=first, subsequent_indent=follow, break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ") for line in wrapped] or [first.rstrip()]


def unbroken(text: str) -> str:
    """The text with a no-break space between a number and its unit."""
    return _QUANTITY.sub("\\1\u00a0\\2", text)


def heading(text: str, *, colour: bool) -> list[str]:
    """A blank line and a title."""
    return ["", paint(text, "head", on=colour)]
