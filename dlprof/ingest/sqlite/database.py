"""A trace that is a SQLite database: opened read-only, nothing of it run, its tables as columns of int64.

Only tables are read, never views or virtual ones, and of a table only the columns that it has: exporters leave out what they
did not record.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from dlprof.ingest.batch import NO_INT, TARGET_ROWS, Int64
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.ingest.tables.report import Tables

_COPIED: Final = 1 << 22
_LEAST: Final = 5
"""Bytes of a row in a file at least: where it lies in its page, its length, its number and its columns' types."""


class Database(Tables):
    """The tables of one file.

    tables: their columns, by name
    size: bytes of the file
    """

    def __init__(self, link: sqlite3.Connection, ctx: Context, size: int) -> None:
        self._link, self._ctx = link, ctx
        self._most = size // _LEAST
        link.text_factory = self._text
        link.execute("PRAGMA trusted_schema = OFF")
        kept = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name"
        names = [name for (name,) in link.execute(kept)]
        self.tables: Mapping[str, Sequence[str]] = {
            name: [row[1] for row in link.execute(f"PRAGMA table_info({_quoted(name)})")] for name in names
        }

    def numbers(self, table: str, columns: Sequence[str]) -> Iterator[dict[str, Int64]]:
        """See `Tables`."""
        there = self.tables.get(table, ())
        asked = [
            f"CASE typeof({_quoted(name)}) WHEN 'integer' THEN {_quoted(name)} ELSE ?1 END" if name in there else "?1"
            for name in columns
        ]
        for rows in self._pieces(f"SELECT {', '.join(asked)} FROM {_quoted(table)}", NO_INT) if there else ():
            values = np.array(rows, dtype=np.int64).reshape(len(rows), len(columns))
            yield {name: values[:, at].copy() for at, name in enumerate(columns)}

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """See `Tables`."""
        there = self.tables.get(table, ())
        asked = ", ".join(_quoted(name) if name in there else "NULL" for name in columns)
        for rows in self._pieces(f"SELECT {asked} FROM {_quoted(table)}") if there else ():
            yield from rows

    def count(self, table: str) -> int:
        """See `Tables`."""
        counted = f"SELECT count(*) FROM (SELECT NULL FROM {_quoted(table)} LIMIT {self._most + 1})"
        return self._credible(int(self._link.execute(counted).fetchone()[0]))

    def _pieces(self, query: str, *values: object) -> Iterator[list[tuple[Any, ...]]]:
        read = 0
        with closing(self._link.execute(query, values)) as cursor:
            while rows := cursor.fetchmany(TARGET_ROWS):
                read = self._credible(read + len(rows))
                yield rows

    def _credible(self, rows: int) -> int:
        """Raises `sqlite3.DatabaseError` for more rows than the file has room for: its pages lead to each other again."""
        if rows > self._most:
            raise sqlite3.DatabaseError("a table has more rows than the file has room for")
        return rows

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._ctx.anomalies.count("text_not_utf8")
            return raw.decode(errors="replace")


@contextmanager
def opened(source: Source, ctx: Context) -> Iterator[Database]:
    """The database of a file. What SQLite cannot read is damage, also while it is read."""
    with _path(source) as path:
        try:
            # immutable: SQLite neither locks the file nor makes a journal beside it.
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as link:
                yield Database(link, ctx, path.stat().st_size)
        except sqlite3.Error as error:
            ctx.damage(0, f"a database that SQLite can read, but: {error}")
    journal = source.path.with_name(f"{source.path.name}-wal")
    if journal.exists() and journal.stat().st_size:
        ctx.completeness["journal"] = f"{journal.name} lies beside the file; what it holds is not read"


@contextmanager
def _path(source: Source) -> Iterator[Path]:
    """A file that SQLite can open: a compressed one is unpacked into a temporary one."""
    if source.compression() == "none":
        yield source.path
        return
    with tempfile.NamedTemporaryFile(prefix="dlprof-", suffix=".sqlite") as unpacked:
        for piece in source.chunks(_COPIED):
            unpacked.write(piece)
        unpacked.flush()
        yield Path(unpacked.name)


def _quoted(name: str) -> str:
    """A name within a query."""
    return '"' + name.replace('"', '""') + '"'
