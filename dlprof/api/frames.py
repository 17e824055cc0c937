"""Findings as rows: what a program iterates over, and what turns into a table of Arrow, pandas or polars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import pyarrow as pa

from dlprof.analysis.model import ItemResult
from dlprof.names import Item

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

T = TypeVar("T")


class Frame(Sequence[T], Generic[T]):
    """A sequence of findings with the same as plain rows: `len(frame)`, `frame[0]`, `for one in frame`, `frame.to_pandas()`."""

    def __init__(self, elements: Sequence[T], rows: Sequence[Mapping[str, Any]]) -> None:
        self._elements = tuple(elements)
        self.rows: tuple[Mapping[str, Any], ...] = tuple(rows)

    def to_arrow(self) -> pa.Table:
        """One column a field."""
        return pa.Table.from_pylist([dict(row) for row in self.rows])

    def to_pandas(self) -> pd.DataFrame:
        """One column a field. Raises `ImportError`, which says what to install, without pandas."""
        return arrow_to_pandas(self.to_arrow())

    def to_polars(self) -> pl.DataFrame:
        """One column a field. Raises `ImportError`, which says what to install, without polars."""
        return arrow_to_polars(self.to_arrow())

    def __len__(self) -> int:
        return len(self._elements)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Frame[T]: ...
    def __getitem__(self, at: int | slice) -> T | Frame[T]:
        if isinstance(at, slice):
            return Frame(self._elements[at], self.rows[at])
        return self._elements[at]

    def __iter__(self) -> Iterator[T]:
        return iter(self._elements)

    def __repr__(self) -> str:
        names = list(self.rows[0]) if self.rows else []
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        return (
            f"<{type(self).__name__}: {len(self)} row{'' if len(self) == 1 else 's'}{f' of {shown}' if shown else ''}>"
        )

    def _repr_html_(self) -> str:
        from dlprof.report import notebook_html

        return notebook_html.rows(self.rows)


class Records(Frame[Mapping[str, Any]]):
    """Rows without an object of their own: each element is the row itself."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(rows, rows)


def items(found: Sequence[ItemResult]) -> Frame[ItemResult]:
    """The timed items of a comparison."""
    return Frame(found, [item_row(item, headline=at == 0) for at, item in enumerate(found)])


def item_row(item: ItemResult, *, headline: bool) -> dict[str, Any]:
    """An item as plain columns: task, variant and size of its name, ratio with its interval, verdict, medians in ns."""
    named = Item.parse(item.item)
    ratio: Mapping[str, Any] = asdict(item.ratio) if item.ratio else {}
    return {
        "item": item.item,
        "task": named.task,
        "variant": named.variant,
        "size": named.size,
        "headline": headline,
        "verdict": item.verdict,
        **{
            "ratio" if name == "estimate" else name: ratio.get(name)
            for name in ("estimate", "low", "high", "confidence")
        },
        "p": item.p,
        "q": item.q,
        "trials": ratio.get("trials"),
        "a_median_ns": item.a_median_ns,
        "b_median_ns": item.b_median_ns,
        "sentence": item.sentence,
        "warnings": "; ".join(item.warnings),
    }


def arrow_to_pandas(table: pa.Table) -> pd.DataFrame:
    """Raises `ImportError`, which says what to install, without pandas."""
    try:
        import pandas  # noqa: F401  pyarrow imports it itself, but says only that it is missing
    except ImportError:
        raise ImportError(
            "to_pandas() needs pandas, which is not installed: python3 -m pip install 'dlprof[notebook]'"
        ) from None
    return table.to_pandas()


def arrow_to_polars(table: pa.Table) -> pl.DataFrame:
    """Raises `ImportError`, which says what to install, without polars."""
    try:
        import polars
    except ImportError:
        raise ImportError(
            "to_polars() needs polars, which is not installed: python3 -m pip install 'dlprof[notebook]'"
        ) from None
    found = polars.from_arrow(table)
    assert isinstance(found, polars.DataFrame)
    return found
