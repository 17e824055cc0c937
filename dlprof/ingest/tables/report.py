"""What a report that consists of tables is to its reader, whether they are stored as SQLite or as a folder of Parquet files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlprof.ingest.batch import Int64


class Tables(ABC):
    """The tables of one report.

    tables: their columns, by name
    """

    tables: Mapping[str, Sequence[str]]

    @abstractmethod
    def numbers(self, table: str, columns: Sequence[str]) -> Iterator[dict[str, Int64]]:
        """Integer columns of a table, TARGET_ROWS rows at a time, in the order they were written. NO_INT where a row has no
        integer, or the table no such column."""

    @abstractmethod
    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Columns of a table as they are, None for one that it has not."""

    @abstractmethod
    def count(self, table: str) -> int:
        """Rows of a table."""

    def texts(self, table: str, key: str, value: str) -> dict[int, str]:
        """The texts of a table by their ids."""
        return {
            at: text for at, text in self.rows(table, (key, value)) if isinstance(at, int) and isinstance(text, str)
        }
