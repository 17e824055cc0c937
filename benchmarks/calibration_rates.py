"""The analysis behind calibration.py: timings in, error rates of dlprof and of pooled tests out. No measuring here."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import calibration_others as others
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.stats.design.calibration import exact_rate

COLUMNS = ("trial", "side", "item", "round", "position", "kept", "units", "wall_ns")
HEADLINES = ("train_block", "infer_block", "train_step_sync")
DEFAULT_TRIAL_S = 20.0
QUIET = 0.10  # share of all cores that other processes use, up to which a trial counts as quiet (dlprof's own limit)
STRATA = ("all", "quiet", "loaded")
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Item:
    """All trials of one timed item of one cell, in the order run, or those of a stratum. a, b: kept times (ns a unit of
    work) of each trial. busy, steal, load: shares of all cores and the load average at each trial, NaN where unknown."""

    cell: str
    item: str
    stratum: str
    trials: tuple[stats.TrialRatio, ...]
    a: tuple[np.ndarray, ...]
    b: tuple[np.ndarray, ...]
    seconds: np.ndarray
    busy: np.ndarray
    steal: np.ndarray
    load: np.ndarray
    lost: int

    @property
    def key(self) -> Key:
        return self.cell, self.item, self.stratum

    @property
    def trial_s(self) -> float:
        return float(np.median(self.seconds))

    @property
    def disturbed(self) -> bool:
        """Whether the cell itself loads the machine."""
        return "load" in self.cell

    def part(self, stratum: str, keep: np.ndarray) -> Item:
        """The trials of a stratum."""
        at = np.flatnonzero(keep)
        return dataclasses.replace(
            self,
            stratum=stratum,
            lost=0,
            **{n: tuple(getattr(self, n)[i] for i in at) for n in ("trials", "a", "b")},
            **{n: getattr(self, n)[at] for n in ("seconds", "busy", "steal", "load")},
        )

    @property
    def ratios(self) -> np.ndarray:
        return np.array([t.log_ratio for t in self.trials])

    @property
    def slowed(self) -> float:
        """Share by which side B was meant to be slowed: the `+10%` of the cell's name."""
        found = re.search(r"\+(\d+)%", self.cell)
        return int(found[1]) / 100 if found else 0.0


@dataclass(frozen=True)
class Null:
    """Of a side against itself. scaled: n → share of comparisons that find +10 % (6 trials) or +5 % (14), when that is
    added to trials of this cell. busy, steal, load: medians over the trials."""

    found: stats.Calibration
    scaled: dict[int, stats.Rate]
    busy: float
    steal: float
    load: float


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
    busy: float


@dataclass(frozen=True)
class Criterion:
    """One promise and whether it holds; met is None where the data cannot say or nothing was promised."""

    text: str
    met: bool | None


@dataclass(frozen=True)
class Report:
    """Everything that is printed. families: of each cell with several items, their number, P(any false) with
    Benjamini-Hochberg, and without. trials: distinct real trials of each cell, by stratum."""

    nulls: dict[Key, Null]
    powers: dict[Key, Power]
    families: dict[tuple[str, str], tuple[int, stats.Rate, stats.Rate]]
    pooled: dict[Key, tuple[others.Pooled, ...]]
    lost: dict[tuple[str, str], int]
    trials: dict[str, dict[str, int]]
    criteria: tuple[Criterion, ...]


def load(paths: Iterable[Path]) -> list[Item]:
    """Packed files, collections and comparison directories, as items. Trials without a usable ratio are counted as lost."""
    found = []
    for path in paths:
        for cell, table, facts in cells(path):
            names = sorted(set(table["item"].to_pylist()), key=lambda n: (n not in HEADLINES, n))
            found += [_item(cell, name, table.filter(pa.compute.equal(table["item"], name)), facts) for name in names]
    return found


def cells(path: Path) -> Iterable[tuple[str, pa.Table, dict[int, dict[str, Any]]]]:
    """(cell, timed rows, trial → its facts) of each cell; facts that were not kept are absent."""
    if path.is_file():
        table = pq.read_table(path)
        facts = json.loads((table.schema.metadata or {}).get(b"trials", b"{}"))
        for cell in dict.fromkeys(table["cell"].to_pylist()):
            known = {int(number): one for number, one in facts.get(cell, {}).items()}
            yield cell, table.filter(pa.compute.equal(table["cell"], cell)), known
    elif (path / "timings.parquet").is_file():
        yield path.name, _timed(path / "timings.parquet"), {}
    else:
        for folder in sorted(p for p in path.iterdir() if p.is_dir()):
            files = sorted(folder.glob("trial-*.parquet"))
            if files:
                facts = {int(f.stem.split("-")[1]): facts_of(f) for f in files}
                yield facts[min(facts)]["cell"], pa.concat_tables(map(_timed, files)), facts


