"""The sides of an experiment's cells: two or more as written, or made from frameworks, versions and modes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from dlprof.names import DEFAULT_SIDES, LETTERS
from dlprof.study.layers import MEANINGLESS, Laid

Together = tuple[str | None, ...]
"""The sides of a cell: (a, b, …)."""


def of(laid: Laid) -> list[Together]:
    """(a, b) of each cell, or more of them; b is None for a capture, both are for the study's own method, which has its two."""
    if "sides" in MEANINGLESS[laid.method]:
        return [(None, None)]
    if laid.has("sides"):
        for key in ("frameworks", "versions", "modes", "pairing"):
            if laid.has(key):
                raise laid.wrong(key, "sides says it already", "use sides, or frameworks with versions and modes")
        return _written(laid, laid.get("sides"))
    each = [_sides(laid, framework) for framework in _frameworks(laid)]
    if laid.method == "capture":
        return [(side, None) for side in itertools.chain(*each)]
    cells = _paired(laid, each)
    if not cells or len(cells[0]) < len(DEFAULT_SIDES):
        raise laid.wrong("frameworks", "one side alone makes no comparison", "name two, or more versions or modes")
    _check_number(laid, "frameworks", cells[0])
    return cells


def slug(*sides: str | None) -> str:
    """Part of a cell's id: tf-2.21.0-graph-vs-mxnet-hybrid."""
    return "-vs-".join(re.sub(r"[^\w.]+", "-", side) for side in sides if side)


def _check_number(laid: Laid, key: str, sides: Sequence[str | None]) -> None:
    if len(sides) > len(LETTERS):
        raise laid.wrong(
            key, f"{len(sides)} sides: at most {len(LETTERS)} can be compared at once", "name fewer, or make more cells"
        )


def _written(laid: Laid, given: Sequence[str | list[str]]) -> list[Together]:
    found: list[Together] = []
    for entry in given:
        if laid.method == "capture":
            if not isinstance(entry, str):
                raise laid.wrong("sides", f"a capture has one side, not {entry}", 'write it like ["tf:graph", "mxnet"]')
            found.append((entry, None))
            continue
        if isinstance(entry, str) or len(entry) < len(DEFAULT_SIDES):
            hint = (
                'write it like [["tf:graph", "mxnet:hybrid"]], or with more sides for a cell that compares them at once'
            )
            raise laid.wrong("sides", f"not two sides or more: {entry!r}", hint)
        _check_number(laid, "sides", entry)
        found.append(tuple(entry))
    if not found:
        raise laid.wrong("sides", "an empty list makes no cell", "give two sides, or leave the key away")
    return found


def _frameworks(laid: Laid) -> list[str]:
    named = laid.listed("frameworks") or list(DEFAULT_SIDES)
    for key in ("versions", "modes"):
        table = laid.get(key)
        for framework in {} if table is UNSET else table:
            if framework not in named:
                raise laid.wrong(key, f"{framework} is not among the frameworks", f"there are: {', '.join(named)}")
    return named


def _sides(laid: Laid, framework: str) -> list[str]:
    """All versions × modes of a framework."""

    def chosen(key: str) -> list[Any]:
        table = laid.get(key)
        value = None if table is UNSET else table.get(framework)
        return [None] if value is None else value if isinstance(value, list) else [value]

    return [
        framework + (f"@{version}" if version else "") + (f":{mode}" if mode else "")
        for version in chosen("versions")
        for mode in chosen("modes")
    ]


def _paired(laid: Laid, each: Sequence[Sequence[str]]) -> list[Together]:
    """all: every side of a framework with every side of each other one; of one framework alone, every two of its sides.
    index: the first with the first, the second with the second. neighbours: of each framework, each side with the next.
    together: all of them in one cell, compared at once."""
    pairing = "all" if laid.get("pairing") is UNSET else laid.get("pairing")
    if pairing == "together":
        return [tuple(itertools.chain(*each))]
    if pairing == "neighbours":
        return [pair for sides in each for pair in itertools.pairwise(sides)]
    if pairing == "index":
        if len({len(sides) for sides in each}) > 1:
            counts = ", ".join(str(len(sides)) for sides in each)
            raise laid.wrong("pairing", f"index needs as many sides of each framework, not {counts}")
        return [(one, other) for a, b in itertools.combinations(each, 2) for one, other in zip(a, b, strict=True)]
    if len(each) == 1:
        return list(itertools.combinations(each[0], 2))
    return [pair for a, b in itertools.combinations(each, 2) for pair in itertools.product(a, b)]
