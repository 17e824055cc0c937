"""The gradients of the framework that docs/guides/framework.md begins with: as real frameworks have them, also at a kink."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from places import RUNNER

X = np.array([-2, -1e-4, -3e-7, 0, 3e-7, 1e-4, 2], np.float32)


@pytest.mark.parametrize(
    ("function", "gradient"),
    [(lambda x: np.maximum(x, 0), X > 0), (np.tanh, 1 - np.tanh(X) ** 2), (lambda x: x * x, 2 * X)],
    ids=["relu", "tanh", "square"],
)
def test_the_gradients_of_the_example_framework_are_those_of_others(function, gradient, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(RUNNER))
    backend = importlib.import_module("numpy_adapter").NumpyBackend(1)
    (found,) = backend.gradient(function, [X], None)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, gradient, rtol=0, atol=5e-6)