def facts_of(file: Path) -> dict[str, Any]:
    """What the report needs of a trial beside its timings."""
    whole = json.loads(file.with_suffix(".json").read_text())
    machine = whole.get("machine", {})
    found = {"cell": whole["cell"], "wall_s": round(whole["wall_s"], 2), "created": whole.get("created")}
    if machine:
        found |= {"busy": machine["other_cpu"], "steal": machine["steal"], "load": max(machine["load_1m"])}
    return found


def _timed(file: Path) -> pa.Table:
    table = pq.read_table(file)
    table = table.filter(pa.compute.equal(table["stage"].cast(pa.string()), "timed")).select(COLUMNS)
    return pa.table({n: table[n].cast(pa.string()) if n in ("side", "item") else table[n] for n in COLUMNS})


def _item(cell: str, name: str, rows: pa.Table, facts: Mapping[int, Mapping[str, Any]]) -> Item:
    trial, kept = rows["trial"].to_numpy(), rows["kept"].to_numpy(zero_copy_only=False)
    is_b = np.array([side == "b" for side in rows["side"].to_pylist()])
    unit_ns = rows["wall_ns"].to_numpy() / np.maximum(rows["units"].to_numpy(), 1)
    found = lockstep.by_item(rows)[name]
    good = {number: t for number, t in found.items() if math.isfinite(t.log_ratio)}

    def each(fact: str, unknown: float = math.nan) -> np.ndarray:
        return np.array([facts.get(number, {}).get(fact, unknown) for number in good], dtype=np.float64)

    return Item(
        cell=cell,
        item=name,
        stratum="all",
        trials=tuple(good.values()),
        a=tuple(unit_ns[(trial == number) & kept & ~is_b] for number in good),
        b=tuple(unit_ns[(trial == number) & kept & is_b] for number in good),
        seconds=each("wall_s", DEFAULT_TRIAL_S),
        busy=each("busy"),
        steal=each("steal"),
        load=each("load"),
        lost=len(found) - len(good),
    )


def stratified(item: Item) -> tuple[Item, ...]:
    """The item, and its quiet and its loaded trials apart where it has both; a cell that loads the machine itself whole."""
    quiet = item.busy <= QUIET
    if item.disturbed or not np.isfinite(item.busy).all() or quiet.all() or not quiet.any():
        return (item,)
    return item, item.part("quiet", quiet), item.part("loaded", ~quiet)


def evaluate(items: Sequence[Item], *, comparisons: int = 20_000, seed: int = 0) -> Report:
    """All rates. Items with fewer than 12 usable trials are left out of them and stand in the criteria as undecided."""
    parts = [part for item in items for part in stratified(item)]
    enough = [i for i in parts if len(i.trials) >= 2 * stats.MIN_TRIALS]
    nulls = {i.key: null(i, comparisons, seed) for i in enough if not i.slowed}
    powers = {i.key: power(i, comparisons, seed) for i in enough if i.slowed}
    families = _families([i for i in enough if not i.slowed], seed)
    pooled = {i.key: others.rates_of(i.a, i.b) for i in enough if not i.slowed}
    few = [f"{_name(i.key)}: {len(i.trials)} trials" for i in parts if i not in enough]
    trials: dict[str, dict[str, int]] = {}
    for i in parts:
        counted = trials.setdefault(i.cell, {})
        counted[i.stratum] = max(counted.get(i.stratum, 0), len(i.trials))
    criteria = (
        *criteria_of(nulls, powers, families),
        *(Criterion(f"{text}, need ≥ {2 * stats.MIN_TRIALS}", None) for text in few),
    )
    lost = {(i.cell, i.item): i.lost for i in items if i.lost}
    return Report(nulls, powers, families, pooled, lost, trials, criteria)


