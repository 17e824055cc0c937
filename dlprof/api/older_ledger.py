"""Ledgers of an earlier dlprof: concurrent work shared its instants, and no line took back what ran at the same time; how often
a side waits was not said to be of a step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_LATER = ("a_share_ns", "b_share_ns", "remark", "key", "q")
_OF_THE_DIVISION = ("low_ns", "high_ns")
"""Intervals are those of one division of the walls; those of the other cannot be compared with them."""

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
    if any(not isinstance(line, Mapping) or "a_share_ns" in line for line in old["lines"]):
        return stated, anew
    shared = [_by_share(line) for line in new["lines"] if line["kind"] != "concurrency"]
    kept = [line for line in shared if line["a_ns"] or line["b_ns"] or line["a_calls"] or line["kind"] == "unexplained"]
    return (
        stated | {"ledger": old | {"lines": _ordered(old["lines"]), "notes": _notes(old.get("notes"))}},
        anew | {"ledger": new | {"lines": _ordered(kept), "unexplained_ns": _unexplained(shared)}},
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


def _by_share(line: Mapping[str, Any]) -> dict[str, Any]:
    a, b = line["a_share_ns"], line["b_share_ns"]
    kept = {key: value for key, value in line.items() if key not in _LATER}
    return kept | {"a_ns": a, "b_ns": b, "delta_ns": b - a}


def _ordered(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    lines = [{key: value for key, value in line.items() if key not in _OF_THE_DIVISION} for line in lines]
    return sorted(lines, key=lambda line: (str(line.get("name")), str(line.get("a_ns")), str(line.get("b_ns"))))
