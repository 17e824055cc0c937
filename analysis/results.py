"""A study's results as the four renderings use them: items with their verdicts, in the words and numbers of the tables."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import dlprof

ITEM = re.compile(r"(?P<task>\w+)\[(?:call=(?P<call>\w+),)?size=(?P<size>\d+)\]")

TASKS = {
    "create_numpy": "vector from NumPy",
    "create_rowlist": "vector from a list of one row",
    "create_list": "vector from a list of floats",
    "dot": "dot product",
    "matmul": "matrix product",
    "sigmoid": "sigmoid",
    "relu": "ReLU",
    "tanh": "tanh",
    "softrelu": "softReLU",
    "softsign": "softsign",
    "flatten": "flatten",
    "normalize": "L2 normalisation",
}
BANDS = ("small", "middle", "large")


@dataclass(frozen=True)
class Item:
    """One timed item of a comparison. ratio: time of A ÷ time of B with its interval (above 1: B is the faster). measured,
    machine: when and where."""

    cell: str
    experiment: str
    a: str
    b: str
    task: str
    size: int
    ratio: float | None
    low: float | None
    high: float | None
    confidence: float
    trials: int
    verdict: str
    q: float | None
    a_ns: float | None
    b_ns: float | None
    warnings: str
    measured: str = ""
    machine: str = ""

    @property
    def faster(self) -> str | None:
        """a | b, where the verdict shows it; None otherwise."""
        return {"faster": "b", "slower": "a"}.get(self.verdict)

    def row(self) -> dict[str, Any]:
        """As a line of a table."""
        return {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("warnings", "measured", "machine")
        }


@functools.cache
def _loaded(path: Path) -> Any:
    return dlprof.load(path)


def loaded(cell: Any) -> Any:
    """What a cell left, computed once: several tables and charts are made from it."""
    return _loaded(cell.path.resolve())


def items(study: Any, experiment: str | None = None, run: int = 1) -> list[Item]:
    """The items of all comparisons of a study that left a result (of one experiment), as its first or a later run found them."""
    found = []
    for cell in study.cells:
        if cell.record.method == "capture" or not cell.has_result or experiment not in (None, cell.record.experiment):
            continue
        if cell.record.run != run:
            continue
        comparison = loaded(cell)
        for item in comparison.items:
            match = ITEM.fullmatch(item.item)
            found.append(
                Item(
                    cell=cell.id,
                    experiment=cell.record.experiment,
                    a=short(comparison.found.a.label),
                    b=short(comparison.found.b.label),
                    task=match["task"] if match else item.item,
                    size=int(match["size"]) if match else 0,
                    **turned(item),
                    q=item.q,
                    a_ns=item.a_median_ns,
                    b_ns=item.b_median_ns,
                    warnings="; ".join(item.warnings),
                    **when_and_where(cell),
                )
            )
    return found


def _manifest(cell: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((cell.path / "manifest.json").read_text(encoding="utf-8"))
    return read


def _cpu(cell: Any) -> str:
    """The processor that a cell was measured on: a study may have been run on several."""
    return str(_manifest(cell)["machine"].get("cpu") or "unknown CPU")


def when_and_where(cell: Any) -> dict[str, str]:
    """measured: minute; machine: processor."""
    return {"measured": _manifest(cell)["created"][:16].replace("T", " "), "machine": _cpu(cell)}


def turned(item: Any) -> dict[str, Any]:
    """What a comparison found of an item, as time of A ÷ time of B: ratio, low, high, confidence, trials, verdict."""
    ratio = item.ratio
    return {
        "ratio": 1 / ratio.estimate if ratio else None,
        "low": 1 / ratio.high if ratio and ratio.high else None,
        "high": 1 / ratio.low if ratio and ratio.low else None,
        "confidence": ratio.confidence if ratio else 0.0,
        "trials": ratio.trials if ratio else 0,
        "verdict": item.verdict,
    }


def short(label: str) -> str:
    """`TensorFlow 2.1.0` of `TensorFlow 2.1.0 (eager)`, where the mode goes without saying for single calls."""
    return label.replace(" (eager)", "").replace(" (imperative)", "")


def tasks_of(found: Iterable[Item]) -> list[str]:
    """Tasks in the study's order, others behind."""
    there = {item.task for item in found}
    return [task for task in TASKS if task in there] + sorted(there - set(TASKS))