def null(item: Item, comparisons: int, seed: int) -> Null:
    """Error rates of A against A, and how often a difference would be found that is added to the same trials."""
    x = item.ratios
    scaled = {}
    for n, effect in ((6, 0.10), (14, 0.05)):
        generator = np.random.default_rng(seed)
        both = np.concatenate([x, -x]) + math.log1p(effect)  # either sign is as good, since nothing differs
        scaled[n] = stats.resample(
            generator.permutation(both),
            (n,),
            0.05,
            relabel=False,
            truth=math.log1p(effect),
            comparisons=comparisons,
            seed=seed,
        ).significant
    return Null(
        found=stats.calibrate(x, item.trial_s, comparisons=comparisons, seed=seed),
        scaled=scaled,
        busy=_median(item.busy),
        steal=_median(item.steal),
        load=_median(item.load),
    )


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if np.isfinite(values).all() else math.nan


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
        busy=_median(item.busy),
    )


def _families(items: Sequence[Item], seed: int) -> dict[tuple[str, str], tuple[int, stats.Rate, stats.Rate]]:
    """Per cell and stratum with several items: their number, P(any false) with Benjamini-Hochberg, and without."""
    found = {}
    for key in dict.fromkeys((i.cell, i.stratum) for i in items):
        mine = [i.ratios for i in items if (i.cell, i.stratum) == key]
        if len(mine) > 1 and len({len(x) for x in mine}) == 1:
            matrix = np.stack(mine, axis=1)
            rates = [stats.any_false_discovery(matrix, 6, corrected=c, pools=100, seed=seed) for c in (True, False)]
            found[key] = (len(mine), rates[0], rates[1])
    return found


def criteria_of(
    nulls: Mapping[Key, Null],
    powers: Mapping[Key, Power],
    families: Mapping[tuple[str, str], tuple[int, stats.Rate, stats.Rate]],
) -> tuple[Criterion, ...]:
    """The promises, one by one."""
    found = []
    for key, n in nulls.items():
        disturbed = "load" in key[0]
        for design, r in (("6 trials", n.found.fixed), ("adaptive", n.found.adaptive)):
            wrong = r.significant
            kept = wrong.rate <= 0.065 if disturbed else round(wrong.rate, 3) <= 0.05 and wrong.high <= 0.065
            found.append(Criterion(f"{_name(key)}, {design}: false positives {rate_text(wrong)}", kept))
            found.append(Criterion(f"{_name(key)}, {design}: coverage {rate_text(r.covered)}", r.covered.rate >= 0.93))
        found += [
            Criterion(
                f"{_name(key)}: {t} trials find an added {e} in {rate_text(n.scaled[t])}", n.scaled[t].rate >= 0.80
            )
            for t, e in ((6, "+10 %"), (14, "+5 %"))
            if n.found.sd <= 0.05
        ]
    for (cell, stratum), (m, corrected, _) in families.items():
        text = f"{_name((cell, f'{m} items', stratum))}: any false with BH {rate_text(corrected)}"
        found.append(Criterion(text, corrected.rate <= 0.05))
    for key, p in powers.items():
        t = 6 if "+10%" in key[0] else 14
        promised = p.seen[t].rate >= 0.80 if p.sd <= 0.05 else None
        text = f"{_name(key)}: {t} trials find {p.effect:+.1%} in {rate_text(p.seen[t])}, SD {p.sd:.3f}"
        found.append(Criterion(text, promised))
    for name, design in (("6 trials", "real_fixed"), ("adaptive", "real_adaptive")):
        rate = as_they_ran(nulls, design)
        if rate is not None:
            hits = round(rate.rate * rate.comparisons)
            text = f"first item of every cell as they ran, {name}: {hits} of {rate.comparisons}, {rate_text(rate)}"
            found.append(Criterion(text, rate.low <= 0.05))
    return tuple(found)


def as_they_ran(nulls: Mapping[Key, Null], design: str) -> stats.Rate | None:
    """Comparisons of consecutive trials, nothing relabelled, over the first item of every cell: trials are used once."""
    first: dict[str, stats.Rate | None] = {}
    for (cell, _, stratum), n in nulls.items():
        if stratum == "all":
            first.setdefault(cell, getattr(n.found, design))
    rates = [r for r in first.values() if r is not None]
    if not rates:
        return None
    hits = sum(round(r.rate * r.comparisons) for r in rates)
    return exact_rate(hits, sum(r.comparisons for r in rates), sum(r.trials for r in rates))


def _name(key: tuple[str, str, str]) -> str:
    cell, item, stratum = key
    return f"{cell}, {item}" if stratum == "all" else f"{cell}, {item}, {stratum} trials"


def rate_text(r: stats.Rate | None) -> str:
    """`3.1% [2.0%, 4.4%]`, or a dash."""
    return "–" if r is None else f"{r.rate:.1%} [{r.low:.1%}, {r.high:.1%}]"


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
