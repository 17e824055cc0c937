"""The analysis behind calibration.py: timings in, error rates of dlprof and of pooled tests out. No measuring here."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats as tests

from dlprof import stats
from dlprof.analysis import lockstep
from dlprof.stats.calibration import exact_rate

COLUMNS = ("trial", "side", "item", "round", "position", "kept", "units", "wall_ns")
HEADLINES = ("train_block", "infer_block", "train_step_sync")
DEFAULT_TRIAL_S = 20.0


@dataclass(frozen=True)
class Item:
    """All trials of one timed item of one cell, in the order run. a, b: kept times (ns a unit of work) of each trial."""

    cell: str
    item: str
    trials: tuple[stats.TrialRatio, ...]
    a: tuple[np.ndarray, ...]
    b: tuple[np.ndarray, ...]
    trial_s: float
    lost: int

    @property
    def ratios(self) -> np.ndarray:
        return np.array([t.log_ratio for t in self.trials])

    @property
    def slowed(self) -> float:
        """Share by which side B was meant to be slowed: the `+10%` of the cell's name."""
        found = re.search(r"\+(\d+)%", self.cell)
        return int(found[1]) / 100 if found else 0.0


@dataclass(frozen=True)
class Power:
    """Of a cell with a real slow-down. effect: achieved, from all trials. seen: n → share of comparisons that find it."""

    effect: float
    effect_low: float
    effect_high: float
    sd: float
    seen: dict[int, stats.Rate]
    covered: stats.Rate
    detectable: dict[int, float]


@dataclass(frozen=True)
class Pooled:
    """False-positive rates of one design; method → (rate over all runs of successive trials, hits
    among the disjoint ones, number of those)."""

    design: str
    processes: int
    rates: dict[str, tuple[float, int, int]]


@dataclass(frozen=True)
class Criterion:
    """One promise and whether it holds; met is None where the data cannot say."""

    text: str
    met: bool | None


@dataclass(frozen=True)
class Report:
    """Everything that is printed."""

    nulls: dict[tuple[str, str], stats.Calibration]
    powers: dict[tuple[str, str], Power]
    families: dict[str, tuple[int, stats.Rate, stats.Rate]]
    pooled: dict[tuple[str, str], tuple[Pooled, ...]]
    lost: dict[tuple[str, str], int]
    criteria: tuple[Criterion, ...]


def load(paths: Iterable[Path]) -> list[Item]:
    """Packed files, collections and comparison directories, as items. Trials without a usable ratio are counted as lost."""
    found = []
    for path in paths:
        for cell, table, walls in _cells(path):
            names = sorted(set(table["item"].to_pylist()), key=lambda n: (n not in HEADLINES, n))
            found += [_item(cell, name, table.filter(pa.compute.equal(table["item"], name)), walls) for name in names]
    return found


def _cells(path: Path) -> Iterable[tuple[str, pa.Table, list[float]]]:
    if path.is_file():
        table = pq.read_table(path)
        walls = json.loads((table.schema.metadata or {}).get(b"wall_s", b"{}"))
        for cell in dict.fromkeys(table["cell"].to_pylist()):
            yield cell, table.filter(pa.compute.equal(table["cell"], cell)), walls.get(cell, [])
    elif (path / "timings.parquet").is_file():
        yield path.name, _timed(path / "timings.parquet"), []
    else:
        for folder in sorted(p for p in path.iterdir() if p.is_dir()):
            files = sorted(folder.glob("trial-*.parquet"))
            if files:
                facts = [json.loads(f.with_suffix(".json").read_text()) for f in files]
                yield facts[0]["cell"], pa.concat_tables(map(_timed, files)), [f["wall_s"] for f in facts]


def _timed(file: Path) -> pa.Table:
    table = pq.read_table(file)
    table = table.filter(pa.compute.equal(table["stage"].cast(pa.string()), "timed")).select(COLUMNS)
    return pa.table({n: table[n].cast(pa.string()) if n in ("side", "item") else table[n] for n in COLUMNS})


def _item(cell: str, name: str, rows: pa.Table, walls: Sequence[float]) -> Item:
    trial, kept = rows["trial"].to_numpy(), rows["kept"].to_numpy(zero_copy_only=False)
    is_b = np.array([side == "b" for side in rows["side"].to_pylist()])
    unit_ns = rows["wall_ns"].to_numpy() / np.maximum(rows["units"].to_numpy(), 1)
    found = lockstep.by_item(rows)[name]
    good = {number: t for number, t in found.items() if math.isfinite(t.log_ratio)}
    a = tuple(unit_ns[(trial == number) & kept & ~is_b] for number in good)
    b = tuple(unit_ns[(trial == number) & kept & is_b] for number in good)
    trial_s = float(np.mean(walls)) if len(walls) else DEFAULT_TRIAL_S
    return Item(cell, name, tuple(good.values()), a, b, trial_s, len(found) - len(good))


