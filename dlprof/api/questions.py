"""What an assistant may ask of results: read-only answers as plain values, over the folders that were named and nothing else.

Nothing runs and nothing is written, but for the temporary import of a raw trace. Every answer is small.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, Final, Literal, ParamSpec

from dlprof.analysis.model import Comparison, LedgerLine
from dlprof.api import functions, load, rankings, results, verify
from dlprof.api.study.results import StudyResult
from dlprof.errors import StoreError, UsageError
from dlprof.report import brief, json, next_steps
from dlprof.toml_shape import choices_hint

By = Literal["op", "kernel", "layer", "phase", "step", "device", "stream", "name", "process"]

MOST: Final = 100
"""Rows of an answer."""
_TEXT: Final = 300


P = ParamSpec("P")


def _small(
    answer: Callable[Concatenate[Questions, P], dict[str, Any]],
) -> Callable[Concatenate[Questions, P], dict[str, Any]]:
    """An answer whose texts and lists are cut: names come from traces, and may have thousands of characters."""

    @functools.wraps(answer)
    def small(self: Questions, /, *given: P.args, **named: P.kwargs) -> dict[str, Any]:
        cut: dict[str, Any] = _cut(answer(self, *given, **named))
        return cut

    return small


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, dict):
        return {_short(str(key)): _cut(one) for key, one in list(value.items())[:MOST]}
    return [_cut(one) for one in value[:MOST]] if isinstance(value, list | tuple) else value


class Questions:
    """The answers over some folders.

    roots: the folders below which everything that is asked about must lie
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(root.resolve() for root in roots)
        for root in self.roots:
            if not root.is_dir():
                raise StoreError(f"{root}: no such folder", hint="name folders with results or traces")

    @_small
    def load(self, path: str) -> dict[str, Any]:
        """What lies at a path: its kind, what was compared or recorded, and what else can be asked of it."""
        found = functions.load(self._inside(path))
        if isinstance(found, StudyResult):
            cells = [
                {"path": cell.record.path, "id": cell.id, "status": cell.status, "verdict": cell.record.verdict}
                for cell in found.cells[:MOST]
            ]
            return {"kind": "study", "title": found.record.title, "cells": cells, "cells_in_all": len(found.cells)}
        if isinstance(found, rankings.RankingResult):
            sides = [{"letter": one.letter, "label": one.side.label} for one in found.sides]
            return {
                "kind": "ranking",
                "sentence": _short(found.sentence),
                "sides": sides,
                "captures": sorted(found.captures),
            }
        if isinstance(found, results.ComparisonResult):
            return {**brief.comparison_value(found.found), "kind": "comparison", "captures": sorted(found.captures)}
        return {
            "kind": "capture",
            "workload": found.manifest.described.name,
            "label": found.side.label,
            "device": found.side.device,
            "fidelity": found.manifest.fidelity,
            "events": found.events.num_rows,
            "completeness": _short(found.completeness.statement),
            "anomalies": dict(found.view().anomalies),
        }

    @_small
    def diff(self, a: str, b: str) -> dict[str, Any]:
        """Two captures or raw traces in brief (schemas/brief.schema.json)."""
        with load.opened_pair(self._inside(a), self._inside(b)) as found:
            return brief.comparison_value(found.found)

    @_small
    def show(self, path: str, by: By = "op", where: Literal["work", "host"] = "work", rows: int = 20) -> dict[str, Any]:
        """One trace broken down; the rows that take most time, times in ns."""
        if not 1 <= rows <= MOST:
            raise UsageError(f"rows={rows}: from 1 to {MOST}", hint="ask for the first ones; they take most time")
        with load.opened(self._inside(path)) as capture:
            found = results.CaptureResult(capture).view(by, where)
        shown = [_plain(row) for row in found.table.slice(0, rows).to_pylist()]
        return {"by": by, "where": where, "rows": shown, "rows_in_all": found.table.num_rows, "empty": found.empty}

    @_small
    def verify(self, path: str) -> dict[str, Any]:
        """A result computed anew from its stored tables, and compared with what it states. Nothing of it runs."""
        checks = list(verify.verify(self._inside(path)))
        count = Counter(check.outcome for check in checks)
        differing = [{"where": one.where, "detail": _short(one.detail)} for one in checks if one.outcome == "differs"]
        return {"outcome": verify.outcome(checks), "checks": dict(count), "differing": differing[:MOST]}

    @_small
    def explain(self, line: str, path: str, other: str | None = None) -> dict[str, Any]:
        """One line of the ledger of a comparison or of two traces: its times, the operators behind it, why they were matched.

        line: its name as a report or `diff` has it; the other names are listed where there is no such line
        """
        with self._compared(path, other) as found:
            if found.ledger is None:
                raise StoreError(
                    f"{path}: holds no traces of both sides, so there is no ledger", hint="ask `load` instead"
                )
            named = {one.name: one for one in found.ledger.lines}
            if line not in named:
                raise UsageError(f"{line}: no such line", hint=choices_hint(line, list(named)[:MOST]))
            return _explained(found, named[line])

    @contextmanager
    def _compared(self, path: str, other: str | None) -> Iterator[Comparison]:
        inner = self._inside(other) if other is not None else None
        with load.opened_result(self._inside(path), inner) as found:
            if isinstance(found, results.CaptureResult):
                raise UsageError(f"{path}: one capture alone", hint="name a second one as `other`")
            yield found.found

    def _inside(self, path: str) -> Path:
        """The path, where no link on the way to it or below it leads elsewhere. Raises `UsageError` for what lies outside of the
        named folders."""
        given = Path(path)
        places = [given] if given.is_absolute() else [root / given for root in self.roots]
        try:
            found = next((place.resolve() for place in places if place.exists()), places[0].resolve())
        except (OSError, RuntimeError, ValueError):  # too long a name, links in a circle, a NUL
            raise UsageError(f"{path}: no such file or directory") from None
        self._check(found, path)
        for folder, folders, files in os.walk(found):
            for inner in (Path(folder, name) for name in (*folders, *files)):
                if inner.is_symlink():
                    self._check(inner, str(inner))
        return found

    def _check(self, place: Path, path: str) -> None:
        try:
            leads = place.resolve()
        except (OSError, RuntimeError):  # links in a circle lead nowhere
            return
        if not any(leads.is_relative_to(root) for root in self.roots):
            allowed = ", ".join(map(str, self.roots))
            raise UsageError(f"{path}: outside of the folders that may be read", hint=f"those are: {allowed}")


def _explained(found: Comparison, line: LedgerLine) -> dict[str, Any]:
    assert found.ledger is not None
    gap = found.ledger.gap_ns
    match = next((one for one in found.alignment.matches if one.name == line.name), None) if found.alignment else None
    return {
        "a": found.a.label,
        "b": found.b.label,
        "line": json.plain(line),
        "share_of_gap": line.delta_ns / gap if gap else None,
        "gap_ns": gap,
        "a_operators": [_short(op) for op in match.a_ops[:MOST]] if match else [],
        "b_operators": [_short(op) for op in match.b_ops[:MOST]] if match else [],
        "matched_because": match.reason if match else line.reason,
        "confidence": match.confidence if match else None,
        "next_steps": next_steps.of(found)[:3],
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _short(value) if isinstance(value, str) else json.plain(value) for key, value in row.items()}


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
