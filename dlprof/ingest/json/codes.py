"""Codes of ids and strings for columns of chrome trace events."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from dlprof.ingest.batch import Int32


class Codes(dict[Hashable, int]):
    """Small consecutive numbers for any hashable values, made on first sight; `keys_list[code]` is the value."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_list: list[Any] = []

    def __missing__(self, key: Hashable) -> int:
        code = len(self.keys_list)
        self[key] = code
        self.keys_list.append(key)
        return code

    def encode(self, values: Iterable[Hashable], count: int) -> Int32:
        """int32 codes, shape (count,)."""
        return np.fromiter(map(self.__getitem__, values), dtype=np.int32, count=count)
