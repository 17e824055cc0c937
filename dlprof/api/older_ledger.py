"""Ledgers of an earlier dlprof: concurrent work shared its instants, and no line took back what ran at the same time; how often
a side waits was not said to be of a step; time without work was not divided by phase."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_LATER = ("a_share_ns", "b_share_ns", "remark", "key", "q", "phase")
_OF_THE_DIVISION = ("low_ns", "high_ns")
"""Intervals are those of one division of the walls; those of the other cannot be compared with them."""

_TIMES = ("a_ns", "b_ns", "delta_ns", "a_share_ns", "b_share_ns")
_OF_THE_LINES = ("q", "remark")
"""What depends on how many lines there are, or is said of one of them."""

_ROUNDED_NS: Final = 1

_IDLE: Final = ("dispatch", "launch")
"""Kinds of lines that are divided by phase."""

_WAITS: Final = re.compile(r"(waits for its work [\d.e+-]+ times), ")


def alike(stated: dict[str, Any], anew: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both comparisons, the stated one in today's words; where its ledger knows no shares, the new one divided by shares too.

    Then both ledgers are in the order of their names, for the order of lines was another, and every figure can be
    compared as ever.
    """
    old, new = stated.get("ledger"), anew.get("ledger")
    if not isinstance(old, dict) or not isinstance(new, dict) or not isinstance(old.get("lines"), list):
        return stated, anew
    old = _worded(old)
    stated = stated | {"ledger": old}
    if any(not isinstance(line, Mapping) for line in old["lines"]):
        return stated, anew
    divided = not any("phase" in line for line in old["lines"]) and all("phase" in line for line in new["lines"])
    if divided:
        old, new = _undivided(old, old["lines"]), _undivided(new, _of_parts(new["lines"]))
        new = new | {"lines": _as_rounded(old["lines"], new["lines"])}
        stated, anew = stated | {"ledger": old}, anew | {"ledger": new}
    if any("a_share_ns" in line for line in old["lines"]):
        return stated, anew
    shared = [_by_share(line) for line in new["lines"] if line["kind"] != "concurrency"]
    kept = [line for line in shared if line["a_ns"] or line["b_ns"] or line["a_calls"] or line["kind"] == "unexplained"]
    lines = _as_rounded(_ordered(old["lines"]), _ordered(kept)) if divided else _ordered(kept)
    return (
        stated | {"ledger": old | {"lines": _ordered(old["lines"]), "notes": _notes(old.get("notes"))}},
        anew | {"ledger": new | {"lines": lines, "unexplained_ns": _unexplained(shared)}},
    )


def alike_in_all(stated: dict[str, Any], anew: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """As `alike`, of all comparisons that a ranking holds."""
    old, new = stated.get("comparisons"), anew["comparisons"]
    if not isinstance(old, dict) or old.keys() != new.keys() or not all(isinstance(one, dict) for one in old.values()):
        return stated, anew
    pairs = {name: alike(old[name], new[name]) for name in old}
    return (
        stated | {"comparisons": {name: pair[0] for name, pair in pairs.items()}},
        anew | {"comparisons": {name: pair[1] for name, pair in pairs.items()}},
    )


def _worded(value: Any) -> Any:
    """With what it says of waits in today's words."""
    if isinstance(value, str):
        return _WAITS.sub(r"\1 a step, ", value)
    if isinstance(value, Mapping):
        return {key: _worded(one) for key, one in value.items()}
    return [_worded(one) for one in value] if isinstance(value, list) else value


def _unexplained(lines: Sequence[Mapping[str, Any]]) -> int:
    """Of the lines divided by shares: whole ns of one division may lie 1 ns beside those of the other."""
    return sum(line["a_ns"] + line["b_ns"] for line in lines if line["kind"] == "unexplained")


def _notes(stated: Any) -> Any:
    """What it said of too few windows, in today's words: intervals began at six of them."""
    if not isinstance(stated, list):
        return stated
    return [
        text.replace("no intervals below 6", "no intervals below 3") if isinstance(text, str) else text
        for text in stated
    ]


def _undivided(ledger: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The ledger with these lines, in the order of their names and without what depends on their number, and so its sentence."""
    kept = [{key: value for key, value in line.items() if key not in _OF_THE_LINES} for line in lines]
    for line in kept:
        if line.get("kind") in _IDLE:
            line.update(dict.fromkeys(_OF_THE_DIVISION))
    return {key: value for key, value in ledger.items() if key != "statement"} | {
        "lines": sorted(kept, key=lambda line: (str(line.get("name")), str(line.get("a_ns")), str(line.get("b_ns"))))
    }


def _of_parts(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The lines with those of one part of the idle time summed."""
    found: dict[object, Mapping[str, Any]] = {}
    for at, line in enumerate(lines):
        idle = line["kind"] in _IDLE
        part = str(line["key"]).removesuffix(f", {line['phase']}")
        other = found.get(part) if idle else None
        sums = {name: line[name] + (other[name] if other else 0) for name in _TIMES}
        found[part if idle else at] = {**line, **sums, "name": part, "key": part} if idle else line
    return [{key: value for key, value in line.items() if key != "phase"} for line in found.values()]


def _as_rounded(stated: Sequence[Mapping[str, Any]], anew: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The new lines with the stated whole ns where they lie `_ROUNDED_NS` beside them at most: the walls' whole ns are handed
    out among all lines, of which there were fewer."""
    held = {str(line.get("name")): line for line in stated}
    return [{**line, **_near(held.get(str(line["name"]), {}), line)} for line in anew]


def _near(stated: Mapping[str, Any], anew: Mapping[str, Any]) -> dict[str, int]:
    return {
        name: value
        for name in _TIMES
        if type(value := stated.get(name)) is int and name in anew and abs(value - anew[name]) <= _ROUNDED_NS
    }


def _by_share(line: Mapping[str, Any]) -> dict[str, Any]:
    a, b = line["a_share_ns"], line["b_share_ns"]
    kept = {key: value for key, value in line.items() if key not in _LATER}
    return kept | {"a_ns": a, "b_ns": b, "delta_ns": b - a}


def _ordered(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    lines = [{key: value for key, value in line.items() if key not in _OF_THE_DIVISION} for line in lines]
    return sorted(lines, key=lambda line: (str(line.get("name")), str(line.get("a_ns")), str(line.get("b_ns"))))
