"""`Comparison.facts` as JSON: the keys of each method in the order in which they have always been written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from dlprof.analysis.facts import Facts, Primitives

_LOCKSTEP: Final = (
    "kind",
    "method",
    "preset",
    "differs",
    "epochs",
    "idle_cpu_fraction",
    "trials",
    "stopped",
    "agreement",
    "sessions",
    "calibration",
    "primitives",
    "folder",
    "items_listed",
    "profiling",
    "tax",
    "explained_of_items",
    "summary",
    "geometric_mean",
    "sweeps",
    "events_of_items",
    "speeds",
    "beginnings",
    "interleaved",
)
_IMPORTED: Final = ("kind", "method", "imported", "items_listed", "folder", *_LOCKSTEP[14:])
_PUBLISHED: Final = ("kind", "folder", "repetitions", "method", "unsound", "summary")
_WHERE_THERE: Final = frozenset(
    {
        "items_listed",
        "explained_of_items",
        "summary",
        "sweeps",
        "events_of_items",
        "speeds",
        "beginnings",
        "interleaved",
    }
)
"""Keys that are left out, and not null, where there is nothing to say; a geometric mean that a family lacks is null."""


def pairs(facts: Facts) -> Iterator[tuple[str, Any]]:
    """(key, value) of what the method states; of a diff nothing."""
    for name in _keys(facts.method):
        value = getattr(facts, name)
        if value is None and (name in _WHERE_THERE or (name == "geometric_mean" and facts.summary is None)):
            continue
        if name == "agreement":
            value = value or {}
        elif name == "trials":
            value = [{**_shallow(one), "machine": one.machine or {}} for one in value]
        elif isinstance(value, Primitives):
            value = {key: one for key, one in _shallow(value).items() if one is not None}
        yield name, value


def _keys(method: str | None) -> tuple[str, ...]:
    if method is None:
        return ()
    return {"as-published": _PUBLISHED, "imported": _IMPORTED}.get(method, _LOCKSTEP)


def _shallow(value: Any) -> dict[str, Any]:
    return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
