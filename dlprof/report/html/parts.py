"""Pieces of HTML: escaped text, tables that can be sorted and searched, figures, sections."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

from matplotlib.figure import Figure

from dlprof.report.html.figure import inline
from dlprof.units import NS_PER_MS

Section = tuple[str, str, str]
"""Of the page: its name in the address, its title, its content."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell.

    value: of a number, what it is sorted by
    line: of a cell that names a line of the ledger, the number of that line, whose work the timeline shows
    """

    text: str
    value: float | None = None
    number: bool = False
    line: int | None = None


def verdict(text: str, kind: str = "") -> str:
    """What the page says first, its colour by the kind of verdict or the state of a gate; nothing for no text."""
    return f'<p class="{f"verdict {kind}".strip()}">{escape(text)}</p>' if text else ""


def number(value: float | None, form: str = "{:.3f}", missing: str = "–") -> Cell:
    """A number set to the right, its minus as wide as a plus; what is missing sorts below everything."""
    if value is None:
        return Cell(missing, -1e300, True)
    return Cell(form.format(value).replace("-", "−"), float(value), True)


def ms(ns: float | None, units: int) -> float | None:
    """Milliseconds of one unit of work out of nanoseconds of `units` of them."""
    return None if ns is None else ns / units / NS_PER_MS


def table(
    caption: str,
    titles: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    *,
    foot: Sequence[Cell | str] = (),
    sortable: bool = True,
) -> str:
    """A table in a region of its own that scrolls on narrow screens. Columns whose cells are numbers stand right."""
    right = [any(isinstance(row[at], Cell) and row[at].number for row in rows) for at in range(len(titles))]  # type: ignore[union-attr]
    head = "".join(f'<th scope="col"{_n(r)}>{escape(t)}</th>' for t, r in zip(titles, right, strict=True))
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    feet = f"<tfoot><tr>{''.join(map(_cell, foot))}</tr></tfoot>" if foot else ""
    mark = " data-sortable" if sortable and len(rows) > 1 else ""
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table{mark}>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody>{feet}</table></div>"
    )


def _n(right: bool) -> str:
    return ' class="n"' if right else ""


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    value = "" if cell.value is None else f' data-value="{cell.value!r}"'
    line = "" if cell.line is None else f' data-line="{cell.line}"'
    return f"<td{_n(cell.number)}{value}{line}>{escape(cell.text)}</td>"


def figure(drawn: Figure, name: str, description: str) -> str:
    """A figure with its caption; drawn inside figure.page_style so that it takes the page's colours."""
    return (
        f'<figure><div class="wide" role="region" tabindex="0" aria-label="{escape(name)} figure">'
        f"{inline(drawn, name, description)}</div><figcaption>{escape(description)}</figcaption></figure>"
    )


def coded(text: str) -> str:
    """Escaped text in which what stands in backticks, commands and names, is set as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def paragraphs(texts: Iterable[str], kind: str = "") -> str:
    """Escaped paragraphs, or a list where there are several."""
    found = [coded(text) for text in texts]
    if len(found) > 1:
        return "<ul>" + "".join(f"<li>{text}</li>" for text in found) + "</ul>"
    return "".join(f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{text}</p>" for text in found)


def section(name: str, title: str, *parts: str) -> Section:
    """A section as (anchor, title, HTML); one without any part is empty and left out by `page`."""
    return name, title, "\n".join(part for part in parts if part)


def data_element(name: str, value: Mapping[str, Any]) -> str:
    """JSON for the page's script, as the element `name`; it is data, and nothing of it runs."""
    return f'<script type="application/json" id="{name}">{_script(value)}</script>'


def page(title: str, top: str, sections: Sequence[Section], data: Mapping[str, Any]) -> str:
    """The whole document: styles, script and data inside, nothing fetched (and a policy that forbids fetching)."""
    kept = [entry for entry in sections if entry[2]]
    links = "".join(f'<li><a href="#{name}">{escape(heading)}</a></li>' for name, heading, _ in kept)
    body = "\n".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(heading)}</h2>\n{html}</section>'
        for name, heading, html in kept
    )
    script = "".join(f"\n{_asset(name)}" for name in ("page.js", "timeline.js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Styles inline are those of matplotlib's drawings, one an element; a script is this one, known by its hash.
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; img-src data:"
    policy += "; base-uri 'none'; form-action 'none'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{_asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#main">To the findings</a>
<header>
<h1>{escape(title)}</h1>
{top}
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<main id="main">
{body}
</main>
{data_element("data", data)}
<script>{script}</script>
</body>
</html>
"""


def _script(data: Mapping[str, Any]) -> str:
    """JSON inside a script element: `</script>` and `<!--` in a name must not end or change the element."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return resources.files("dlprof.report.html").joinpath(f"assets/{name}").read_text(encoding="utf-8")
