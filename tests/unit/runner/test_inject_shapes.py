"""Arrays of a script, told by shape and type, whatever they lie in; and the batch that Keras' fit is given."""

from __future__ import annotations

from collections import UserDict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


class Nested:
    """As a nested tensor of PyTorch: asking for its shape is an error of another kind than having none."""

    @property
    def shape(self) -> None:
        raise RuntimeError("no sizes")


def test_arrays_are_found_in_lists_and_mappings_in_order_and_what_tells_no_shape_is_none(inject) -> None:
    shapes = inject("shapes")
    a, b = np.ones((2, 3), "float32"), np.ones(4, "int64")
    given = ([a, Nested()], UserDict(ids=b, none=None), "text")
    assert [shapes.of(one) for one in shapes.arrays(given)] == ["float32[2, 3]", "int64[4]"]
    looped: list[Any] = [a]
    looped.append(looped)
    assert len(shapes.arrays(looped)) == 4


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        (["int64[16, 37]", "int64[16, 40]"], ["int64[16, *]"]),
        (["float32[8, 3]", "float32[8, 3]"], ["float32[8, 3]"]),
        (["float32[8, 3]", "float32[8]"], ["float32[8, 3]", "float32[8]"]),
        (["int64[8]", "float32[8]"], ["float32[8]", "int64[8]"]),
        ([], []),
    ],
)
def test_a_size_that_varies_from_call_to_call_is_a_star(inject, calls: list[str], told: list[str]) -> None:
    assert inject("shapes").together(calls) == told


def _dataset(sizes: tuple[int | None, ...], batched: int | None = None) -> SimpleNamespace:
    """As a tf.data.Dataset that was batched and then prefetched looks from outside."""
    one = SimpleNamespace(shape=sizes, dtype=SimpleNamespace(name="float32"))
    inner = SimpleNamespace(_batch_size=batched) if batched is not None else SimpleNamespace()
    return SimpleNamespace(element_spec=(one, one), _input_dataset=inner)


@pytest.mark.parametrize(
    ("x", "size", "told"),
    [
        (np.ones((4000, 20), "float32"), 64, ["float32[64, 20]"]),
        (np.ones((4000, 20), "float32"), None, ["float32[32, 20]"]),
        ({"image": np.ones((10, 2, 2), "uint8")}, 64, ["uint8[10, 2, 2]"]),
        (_dataset((None, 784), 64), None, ["float32[64, 784]"]),
        (_dataset((128, 784)), None, ["float32[128, 784]"]),
        (_dataset((None, 784)), None, ["float32[*, 784]"]),
        (SimpleNamespace(batch_size=16), None, ["batches of 16"]),
        (iter(()), None, []),
    ],
)
def test_the_batch_that_fit_is_given_is_told_where_it_can_be_without_taking_one(
    inject, x: object, size: int | None, told: list[str]
) -> None:
    assert inject("of_keras").batch(x, size) == told
