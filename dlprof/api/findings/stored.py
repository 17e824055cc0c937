"""comparison.json read back: the one place where its text becomes the findings' own types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dlprof.analysis.facts import Facts
from dlprof.analysis.model import ItemResult, Ratio, Side, VerdictWord
from dlprof.errors import StoreError
from dlprof.report.json import SCHEMA_VERSION
from dlprof.store import COMPARISON_FILE, Capture
from dlprof.stored_files import DAMAGED, typed


class Difference(msgspec.Struct, frozen=True):
    """What every entry of `parity` states (analysis.same_work.parity)."""

    what: str
    where: str
    a: str
    b: str
    blocks: str


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison.json must have.

    explained, rows, ledger, alignment, anomalies: computed anew from the tables whenever the directory is read, so that
    their inside is not looked at here (`dlprof verify` compares it).
    """

    schema_version: int
    kind: str
    workload: str
    a: Side
    b: Side
    verdict: VerdictWord
    ratio: Ratio | None
    items: tuple[ItemResult, ...]
    rows: list[Any]
    explained: dict[str, Any]
    profiling_overhead: dict[str, float | None]
    ledger: dict[str, Any] | None
    alignment: dict[str, Any] | None
    parity: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]
    anomalies: dict[str, int]
    facts: Facts


class _Version(msgspec.Struct, frozen=True):
    schema_version: int = SCHEMA_VERSION


def read(capture: Capture) -> Stored:
    """The stored findings of a comparison directory. Raises `StoreError` with the path of a field that does not fit."""
    return stored_of(capture.comparison(), capture.path / COMPARISON_FILE)


def stored_of(plain: Any, file: Path) -> Stored:
    """The stored findings from the plain values of their file. Raises `StoreError`."""
    if typed(plain, _Version, file).schema_version > SCHEMA_VERSION:
        raise StoreError(f"{file}: written by a newer dlprof than this one", hint="upgrade dlprof")
    found = typed(_with_none(plain), Stored, file)
    for at, difference in enumerate(found.parity):
        typed(difference, Difference, file, f"$.parity[{at}]")
    if found.facts.method is None or found.facts.kind is None:
        missing = "method" if found.facts.method is None else "kind"
        raise StoreError(f"{file}: $.facts: object missing required field `{missing}`", hint=DAMAGED)
    return found


def _with_none(plain: Any) -> Any:
    """With None for objects that are {} where there is nothing to say."""
    facts = plain.get("facts") if isinstance(plain, dict) else None
    if not isinstance(facts, dict):
        return plain
    emptied: dict[str, Any] = {"agreement": None} if facts.get("agreement") == {} else {}
    if isinstance(trials := facts.get("trials"), list):
        emptied["trials"] = [
            {**one, "machine": None} if isinstance(one, dict) and one.get("machine") == {} else one for one in trials
        ]
    return {**plain, "facts": {**facts, **emptied}}
