"""Options and trials of comparisons that never start a process."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.api.options import CompareOptions, RunOptions
from dlprof.capture.workers.trial import Trial

SECONDS = 20.0


def run_options(**changed) -> RunOptions:
    given = {
        "workload": "lenet", "preset": None, "settings": {}, "epochs": None, "device": "cpu", "mode": None, "seed": 0,
        "python": None, "data": None, "threads": None, "max_steps": None, "timeout_s": 60.0,
    }  # fmt: skip
    return RunOptions(**(given | changed))


def compare_options(run: RunOptions, **changed) -> CompareOptions:
    given = {"a": "tf", "b": "mxnet", "budget_s": 600.0, "trials": None, "precision": None, "margin": 0.05, "traces": 0,
             "gate": None, "output": None}  # fmt: skip
    return CompareOptions(run=run, **(given | changed))


def trial(number: int, log_ratio: float, noise: float = 0.0) -> Trial:
    """A trial of ten rounds in which B takes exp(log_ratio) times as long as A, by turns exp(noise) times more and less."""
    b_ns = [int(1e6 * np.exp(log_ratio + noise * (-1) ** r)) for r in range(10)]
    rows = [
        (number, side, "train_block", "timed", r, at, i, i > 0, 5, (1_000_000, b_ns[r])[at], 0, r)
        for r in range(10)
        for at, side in enumerate("ab")
        for i in range(3)
    ]
    columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), schema.TIMINGS, strict=True)]
    table = pa.Table.from_arrays(columns, schema=schema.TIMINGS)
    return Trial(number, table, 10, {"a": 0.0, "b": 0.0}, None, {}, (), SECONDS, (), (10,))
