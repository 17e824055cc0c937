"""Puts what a benchmark has made between the markers of a document."""

from __future__ import annotations

from pathlib import Path


def put(document: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between the markers. Raises `ValueError` where the document lacks one."""
    before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{document}: has no {begin} … {end}")
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