def band(item: Item, sizes: Sequence[int]) -> str:
    """The third of the measured range of sizes that the item lies in; of two sizes the ends."""
    low, high = min(sizes), max(sizes)
    share = 0.0 if high == low else (item.size - low) / (high - low)
    return BANDS[0] if share < 1 / 3 else BANDS[1] if share < 2 / 3 else BANDS[2]


def factor(value: float) -> str:
    """A factor with two significant digits, three from 10 on: 1.3, 24, 325."""
    return f"{value:.3g}" if value >= 10 else f"{value:.2g}" if value >= 1.095 or value < 0.95 else f"{value:.3g}"


def verdict_words(item: Item) -> str:
    """`MXNet 5.2× faster [4.9, 5.6]`: who, by what factor, the interval, q; or what else was found."""
    if item.verdict == "not_comparable":
        return "not comparable"
    if item.ratio is None:
        return "no usable time"
    q = q_words(item)
    if item.faster is None:
        interval = f" [{factor(item.low)}, {factor(item.high)}]" if item.low and item.high else ""
        return f"{item.verdict}: A ÷ B = {factor(item.ratio)}{interval}{q}"
    value, low, high = item.ratio, item.low or 0.0, item.high or 0.0
    if item.faster == "a":
        value, low, high = 1 / value, 1 / high, 1 / low
    return f"**{framework(item, item.faster)}** {factor(value)}× [{factor(low)}, {factor(high)}]{q}"


def trials(found: Sequence[Item]) -> str:
    """`6 trials`."""
    most = max(item.trials for item in found)
    return f"{most} trial{'' if most == 1 else 's'}"


def framework(item: Item, side: str) -> str:
    """The side's name in a table that has its version above."""
    label = item.a if side == "a" else item.b
    other = item.b if side == "a" else item.a
    return label.split()[0] if label.split()[0] != other.split()[0] else label


def verdict_table(found: Sequence[Item]) -> list[str]:
    """Markdown: operation × size band, each size on a line of its own; bands in which nothing was measured are left out."""
    rows = {}
    for task in tasks_of(found):
        mine = sorted((item for item in found if item.task == task), key=lambda item: item.size)
        sizes = [item.size for item in mine]
        rows[task] = {
            name: "<br>".join(f"{item.size}: {verdict_words(item)}" for item in mine if band(item, sizes) == name)
            for name in BANDS
        }
    bands = [name for name in BANDS if any(row[name] for row in rows.values())]
    lines = [f"| operation | {' | '.join(bands)} |", "| --- |" + " --- |" * len(bands)]
    return lines + [
        f"| {TASKS.get(task, task)} | {' | '.join(row[name] or '–' for name in bands)} |" for task, row in rows.items()
    ]


def change_table(groups: Mapping[str, Sequence[Item]]) -> list[str]:
    """Markdown: operation and size × pair of releases; what the newer one (B) changed."""
    every = [item for found in groups.values() for item in found]
    lines = [f"| operation | size | {' | '.join(groups)} |", "| --- | --- |" + " --- |" * len(groups)]
    for task in tasks_of(every):
        for size in sorted({item.size for item in every if item.task == task}):
            cells = [
                next((change_words(item) for item in found if (item.task, item.size) == (task, size)), "–")
                for found in groups.values()
            ]
            lines.append(f"| {TASKS.get(task, task)} | {size} | {' | '.join(cells)} |")
    return lines


