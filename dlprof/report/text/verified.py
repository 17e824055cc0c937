"""What `dlprof verify` found, as text or JSON: differences first, then what was not checked, then what agrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlprof.report.json import dump

Row = tuple[str, str, str]
"""(outcome, where, detail)."""

_ORDER: Final = ("differs", "unchecked", "agrees")


def text(directory: str, rows: Sequence[Row], *, every: bool) -> str:
    """Differences and what was not checked by name, what agrees counted (or named, with `every`); the sum at the end."""
    lines = []
    for outcome in _ORDER:
        if outcome != "agrees" or every:
            lines += [f"{outcome:<9}  {where}: {detail}" for found, where, detail in rows if found == outcome]
    count = {outcome: sum(found == outcome for found, _, _ in rows) for outcome in _ORDER}
    verdict = "differs from what its tables say" if count["differs"] else "agrees with its tables"
    told = f"{len(rows)} checks: {count['agrees']} agree, {count['differs']} differ, {count['unchecked']} could not be made"
    return "\n".join([*lines, f"{directory}: {verdict} ({told})"]) + "\n"


def json(directory: str, rows: Sequence[Row]) -> str:
    """One object: the outcome of the whole and each check."""
    checks = [{"outcome": outcome, "where": where, "detail": detail} for outcome, where, detail in rows]
    whole = "differs" if any(outcome == "differs" for outcome, _, _ in rows) else "agrees"
    return dump({"schema_version": 1, "kind": "verified", "directory": directory, "outcome": whole, "checks": checks})