def evaluate(items: Sequence[Item], *, comparisons: int = 20_000, seed: int = 0) -> Report:
    """All rates. Items with fewer than 12 usable trials are left out of them and stand in the criteria as undecided."""
    enough = [i for i in items if len(i.trials) >= 2 * stats.MIN_TRIALS]
    nulls = {
        (i.cell, i.item): stats.calibrate(i.ratios, i.trial_s, comparisons=comparisons, seed=seed)
        for i in enough
        if not i.slowed
    }
    powers = {(i.cell, i.item): power(i, comparisons, seed) for i in enough if i.slowed}
    families = _families([i for i in enough if not i.slowed], seed)
    pooled = {(i.cell, i.item): pooled_rates(i) for i in enough if not i.slowed}
    few = [f"{i.cell} {i.item}: {len(i.trials)} trials" for i in items if i not in enough]
    criteria = (
        *criteria_of(nulls, powers, families),
        *(Criterion(f"{text}, need ≥ {2 * stats.MIN_TRIALS}", None) for text in few),
    )
    lost = {(i.cell, i.item): i.lost for i in items if i.lost}
    return Report(nulls, powers, families, pooled, lost, criteria)


def power(item: Item, comparisons: int, seed: int) -> Power:
    """How often a real slow-down is found by 6 and by 14 trials, and how often the interval holds the achieved one."""
    x = item.ratios
    whole = stats.compare(x)
    found = {
        n: stats.resample(x, (n,), 0.05, relabel=False, truth=float(x.mean()), comparisons=comparisons, seed=seed)
        for n in (6, 14)
    }
    assert whole.estimate is not None
    assert whole.low is not None
    assert whole.high is not None
    assert whole.sd is not None
    return Power(
        effect=whole.estimate - 1,
        effect_low=whole.low - 1,
        effect_high=whole.high - 1,
        sd=whole.sd,
        seen={n: r.significant for n, r in found.items()},
        covered=found[6].covered,
        detectable={n: stats.detectable_effect(n, whole.sd) or math.nan for n in (6, 14)},
    )


def _families(items: Sequence[Item], seed: int) -> dict[str, tuple[int, stats.Rate, stats.Rate]]:
    """Per cell with several items: their number, P(any false) with Benjamini-Hochberg, and without."""
    found = {}
    for cell in dict.fromkeys(i.cell for i in items):
        mine = [i.ratios for i in items if i.cell == cell]
        if len(mine) > 1 and len({len(x) for x in mine}) == 1:
            matrix = np.stack(mine, axis=1)
            rates = [stats.any_false_discovery(matrix, 6, corrected=c, pools=50, seed=seed) for c in (True, False)]
            found[cell] = (len(mine), rates[0], rates[1])
    return found


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], bool]] = {
    "Student, pooled (pyperf)": lambda a, b: tests.ttest_ind(a, b, equal_var=True).pvalue < 0.05,
    "Mann-Whitney .05 (benchstat)": lambda a, b: tests.mannwhitneyu(a, b).pvalue < 0.05,
    "Mann-Whitney .002 (asv)": lambda a, b: tests.mannwhitneyu(a, b).pvalue < 0.002,
    "Welch (scipy)": lambda a, b: tests.ttest_ind(a, b, equal_var=False).pvalue < 0.05,
}


def pooled_rates(item: Item) -> tuple[Pooled, ...]:
    """What tests that pool iterations make of the same data: 1 or 6 processes a side, taking turns or one after another."""
    found = []
    for design, processes, gap in (
        ("taking turns", 1, 0),
        ("A, then B", 1, 1),
        ("taking turns", 6, 0),
        ("all A, then all B", 6, 6),
    ):
        span = processes + gap
        if len(item.trials) < span:
            continue
        rates = {}
        for name, differs in METHODS.items():
            called = [_differs(item, s, processes, gap, differs) for s in range(len(item.trials) - span + 1)]
            disjoint = called[::span]
            rates[name] = (float(np.mean(called)), int(sum(disjoint)), len(disjoint))
        found.append(Pooled(design, processes, rates))
    return tuple(found)


