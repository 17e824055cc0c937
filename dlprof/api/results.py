"""What was recorded, read back: a comparison or a capture directory as one object for programs and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import pyarrow as pa

from dlprof.analysis import compare, exhibits
from dlprof.analysis.model import Comparison, Completeness, ItemResult, Ratio, Side, View
from dlprof.analysis.timing import beside
from dlprof.api import frames, published
from dlprof.api.findings import of_several, of_two, pairs, stored
from dlprof.api.findings.evidence import COMPARED, completeness_of, evidence_of, placed_events, side_of, view_of
from dlprof.manifest import ImportedOptions, LockstepOptions, PublishedOptions
from dlprof.names import SIDES, CaptureName, Pair
from dlprof.protocol import Epoch
from dlprof.report.text.verdict import factor_words
from dlprof.store import Capture

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_KNOWN: Final[dict[Path, ComparisonResult]] = {}
"""Directory → its findings, where `known` says that they are computed already."""


class ViewResult(View):
    """A breakdown: `.table` (Arrow), `.to_pandas()`, `.to_polars()`; shows itself in a notebook."""

    def to_pandas(self) -> pd.DataFrame:
        """The table as a data frame; times in ns. Raises `ImportError` without pandas."""
        return frames.arrow_to_pandas(self.table)

    def to_polars(self) -> pl.DataFrame:
        """The table as a data frame; times in ns. Raises `ImportError` without polars."""
        return frames.arrow_to_polars(self.table)

    def __repr__(self) -> str:
        return f"<ViewResult: by {self.by}, {self.table.num_rows} rows>"

    def _repr_html_(self) -> str:
        from dlprof.report import notebook_html

        return notebook_html.view(self)


class CaptureResult:
    """One capture: its manifest, its events (schema.EVENTS, layers filled in) and its breakdowns."""

    def __init__(self, capture: Capture) -> None:
        self.path = capture.path
        self.manifest = capture.manifest
        self._capture = capture
        self._placed: tuple[pa.Table, Mapping[str, int]] | None = None

    @property
    def side(self) -> Side:
        """How the capture is named in reports."""
        return side_of(self._capture, path=str(self.path))

    @property
    def events(self) -> pa.Table:
        """The event table; times are picoseconds relative to origin_ns in its metadata."""
        return self._events()[0]

    @property
    def completeness(self) -> Completeness:
        """What the trace says of its own completeness."""
        return completeness_of(self._capture, self.events)

    def view(self, by: str = "op", where: Literal["work", "host"] = "work") -> ViewResult:
        """A breakdown by op, kernel, layer, phase, step, device, stream or name; where host, of what the host's threads did.
        Raises `UsageError` for another word.

        >>> import dlprof
        >>> dlprof.load("traces/lenet-tf-exact").view("phase")
        <ViewResult: by phase, 7 rows>
        """
        found = view_of(self._capture, *self._events(), by, where)
        return ViewResult(**{one.name: getattr(found, one.name) for one in fields(found)})

    def __repr__(self) -> str:
        facts = [self._name, self.side.label, self.manifest.fidelity or "", f"{self._count} events"]
        return f"<CaptureResult: {', '.join(fact for fact in facts if fact)}>"

    def _repr_html_(self) -> str:
        from dlprof.report import notebook_html

        facts = {"device": self.side.device, "fidelity": self.manifest.fidelity or "unknown", "events": self._count}
        title = f"{self._name}: {self.side.label}" if self._name else self.side.label
        return notebook_html.capture(title, facts, self.view())

    @property
    def _name(self) -> str:
        return self.manifest.described.name

    @property
    def _count(self) -> int:
        return self.manifest.trace.events if self.manifest.trace else self.events.num_rows

    def _events(self) -> tuple[pa.Table, Mapping[str, int]]:
        if self._placed is None:
            self._placed = placed_events(self._capture)
        return self._placed


class ComparisonResult:
    """A comparison: `.verdict`, `.ratio`, `.sentence`, `.items`, `.rows`, `.ledger`, `.captures`; renders in Jupyter."""

    def __init__(
        self, path: Path | None, found: Comparison, captures: Mapping[str, Capture], timings: pa.Table | None
    ) -> None:
        self.path = path
        self.found = found
        self.timings = timings
        self._captures = captures

    @property
    def verdict(self) -> str:
        """faster | slower | equivalent | negligible | inconclusive | not_comparable, of B seen from A."""
        return self.found.items[0].verdict if self.found.items else "inconclusive"

    @property
    def ratio(self) -> Ratio | None:
        """Time of B ÷ time of A with its interval, of the headline item."""
        return self.found.items[0].ratio if self.found.items else None

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return self.found.items[0].sentence if self.found.items else "nothing was timed"

    @property
    def items(self) -> frames.Frame[ItemResult]:
        """All timed items, the headline first: `.items[0].verdict`, `.items.to_pandas()`."""
        return frames.items(self.found.items)

    @property
    def rows(self) -> frames.Records:
        """The side-by-side breakdown, times in ns."""
        return frames.Records(tuple(asdict(row) for row in self.found.rows))

    @property
    def ledger(self) -> frames.Records | None:
        """The lines of the ledger, ns a step, which sum to the gap between the traced steps; None without traces."""
        ledger = self.found.ledger
        return None if ledger is None else frames.Records(tuple(asdict(line) for line in ledger.lines))

    @property
    def captures(self) -> dict[str, CaptureResult]:
        """The traced runs: a-exact-1, b-exact-1, a-native-1, …"""
        return {name: CaptureResult(capture) for name, capture in self._captures.items()}

    def representative(self) -> dict[str, CaptureResult]:
        """The first exact capture of each side that has one (of a diff, the two captures)."""
        found: dict[str, CaptureResult] = {}
        for side in SIDES:
            mine = CaptureName.exact_runs(self._captures, side) or [side]
            if mine[0] in self._captures:
                found[side] = CaptureResult(self._captures[mine[0]])
        return found

    def exhibits(self) -> exhibits.Exhibits:
        """The numbers behind the figures of a report."""
        shown = self.representative()
        return exhibits.build(
            self.found,
            self.timings,
            {side: one.events for side, one in shown.items()},
            {side: self.epochs(side) for side in shown},
        )

    def epochs(self, side: str) -> Sequence[Epoch]:
        """The epochs that a side (a, b) was trained, of its first capture that holds any; none without `--epoch-capture`."""
        return epochs_of(self._captures, side)

    def __repr__(self) -> str:
        return f"<ComparisonResult: {self.found.b.label} {_verdict_words(self.found)}>"

    def _repr_html_(self) -> str:
        from dlprof.report.html import document

        return document.notebook(self.found)


def _verdict_words(found: Comparison) -> str:
    """`slower than TensorFlow 2.21.0 (graph), lenet: 2.281 [1.05, 5.639], 4 trials`."""
    first = found.items[0] if found.items else None
    word = first.verdict.replace("_", " ") if first else "nothing timed"
    link = "than" if word in ("faster", "slower") else "against"
    named = f", {found.workload}" if found.workload else ""
    said = f"{word} {link} {found.a.label}{named}"
    if first is None or first.ratio is None:
        return said
    ratio = first.ratio
    return f"{said}: {factor_words(ratio)}, {ratio.trials} trial{'' if ratio.trials == 1 else 's'}"


def epochs_of(captures: Mapping[str, Capture], side: str) -> Sequence[Epoch]:
    """The epochs that a side was trained, of its first capture that holds any. captures: by the name of their folder."""
    for folder, capture in sorted(captures.items()):
        name = CaptureName.parse(folder)
        if (name.side if name else folder) == side and capture.manifest.epochs:
            return capture.manifest.epochs
    return ()


def load_run(path: Path) -> ComparisonResult | CaptureResult:
    """One comparison or capture. Raises `StoreError`."""
    if path in _KNOWN:
        return _KNOWN[path]
    capture = Capture.open(path)
    return load_comparison(capture) if capture.manifest.kind == "compare" else CaptureResult(capture)


@contextmanager
def known(computed: Mapping[Path, ComparisonResult]) -> Iterator[None]:
    """Within the block `load_run` gives what was computed of these directories before, for a reader who changes nothing there."""
    _KNOWN.update(computed)
    try:
        yield
    finally:
        _KNOWN.clear()


def load_comparison(capture: Capture) -> ComparisonResult:
    """The findings of a comparison directory, computed anew from its tables."""
    if isinstance(capture.manifest.options, PublishedOptions):
        return ComparisonResult(capture.path, published.found(capture), {}, capture.timings())
    captures = capture.captures()
    timings = capture.timings() if capture.has("timings.parquet") else None
    found = of_two.build(parts_of(capture, stored.read(capture), captures, timings))
    return ComparisonResult(capture.path, found, captures, timings)


def parts_of(
    capture: Capture,
    held: stored.Stored,
    captures: Mapping[str, Capture],
    timings: pa.Table | None,
    pair: Pair = SIDES,
) -> of_two.Parts:
    """What the findings on two sides are made of. held: what they are stated to be; captures and timings: of all sides."""
    options = capture.manifest.options
    assert isinstance(options, LockstepOptions | ImportedOptions)
    return of_two.Parts(
        measured=compare.Measured(
            workload=held.workload,
            timings=pairs.timings(timings, pair) if timings is not None else no_timings(),
            parity=held.parity,
            margin=options.margin,
            adaptive=options.trials is None if options.adaptive is None else options.adaptive,
            sides=len(capture.manifest.sides) if capture.manifest.kind == "ranking" else len(SIDES),
            warnings=capture.manifest.warnings,
            facts=held.facts,
            gate=_gate(options, pair),
            others=_others(capture, timings) if capture.manifest.kind == "compare" else {},
            limits=_limits(options),
        ),
        asked=dict(zip(SIDES, (held.a, held.b), strict=True)),
        captures=pairs.captures(captures, pair),
        paths=of_several.paths(capture.path, pair),
        family=held.facts.summary is not None,
        # A family that does not list its items, of an older dlprof, keeps the order found then.
        listed=held.facts.items_listed or [item.item for item in held.items],
    )


def _gate(options: LockstepOptions | ImportedOptions, pair: Pair) -> float | None:
    """The slow-down that was allowed the second of two sides."""
    asked = options.gate if isinstance(options, LockstepOptions) else msgspec.UNSET
    return None if asked is msgspec.UNSET else pairs.gate(asked, pair)


def _limits(options: LockstepOptions | ImportedOptions) -> Mapping[str, float]:
    """What the gate judges beside timed items, and what it allows."""
    asked = options.limits if isinstance(options, LockstepOptions) else msgspec.UNSET
    return {} if asked is msgspec.UNSET else asked


def _others(capture: Capture, timings: pa.Table | None) -> Mapping[str, beside.Beside]:
    return beside.of(capture.manifest.trials or (), timings if timings is not None else no_timings())


def diff(a: Capture, b: Capture, *, kept: Sequence[bool] = (True, True)) -> ComparisonResult:
    """Two captures side by side: an estimate, never a verdict. kept: whether each lies in a directory worth naming."""
    sides = [side_of(one, path=str(one.path) if keep else None) for one, keep in zip((a, b), kept, strict=True)]
    names = {one.manifest.described.name for one in (a, b)}
    found = compare.diff(
        evidence_of([a], sides[0], COMPARED),
        evidence_of([b], sides[1], COMPARED),
        workload=names.pop() if len(names) == 1 else "",
    )
    return ComparisonResult(None, found, {"a": a, "b": b}, None)


def no_timings() -> pa.Table:
    """A timing table without rows."""
    from dlprof import schema

    return schema.TIMINGS.empty_table()
