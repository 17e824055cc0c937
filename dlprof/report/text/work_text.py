"""Same work? What differs between the sides, as text: each difference once, those of the workloads' settings folded into one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from dlprof.analysis.model import Comparison
from dlprof.analysis.same_work import parity, traced_work
from dlprof.report.text.layout import Column, heading, paragraph, table

RECORDED: Final = ("step", "busy")
"""Items of a diff of two recordings (analysis.compare.diff), where no parity was checked."""
_FOLD: Final = 4
"""Differing settings up to which each is told."""
_SHORT_VALUE: Final = 24
"""Letters of the longest fact that is told where both sides have the same."""

_NAMED: Final = 3
"""Settings that are named where they are folded."""
_LONGEST: Final = 40


def lines(found: Comparison, colour: bool, *, verbose: bool = False) -> list[str]:
    """The section. verbose: every differing setting, rather than their number and the most telling."""
    out = heading("Same work?", colour=colour) + _agreement(found)
    differing = settings(found)
    fold = folds(differing) and not verbose
    for difference in found.parity:
        if fold and difference["what"] == "workload":
            continue
        mark = "! " if difference.get("blocks") == "yes" else "  "
        out += paragraph(parity.statement(difference), first=f"  {mark}")
    if fold:
        blocks = any(one["blocks"] == "yes" for one in differing)
        out += paragraph(folded(differing), first="  ! " if blocks else "    ")
    if found.parity:
        return out
    if recorded(found):
        return out + paragraph("Not checked: these are two recordings; compare the counts above.", first="  ")
    return out + paragraph("No difference was found in what was compared.", first="  ")


def folds(differing: Sequence[Mapping[str, str]]) -> bool:
    """Whether so many settings differ that they are told as one."""
    return len(differing) > _FOLD


def recorded(found: Comparison) -> bool:
    """Whether these are two recordings, of which nothing was checked beforehand."""
    return bool(found.items) and found.items[0].item in RECORDED


def folded(differing: Sequence[Mapping[str, str]]) -> str:
    """`60 settings of the workloads differ: name: lenet in A, matmul in B; …; all of them: --view settings`."""
    named = "; ".join(
        f"{one['where']}: {_short(one['a'])} in A, {_short(one['b'])} in B" for one in telling(differing)[:_NAMED]
    )
    more = "; …" if len(differing) > _NAMED else ""
    return f"{len(differing)} settings of the workloads differ: {named}{more} (all: `dlprof diff A B --view settings`)."


def telling(differing: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, str]]:
    """The settings, those first that say most of how the work differs."""
    return traced_work.telling(differing)


def settings_table(found: Comparison, *, colour: bool = False) -> str:
    """All settings of the two workloads that differ, the most telling first; `!` where one makes the work another."""
    differing = telling(settings(found))
    out = heading(f"Settings of the workloads that differ: {len(differing)}", colour=colour)[1:]
    if not differing:
        return "\n".join([*out, "  None."]) + "\n"
    columns = [
        Column("", 1, right=False),
        Column("Setting", 38, right=False, path=True),
        Column("A", 19, right=False),
        Column("B", 19, right=False),
    ]
    rows = [("!" if one["blocks"] == "yes" else "", one["where"], one["a"], one["b"]) for one in differing]
    return "\n".join(out + table(columns, rows)) + "\n"


def warnings(found: Comparison) -> list[str]:
    """The comparison's warnings without those that stand at an item or among the differences of the work."""
    told = {warning for item in found.items for warning in item.warnings}
    told |= {parity.statement(one) for one in found.parity}
    return [text for text in found.warnings if text not in told]


def settings(found: Comparison) -> list[Mapping[str, str]]:
    """The settings of the two workloads that differ."""
    return [one for one in found.parity if one["what"] == "workload"]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _plain(value: str) -> str:
    """`['relu']` → `relu`, `{}` → ``: lists and mappings without what Python puts around them."""
    return re.sub(r"[\[\]{}']", "", value)


def _agreement(found: Comparison) -> list[str]:
    """How closely the two sides' arrays agree, and which facts are the same."""
    agreement = found.facts.agreement
    if agreement is None or not agreement.largest_relative_difference:
        return []
    distances = agreement.largest_relative_difference
    worst = max(distances, key=lambda name: distances[name])
    text = (
        f"{len(distances)} arrays compared; largest difference {distances[worst]:.1g} of an array's scale ({worst}); "
        f"allowed for {agreement.dtype}: {agreement.tolerance.relative:g}"
    )
    short = {name: _plain(value) for name, value in agreement.same_facts.items() if len(value) <= _SHORT_VALUE}
    named = [f"{name.replace('_', ' ')} {value}" for name, value in short.items() if value]
    same = paragraph(f"same on both sides: {', '.join(named)}", first="  ", rest="    ") if named else []
    return [*paragraph(text, first="  ", rest="    "), *same]
