"""Tables that benchmarks make, and their places between the markers of a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percents(text: str) -> str:
    """Percentages as dlprof writes them, `98.5 %`; what stands in backticks is typed so, and stays."""
    return re.sub(r"(`[^`\n]*`)|(?<=\d)%", lambda found: found[1] or " %", text)


def put(document: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between the markers, percentages in dlprof's form. Raises `ValueError` where the document lacks one."""
    before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{document}: has no {begin} … {end}")
    document.write_text(f"{before}{begin}\n\n{percents(text)}\n\n{end}{after}", encoding="utf-8")
