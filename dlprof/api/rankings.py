"""A comparison of more than two sides read back: `.ranking`, and each pair of its sides as a comparison of two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from dlprof.analysis.timing.ranking import RankedPair, RankedSide, Ranking
from dlprof.api.findings import of_several, of_two, stored
from dlprof.api.results import CaptureResult, ComparisonResult, epochs_of, parts_of
from dlprof.errors import StoreError, UsageError
from dlprof.names import Pair, pairs_of
from dlprof.protocol import Epoch
from dlprof.report.ranking_json import SCHEMA_VERSION
from dlprof.store import RANKING_FILE, TIMINGS_FILE, Capture
from dlprof.stored_files import DAMAGED, typed

_PAIR: Final = re.compile(r"([a-h]),([a-h])")


class _Stored(msgspec.Struct, frozen=True):
    """What of ranking.json the findings are computed from; the rest is only compared (`dlprof verify`)."""

    schema_version: int
    comparisons: dict[str, Any]


class RankingResult:
    """A comparison of more than two sides."""

    def __init__(self, capture: Capture) -> None:
        self.path = capture.path
        self._capture = capture
        self._held = _stored(capture)
        self._captures = capture.captures()
        self.timings: pa.Table | None = capture.timings() if capture.has(TIMINGS_FILE) else None
        warnings = capture.manifest.warnings
        self.ranking: Ranking = of_several.rank(tuple(sorted(capture.manifest.sides)), self._parts, warnings=warnings)

    @property
    def sentence(self) -> str:
        """The order in words."""
        return self.ranking.statement

    @property
    def sides(self) -> tuple[RankedSide, ...]:
        """The sides, the fastest first."""
        return self.ranking.sides

    @property
    def pairs(self) -> tuple[RankedPair, ...]:
        """What the trials say of every two sides."""
        return self.ranking.pairs

    @property
    def captures(self) -> dict[str, CaptureResult]:
        """The traced windows: a-exact-1, b-exact-1, c-exact-1, …"""
        return {name: CaptureResult(capture) for name, capture in self._captures.items()}

    @property
    def letters(self) -> tuple[str, ...]:
        """The sides' letters, in the order in which they were named."""
        return tuple(sorted(self._capture.manifest.sides))

    def epochs(self, side: str) -> Sequence[Epoch]:
        """The epochs that a side (a, b, c, …) was trained; none without `--epoch-capture`."""
        return epochs_of(self._captures, side)

    def pair(self, a: str, b: str) -> ComparisonResult:
        """Two sides as a comparison of their own, with the traces of both. Raises `UsageError` for letters that are no sides."""
        pair = (a, b) if a < b else (b, a)
        if pair not in pairs_of(self._capture.manifest.sides):
            known = ", ".join(f"{one.letter} = {one.side.label}" for one in self.sides)
            raise UsageError(f"{a},{b}: not two sides of {self.path}", hint=f"its sides: {known}")
        parts = self._parts(pair)
        return ComparisonResult(self.path, of_two.build(parts), parts.captures, parts.measured.timings)

    def named(self, text: str | None) -> ComparisonResult:
        """The pair that a user names as `a,c`. Raises `UsageError` where none is named."""
        match = _PAIR.fullmatch(text or "")
        if match is None:
            said = "a comparison of more than two sides" if text is None else f"--pair {text}: not two sides"
            raise UsageError(f"{self.path}: {said}", hint="name two of its sides by their letters: --pair a,b")
        return self.pair(match[1], match[2])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><strong>{escape(self.sentence)}.</strong></p>"

    def _parts(self, pair: Pair) -> of_two.Parts:
        held = stored.stored_of(self._held.comparisons["".join(pair)], self.path / RANKING_FILE)
        return parts_of(self._capture, held, self._captures, self.timings, pair)


def _stored(capture: Capture) -> _Stored:
    """Raises `StoreError` where ranking.json lacks a pair, or is of a newer dlprof."""
    file = capture.path / RANKING_FILE
    held = typed(capture.ranking(), _Stored, file)
    if held.schema_version > SCHEMA_VERSION:
        raise StoreError(f"{file}: written by a newer dlprof than this one", hint="upgrade dlprof")
    if len(capture.manifest.sides) < 3:
        raise StoreError(f"{capture.path}: a ranking of fewer than three sides", hint=DAMAGED)
    for pair in pairs_of(capture.manifest.sides):
        if "".join(pair) not in held.comparisons:
            raise StoreError(f"{file}: $.comparisons: object missing required field `{''.join(pair)}`", hint=DAMAGED)
    return held
