"""The bound that no honest side exceeds: this machine itself stays below it."""

from __future__ import annotations

import time

import numpy as np

from dlprof.capture.machine import peak


def test_a_matrix_product_stays_below_the_bound() -> None:
    bound = peak.flops_per_second()
    square = np.ones((512, 512), np.float32)
    began = time.perf_counter()
    for _ in range(4):
        square @ square
    assert 4 * 2 * 512**3 / (time.perf_counter() - began) < bound


def test_the_bound_is_no_more_than_a_machine_can_be_meant_to_do() -> None:
    assert 1e9 < peak.flops_per_second() < 1e16