def change_words(item: Item) -> str:
    """`**1.6× faster** [1.5, 1.7]`, q behind; what was not shown in plain type."""
    if item.ratio is None or not item.low or not item.high:
        return item.verdict.replace("_", " ")
    value, low, high = item.ratio, item.low, item.high
    word = "faster" if item.faster == "b" else "slower" if item.faster == "a" else item.verdict
    if item.faster == "a":
        value, low, high = 1 / value, 1 / high, 1 / low
    told = f"{factor(value)}× {word}" if item.faster else f"{word} {factor(value)}×"
    return f"{f'**{told}**' if item.faster else told} [{factor(low)}, {factor(high)}]{q_words(item)}"


def q_words(item: Item) -> str:
    if item.q is None:
        return ""
    return ", q < .001" if item.q < 0.001 else f", q = {item.q:.3f}".replace("0.", ".")


def count_words(found: Sequence[Item]) -> str:
    """`MXNet is faster at 12 of 37 sizes, TensorFlow at 20; 5 undecided`."""
    if not found:
        return "nothing was measured"
    a, b = (sum(item.faster == side for item in found) for side in "ab")
    rest = len(found) - a - b
    names = [framework(found[0], side) for side in "ba"]
    return f"{names[0]} is faster at {b} of {len(found)} sizes, {names[1]} at {a}, neither at {rest}"


def about(study: Any) -> list[str]:
    """Machines, dates, versions: the foot of every README. The study's own record has the machine of its last run alone."""
    record = study.record
    there = [_manifest(cell) for cell in study.cells if cell.has_result]
    places: dict[str, list[str]] = {}
    for manifest in there or [{"machine": msgspec.to_builtins(record.machine), "created": record.created}]:
        places.setdefault(_place(manifest["machine"]), []).append(manifest["created"][:10])
    dates = {text: sorted(set(found)) for text, found in places.items()}
    said = [f"on {' and '.join(dates[text])}: {text}" for text in dates]
    lines = [f"Measured with dlprof {record.dlprof_version} {'; '.join(said)}."]
    if record.quick:
        lines = [
            "**A `--quick` run: it shows that the pipeline works and says nothing of the frameworks.**",
            "",
            *lines,
        ]
    lines += warnings(study)
    missing = [cell for cell in study.cells if not cell.has_result]
    if missing:
        lines += ["", "Not measured here (the specification has them; `dlprof run` does what is missing):", ""]
        lines += [
            f"- {cell.record.a} against {cell.record.b} ({cell.record.experiment}): {_why(cell)}" for cell in missing
        ]
    return lines


def _place(machine: Mapping[str, Any]) -> str:
    memory = (machine.get("memory_bytes") or 0) / 2**30
    virtual = f", {machine['virtualisation']}" if machine.get("virtualisation") else ""
    return (
        f"{machine.get('cpu') or 'unknown CPU'}, {machine.get('cores_usable') or '?'} cores, {memory:.1f} GiB{virtual}, "
        f"{machine.get('os') or ''}"
    )


def warnings(study: Any) -> list[str]:
    """What the comparisons warn of, folded away: said once for all cells that say it."""
    said: dict[str, list[str]] = {}
    for cell in study.cells:
        if cell.record.method != "capture" and cell.has_result:
            found = loaded(cell)
            disturbed = sum("disturbed" in text for item in found.items for text in item.warnings)
            more = [f"the machine was disturbed during a trial of {disturbed} items"] if disturbed else []
            for text in [*found.found.warnings, *more]:
                said.setdefault(text, []).append(cell.id)
    if not said:
        return []
    lines = ["", "<details><summary>Warnings of the comparisons</summary>", ""]
    lines += [f"- {text} ({', '.join(f'`{name}`' for name in cells)})" for text, cells in said.items()]
    return [*lines, "", "</details>"]


def _why(cell: Any) -> str:
    error = cell.record.error
    return f"{cell.status}: {error.message.splitlines()[0]}" if error else cell.status.replace("_", " ")