def _differs(item: Item, start: int, processes: int, gap: int, test: Callable[[np.ndarray, np.ndarray], bool]) -> bool:
    """Consecutive A processes from `start` on against as many B processes, which began `gap` trials later."""
    a = np.concatenate(item.a[start : start + processes])
    b = np.concatenate(item.b[start + gap : start + gap + processes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # equal values: p is NaN, which is not below .05
        return bool(test(a, b))


def criteria_of(
    nulls: dict[tuple[str, str], stats.Calibration],
    powers: dict[tuple[str, str], Power],
    families: dict[str, tuple[int, stats.Rate, stats.Rate]],
) -> tuple[Criterion, ...]:
    """The promises, one by one."""
    found = []
    for (cell, item), c in nulls.items():
        for design, r in (("6 trials", c.fixed), ("adaptive", c.adaptive)):
            low_enough = round(r.significant.rate, 3) <= 0.05 and r.significant.high <= 0.065
            found.append(Criterion(f"{cell} {item}, {design}: false positives {_rate(r.significant)}", low_enough))
            found.append(Criterion(f"{cell} {item}, {design}: coverage {_rate(r.covered)}", r.covered.rate >= 0.93))
    for cell, (m, corrected, _) in families.items():
        found.append(Criterion(f"{cell}, {m} items: any false with BH {_rate(corrected)}", corrected.rate <= 0.05))
    for (cell, item), p in powers.items():
        n = 6 if "+10%" in cell else 14
        promised = p.seen[n].rate >= 0.80 if p.sd <= 0.05 else None
        found.append(
            Criterion(f"{cell} {item}: {n} trials find {p.effect:+.1%} in {_rate(p.seen[n])}, SD {p.sd:.3f}", promised)
        )
    real = [c for (cell, item), c in nulls.items() if item == HEADLINES[0] and c.real_fixed is not None]
    if real:
        hits = sum(round(c.real_fixed.rate * c.real_fixed.comparisons) for c in real if c.real_fixed)
        total = sum(c.real_fixed.comparisons for c in real if c.real_fixed)
        rate = exact_rate(hits, total, sum(c.trials for c in real))
        found.append(Criterion(f"all cells as they ran, 6 trials: {hits} of {total}, {_rate(rate)}", rate.low <= 0.05))
    return tuple(found)


def _rate(r: stats.Rate | None) -> str:
    return "–" if r is None else f"{r.rate:.1%} [{r.low:.1%}, {r.high:.1%}]"


def text(report: Report) -> str:
    """The table as printed."""
    lines = ["A against A (false positives at α = .05 fixed, .010 a look adaptive; [95 % interval over trials])", ""]
    for (cell, item), c in report.nulls.items():
        seen = ", ".join(f"{m:g} min {e:.1%}" for m, e in c.detectable if e is not None)
        lines += [
            f"{cell}, {item}: {c.trials} trials of {c.trial_seconds:.1f} s, "
            f"SD {c.sd:.4f} [{c.sd_low:.4f}, {c.sd_high:.4f}], mean ratio as run "
            f"{math.exp(c.bias):.4f} [{math.exp(c.bias_low):.4f}, {math.exp(c.bias_high):.4f}]",
            f"    as they ran     6 trials {_real(c.real_fixed)};  adaptive {_real(c.real_adaptive)}",
            f"    6 trials        false {_rate(c.fixed.significant)}  covered {_rate(c.fixed.covered)}",
            f"    adaptive        false {_rate(c.adaptive.significant)}  covered {_rate(c.adaptive.covered)}"
            f"  mean trials {c.adaptive.mean_trials:.1f}",
            f"    found with 80 % power in {seen}",
        ]
        for p in report.pooled[cell, item]:
            rates = ";  ".join(f"{name} {rate:.1%} ({h} of {n})" for name, (rate, h, n) in p.rates.items())
            lines.append(
                f"    pooled, {p.processes} process{'es' if p.processes > 1 else ''} a side, {p.design}: {rates}"
            )
        lines.append("")
    for cell, (m, corrected, naive) in report.families.items():
        lines.append(f"{cell}, {m} items at once: any false {_rate(corrected)} with BH, {_rate(naive)} without")
    lines.append("")
    for (cell, item), p in report.powers.items():
        seen = ", ".join(f"{n} trials {_rate(r)} (80 % at {p.detectable[n]:.1%})" for n, r in p.seen.items())
        lines.append(
            f"{cell}, {item}: slowed by {p.effect:+.1%} [{p.effect_low:+.1%}, {p.effect_high:+.1%}], "
            f"{p.seen[6].trials} trials, SD {p.sd:.4f}: found by {seen}; covered {_rate(p.covered)}"
        )
    lines += ["", *(f"lost, no usable ratio: {c}, {i}: {n} trials" for (c, i), n in report.lost.items())]
    lines += [f"[{'met' if c.met else 'NOT MET' if c.met is False else 'open'}] {c.text}" for c in report.criteria]
    return "\n".join(lines)


def _real(r: stats.Rate | None) -> str:
    return "too few" if r is None else f"{round(r.rate * r.comparisons)} of {r.comparisons} called different {_rate(r)}"


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON values; pairs of cell and item become `cell | item`."""
    parts = {f.name: getattr(report, f.name) for f in dataclasses.fields(report)}
    return {name: _plain(value) for name, value in parts.items()}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {" | ".join(k) if isinstance(k, tuple) else str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
