"""What the columns of a Kineto trace are made of, wherever its rows come from: structs of the Python reader, or blocks.

Both give the same values, in the same order of first rows, so that codes of pools and tracks are the same too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, Protocol

import msgspec
import numpy as np

from dlprof.ingest.batch import NO_INT, NO_TEXT, Int32, Int64
from dlprof.ingest.dialects.kineto_args import NONE, Memory, all_decoded, decode_args, numbers, of_memory, text
from dlprof.ingest.json.blocks import ODD, Block
from dlprof.ingest.json.common_columns import (
    argument_texts,
    category_codes,
    keyed,
    name_codes,
    raw_codes,
    text_codes,
)
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import Mask
from dlprof.ingest.reader import Context
from dlprof.ingest.texts import Texts


class Fields(Protocol):
    """The rows of a chunk.

    name, category: codes of their pools
    forward: whether a row bears the thread of a forward operator, so is its gradient
    """

    name: Int32
    category: Int32

    def __len__(self) -> int: ...

    def keyed(
        self, chosen: Mask, columns: Sequence[str], value: Callable[..., int], kind: Int32 | None = None
    ) -> Int32:
        """value(*key) of each chosen row, worked out once for each distinct key: its values of `columns` (pid, tid, device,
        stream), behind its `kind` where that is given."""
        ...

    def on_device(self) -> Mask:
        """Rows whose arguments name a device."""
        ...

    def numbers(self, column: str) -> Int64:
        """correlation, link, bytes, flops or sequence; NO_INT where there is none, or one that does not fit."""
        ...

    def forward(self) -> Mask: ...

    def described(self, column: str, chosen: Mask) -> Int32 | None:
        """Codes of the shapes or dtypes (`shape`, `dtype`) of the chosen rows, NO_TEXT for none; None where nobody asks."""
        ...

    def meant(self, column: str, meaning: Callable[[str], str | None], pool: str) -> Int32 | None:
        """Codes in a pool of what the texts of a column (modules, stack) mean; None where no row has any."""
        ...

    def args(self, rows: Sequence[int]) -> list[bytes]:
        """The arguments of single rows as recorded."""
        ...

    def memory(self, rows: Int64) -> tuple[Int64, Int64]:
        """Of single rows kind and index of the device whose memory they are of, NO_INT where that is not told."""
        ...

    def recorded(self) -> Texts | None:
        """The arguments of all rows as recorded."""
        ...


class EventFields:
    """Rows that the Python reader decoded (Fields)."""

    def __init__(self, rows: Sequence[Event], ctx: Context) -> None:
        self._rows, self._ctx = rows, ctx
        self._args = decode_args(rows, ctx)
        self.name = name_codes(ctx, rows)
        self.category = category_codes(ctx, rows)

    def __len__(self) -> int:
        return len(self._rows)

    def keyed(
        self, chosen: Mask, columns: Sequence[str], value: Callable[..., int], kind: Int32 | None = None
    ) -> Int32:
        whole = bool(chosen.all())
        rows: Sequence[Any] = self._rows if whole else list(compress(self._rows, chosen))
        args: Sequence[Any] = self._args if whole else list(compress(self._args, chosen))
        held = {"pid": rows, "tid": rows, "device": args, "stream": args}
        parts = [] if kind is None else [kind[chosen].tolist()]
        parts += [list(map(attrgetter(column), held[column])) for column in columns]
        return keyed(list(zip(*parts, strict=True)), value)

    def on_device(self) -> Mask:
        return np.array([a.device is not None for a in self._args], dtype=bool)

    def numbers(self, column: str) -> Int64:
        if column == "link":
            return numbers([a.external_old if a.external == NO_INT else a.external for a in self._args])
        if column == "bytes":
            return numbers([a.size if a.bytes is None else a.bytes for a in self._args])
        return numbers(list(map(attrgetter(column), self._args)))

    def forward(self) -> Mask:
        return np.fromiter((bool(a.forward_thread) for a in self._args), dtype=bool, count=len(self._args))

    def described(self, column: str, chosen: Mask) -> Int32 | None:
        if not self._ctx.wants(column):
            return None
        codes = np.full(len(chosen), NO_TEXT, dtype=np.int32)
        args = compress(self._args, chosen)
        if column == "shape":
            raws: list[msgspec.Raw] = [a.dims_old if a.dims is NONE else a.dims for a in args]
        else:
            raws = [a.types for a in args]
        codes[chosen] = raw_codes(self._ctx.pool(column), raws, text)
        return codes

    def meant(self, column: str, meaning: Callable[[str], str | None], pool: str) -> Int32 | None:
        texts = [getattr(a, column) for a in self._args]
        if not any(texts):
            return None
        found = {one: None if one is None else meaning(one) for one in set(texts)}
        return text_codes(self._ctx.pool(pool), [found[one] for one in texts])

    def args(self, rows: Sequence[int]) -> list[bytes]:
        return [bytes(self._rows[row].args) for row in rows]

    def memory(self, rows: Int64) -> tuple[Int64, Int64]:
        return of_memory(all_decoded(Memory, self.args(rows.tolist())))

    def recorded(self) -> Texts:
        return argument_texts(self._rows)


class BlockFields:
    """Rows of a block of columns (Fields)."""

    def __init__(self, block: Block, ctx: Context) -> None:
        self._block, self._ctx = block, ctx
        self.name = block.codes("name", ctx.pool("name").__getitem__)
        self.category = block.codes("category", ctx.pool("category").__getitem__)

    def __len__(self) -> int:
        return len(self._block)

    def keyed(
        self, chosen: Mask, columns: Sequence[str], value: Callable[..., int], kind: Int32 | None = None
    ) -> Int32:
        return self._block.keyed(chosen, columns, value, kind)

    def on_device(self) -> Mask:
        found: Mask = self._block.ids["device"] != NO_TEXT
        return found

    def numbers(self, column: str) -> Int64:
        return self._block.numbers["external" if column == "link" else column]

    def forward(self) -> Mask:
        found: Mask = self._block.numbers["forward"] != 0
        return found

    def described(self, column: str, chosen: Mask) -> Int32 | None:
        if not self._ctx.wants(column):
            return None
        return self._of("dims" if column == "shape" else "types", chosen, text, column)

    def meant(self, column: str, meaning: Callable[[str], str | None], pool: str) -> Int32 | None:
        if not any(self._block.texts(column)):
            return None
        return self._of(column, np.ones(len(self), dtype=bool), meaning, pool)

    def args(self, rows: Sequence[int]) -> list[bytes]:
        return self._block.args(rows)

    def memory(self, rows: Int64) -> tuple[Int64, Int64]:
        kinds, places = (self._block.numbers[name][rows] for name in ("memory_kind", "memory_place"))
        if (kinds == ODD).any():
            return of_memory(all_decoded(Memory, self.args(rows.tolist())))
        return kinds, places

    def recorded(self) -> Texts | None:
        return self._block.recorded_args() if self._ctx.wants("args") else None

    def _of(self, column: str, chosen: Mask, meaning: Callable[[Any], str | None], pool: str) -> Int32:
        """Codes of what the texts of chosen rows mean, in the order of their first rows; NO_TEXT for the others."""
        into = self._ctx.pool(pool)

        def code(described: Any) -> int:
            found = meaning(described)
            return NO_TEXT if found is None else into[found]

        return self._block.codes(column, code, chosen)
