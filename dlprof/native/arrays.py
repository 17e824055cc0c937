"""Arrays as the compiled part takes them."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import numpy.typing as npt


def plain(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The same numbers as int64, one behind the other."""
    return np.ascontiguousarray(values, dtype=np.int64)


@overload
def address(array: npt.NDArray[Any]) -> int: ...
@overload
def address(array: None) -> None: ...
def address(array: npt.NDArray[Any] | None) -> int | None:
    """The address of an array's first value; None for no array."""
    return None if array is None else int(array.__array_interface__["data"][0])
