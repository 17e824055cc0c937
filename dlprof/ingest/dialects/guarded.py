"""Readers of other packages, with what goes wrong in them told as theirs: an exception, or a batch that holds what cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from dlprof.errors import DlprofError, PluginFailed
from dlprof.ingest.batch import LEVEL, NO_TEXT, POOLED, RawBatch
from dlprof.ingest.reader import Context, Damaged, Reader
from dlprof.ingest.source import Source
from dlprof.plugin import Operator, Vocabulary

_FURTHEST_PS: Final = 2**61
_MOST_EXECUTIONS: Final = 2**31


class GuardedReader:
    """A reader of another package (reader.Reader)."""

    def __init__(self, kind: str, reader: Reader) -> None:
        self._kind = kind
        self._reader = reader
        self.producer = str(reader.producer)

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Its batches, each looked at. Raises `PluginFailed` for an exception of its own, and for a batch that cannot be."""
        try:
            for batch in self._reader.read(source, ctx):
                wrong = _wrong(batch, ctx)
                if wrong:
                    raise _failed(self._kind, f"gave a batch that cannot be: {wrong}")
                yield batch
        except (DlprofError, Damaged):
            raise
        except Exception as error:
            raise _failed(self._kind, f"failed on {source.label}: {type(error).__name__}: {error}") from error

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """Its meaning of a name. Raises `PluginFailed` for an exception of its own, and for what is no operator."""
        try:
            found = self._reader.operator(name, vocabulary)
        except Exception as error:
            raise _failed(self._kind, f"failed on the name {name!r}: {type(error).__name__}: {error}") from error
        if found is not None and not isinstance(found, Operator):
            raise _failed(self._kind, f"says that {name!r} is {type(found).__name__}, which is no Operator")
        return found


def _failed(kind: str, what: str) -> PluginFailed:
    return PluginFailed(f"the reader of {kind} {what}", hint="repair or uninstall the package that supplies it")


def _wrong(batch: object, ctx: Context) -> str:
    """What of a batch cannot be; "" where all is as `RawBatch` says."""
    if not isinstance(batch, RawBatch):
        return f"it is {type(batch).__name__}, not RawBatch"
    rows = len(batch.start_ps)
    for column in batch.__struct_fields__:
        values = getattr(batch, column)
        if values is None and column not in ("track", "name", "start_ps", "duration_ps"):
            continue
        if values is None or len(values) != rows:
            return f"column {column} has not the {rows} rows of start_ps"
        if column != "args" and not (isinstance(values, np.ndarray) and values.dtype.kind in "if"):
            return f"column {column} is no array of numbers"
    limits = {
        "track": (0, len(ctx.pools.tracks) - 1),
        "start_ps": (-_FURTHEST_PS, _FURTHEST_PS),
        "duration_ps": (0, _FURTHEST_PS),
        "level": (NO_TEXT, max(LEVEL.values())),
        "occurrences": (0, _MOST_EXECUTIONS),
        **{column: (NO_TEXT, len(ctx.pools.text[column].values_list) - 1) for column in POOLED},
    }
    limits["name"] = (0, len(ctx.pools.text["name"].values_list) - 1)
    for name, (low, high) in limits.items():
        values = getattr(batch, name)
        if values is not None and rows and not (low <= values.min() and values.max() <= high):
            return f"column {name} holds values outside of {low} … {high}"
    return ""
