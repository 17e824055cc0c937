"""What tests that pool iterations, as other tools use them, make of trials in which nothing differs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as tests

Trials = Sequence[np.ndarray]


@dataclass(frozen=True)
class Pooled:
    """False-positive rates of one design; method → (rate over all runs of successive trials, hits
    among the disjoint ones, number of those)."""

    design: str
    processes: int
    rates: dict[str, tuple[float, int, int]]


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], bool]] = {
    "Student, pooled (pyperf)": lambda a, b: tests.ttest_ind(a, b, equal_var=True).pvalue < 0.05,
    "Mann-Whitney .05 (benchstat)": lambda a, b: tests.mannwhitneyu(a, b).pvalue < 0.05,
    "Mann-Whitney .002 (asv)": lambda a, b: tests.mannwhitneyu(a, b).pvalue < 0.002,
    "Welch (scipy)": lambda a, b: tests.ttest_ind(a, b, equal_var=False).pvalue < 0.05,
}


def rates_of(a: Trials, b: Trials) -> tuple[Pooled, ...]:
    """What tests that pool iterations make of the same data: 1 or 6 processes a side, taking turns or one after another.

    a, b: of each trial in the order run, the kept iterations of its process of that side, ns.
    """
    found = []
    for design, processes, gap in (
        ("taking turns", 1, 0),
        ("A, then B", 1, 1),
        ("taking turns", 6, 0),
        ("all A, then all B", 6, 6),
    ):
        span = processes + gap
        if len(a) < span:
            continue
        rates = {}
        for name, differs in METHODS.items():
            called = [_differs(a, b, s, processes, gap, differs) for s in range(len(a) - span + 1)]
            disjoint = called[::span]
            rates[name] = (float(np.mean(called)), int(sum(disjoint)), len(disjoint))
        found.append(Pooled(design, processes, rates))
    return tuple(found)


def _differs(
    a: Trials, b: Trials, start: int, processes: int, gap: int, test: Callable[[np.ndarray, np.ndarray], bool]
) -> bool:
    """Consecutive A processes from `start` on against as many B processes, which began `gap` trials later."""
    first = np.concatenate(a[start : start + processes])
    second = np.concatenate(b[start + gap : start + gap + processes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # equal values: p is NaN, which is not below .05
        return bool(test(first, second))
