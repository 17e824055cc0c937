"""Where the noise comes from: variance between processes, between rounds of one, between iterations of one burst."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlprof.stats.location import finite


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """Estimated variance that each level adds, in the square of the values' unit (log times: relative variance).

    process, round, iteration: components, never below 0 (a negative estimate is reported as 0 with a warning).
    processes, rounds, values: how many of each lie behind them.
    """

    process: float
    round: float
    iteration: float
    processes: int
    rounds: int
    values: int
    warnings: tuple[str, ...]

    @property
    def sds(self) -> tuple[float, float, float]:
        """Standard deviations (process, round, iteration)."""
        return math.sqrt(self.process), math.sqrt(self.round), math.sqrt(self.iteration)


def variance_components(values: ArrayLike, process: ArrayLike, round_index: ArrayLike) -> VarianceComponents:
    """Components of the nested model value = mean + process + round within process + iteration.

    values: (n,) usually log times; process, round_index: (n,) labels (rounds are numbered within their process). Groups
    may differ in size. Henderson's method I (analysis of variance with the expected mean squares of Searle, Casella &
    McCulloch 1992, ch. 5), which needs no normality and in the balanced case gives the estimates of Kalibera & Jones
    2013. Raises `ValueError` for fewer than two processes, or where no process has two rounds or no round two values.
    """
    x, groups = finite(values), np.asarray(process)
    if not np.isfinite(x).all():
        raise ValueError("values must be finite")
    a_of, processes = _codes(groups)
    pairs = np.stack((a_of, _codes(np.asarray(round_index))[0]), axis=1)
    b_of, rounds = _codes_of_rows(pairs)
    n_b, n_a = np.bincount(b_of), np.bincount(a_of)
    parent = np.zeros(rounds, dtype=np.intp)
    parent[b_of] = a_of
    df = processes - 1, rounds - processes, x.size - rounds
    if min(df) < 1:
        raise ValueError(f"need ≥ 2 processes and repeated rounds and iterations; have {processes}, {rounds}, {x.size}")
    mean_b, mean_a = np.bincount(b_of, x) / n_b, np.bincount(a_of, x) / n_a
    ms_e = float(((x - mean_b[b_of]) ** 2).sum()) / df[2]
    ms_b = float((n_b * (mean_b - mean_a[parent]) ** 2).sum()) / df[1]
    ms_a = float((n_a * (mean_a - x.mean()) ** 2).sum()) / df[0]
    within = float((np.bincount(parent, n_b.astype(float) ** 2) / n_a).sum())
    k1 = (x.size - within) / df[1]
    k2 = (within - float((n_b.astype(float) ** 2).sum()) / x.size) / df[0]
    k3 = (x.size - float((n_a.astype(float) ** 2).sum()) / x.size) / df[0]
    by_round = (ms_b - ms_e) / k1
    by_process = (ms_a - ms_e - k2 * max(by_round, 0.0)) / k3
    warnings = tuple(
        f"the {name} component came out negative ({value:.3g}) and is taken as 0"
        for name, value in (("round", by_round), ("process", by_process))
        if value < 0
    )
    return VarianceComponents(max(by_process, 0.0), max(by_round, 0.0), ms_e, processes, rounds, int(x.size), warnings)


def _codes(labels: NDArray[np.generic]) -> tuple[NDArray[np.intp], int]:
    names, codes = np.unique(labels, return_inverse=True)
    return codes.reshape(-1), names.size


def _codes_of_rows(rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    names, codes = np.unique(rows, axis=0, return_inverse=True)
    return codes.reshape(-1), len(names)


@dataclass(frozen=True, slots=True)
class Repetitions:
    """Rounds per process and iterations per round that give the narrowest interval for a given total time."""

    rounds: int
    iterations: int


def best_repetitions(
    components: VarianceComponents, *, process_cost: float, round_cost: float, iteration_cost: float
) -> Repetitions:
    """How often to repeat at the inner levels (Kalibera & Jones 2013, §9.1); costs in any one unit of time.

    √(cost of the outer level ÷ cost of the inner × variance of the inner ÷ variance of the outer), rounded up. More
    processes then buy precision; more repetitions inside do not. Raises `ValueError` for a cost that is not positive.
    """
    if min(process_cost, round_cost, iteration_cost) <= 0:
        raise ValueError("costs must be positive")
    return Repetitions(
        rounds=_best(process_cost / round_cost, components.round, components.process),
        iterations=_best(round_cost / iteration_cost, components.iteration, components.round),
    )


def _best(cost: float, inner: float, outer: float, most: int = 1000) -> int:
    if outer <= 0:  # the outer level adds nothing: repeat inside, within reason
        return most
    return min(max(math.ceil(math.sqrt(cost * inner / outer)), 1), most)
