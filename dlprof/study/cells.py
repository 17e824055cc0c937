"""A study's experiments expanded into cells: defaults, experiment and `--quick` laid over each other, axes multiplied."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import UNSET

from dlprof.study import sides
from dlprof.study.layers import MEANINGLESS, Laid, lay
from dlprof.study.spec import Method, Study
from dlprof.units import parse_duration, parse_percent

MOST_CELLS: Final = 10_000
"""Cells of a study, all its experiments together: at a minute a cell a week of work."""

HIGHEST: Final = 2**62
"""What a number of a study may be: none that makes sense comes near it."""

LONGEST_ID: Final = 140
"""Ids name folders, and a folder under way has some more characters; file systems end at 255."""

_COUNTS: Final = {
    "batch_sizes": 1,
    "epochs": 1,
    "seeds": 0,
    "runs": 1,
    "trials": 1,
    "traces": 0,
    "threads": 1,
    "max_steps": 1,
}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a cell is run, as `dlprof compare` and `capture` know it; None for their own default."""

    budget_s: float | None = None
    trials: int | None = None
    precision: float | None = None
    margin: float | None = None
    traces: int | None = None
    fidelity: str | None = None
    allow: list[str] = []
    reasons: bool | None = None
    epoch_capture: bool | None = None
    monitors: list[str] = []
    threads: int | None = None
    max_steps: int | None = None
    timeout_s: float | None = None
    data_folder: str | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a study.

    a, b: sides as `--a` and `--b` take them; b is None for a capture, and both are for the study's own method
        (as-published), which has its two sides
    more: sides beyond A and B, which are compared at once with them
    settings: `--set` values
    changes: tables laid over the workload
    """

    id: str
    experiment: str
    method: Method
    workload: str
    preset: str | None = None
    settings: dict[str, str] = {}
    changes: dict[str, Any] = {}
    a: str | None
    b: str | None
    more: list[str] = []
    device: str
    seed: int
    run: int
    epochs: int | None = None
    options: Options = Options()


@dataclass(frozen=True, slots=True)
class Planned:
    """A cell and where each of its keys was said, for errors."""

    cell: Cell
    laid: Laid


def expand(study: Study, *, quick: bool = False) -> list[Planned]:
    """All cells, in the order in which they run: run by run, so that a study that is stopped has whole repetitions.

    Raises `UsageError` naming file, line and key.
    """
    found: dict[str, Planned] = {}
    for at in range(len(study.spec.experiments)):
        for planned in _experiment(lay(study, at, quick=quick), before=len(found)):
            cell = planned.cell
            if cell.id in found:
                raise study.wrong(
                    ("experiments", at), f"two cells are the same: {cell.id}", "is a value twice in a list?"
                )
            found[cell.id] = planned
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Axis:
    """The values of one key that cells are multiplied by.

    word: how the key is called in a cell's id; None: not at all
    """

    key: str
    values: Sequence[Any]
    word: str | None


def _experiment(laid: Laid, *, before: int) -> Iterator[Planned]:
    """The cells of an experiment. before: how many those in front of it have."""
    _check(laid)
    axes = [*_axes(laid), *_setting_axes(laid)]
    count = math.prod(len(axis.values) for axis in axes)
    if before + count > MOST_CELLS:
        longest = max(axes, key=lambda axis: len(axis.values)).key
        told = f"the experiment has {count} cells"
        if before:
            told += f", those before it {before}"
        told += f", and a study at most {MOST_CELLS}"
        raise laid.wrong(longest, told, "give fewer values, or split the study")
    for values in itertools.product(*(axis.values for axis in axes)):
        chosen = {axis.key: value for axis, value in zip(axes, values, strict=True)}
        parts = [_part(axis, value) for axis, value in zip(axes, values, strict=True) if axis.word is not None]
        # Runs vary slowest, so they come first in the product; in the name they read better last.
        name = "-".join([laid.name, *parts[2:], parts[1], parts[0]])
        yield Planned(_cell(laid, chosen, _safe(re.sub("-{2,}", "-", name).strip("-"))), laid)


def _axes(laid: Laid) -> list[_Axis]:
    runs = laid.get("runs")
    return [
        _Axis("runs", range(1, (1 if runs is UNSET else runs) + 1), "" if runs is UNSET else "run"),
        _axis(laid, "seeds", "seed", default=0),
        _Axis("workloads", laid.listed("workloads") or _missing(laid, "workloads"), ""),
        _axis(laid, "presets", ""),
        _axis(laid, "batch_sizes", "batch"),
        _axis(laid, "epochs", "epochs"),
        _axis(laid, "task", ""),
        _axis(laid, "learning_rate", "lr"),
        _Axis("sides", sides.of(laid), ""),
        _axis(laid, "devices", "", default="cpu"),
    ]


def _axis(laid: Laid, key: str, word: str, default: Any = None) -> _Axis:
    given = laid.get(key)
    if given is UNSET:
        return _Axis(key, [default], None if key != "seeds" else "")
    if given == []:
        raise laid.wrong(key, "an empty list makes no cell", "give a value, or leave the key away")
    return _Axis(key, laid.listed(key), word)


def _setting_axes(laid: Laid) -> list[_Axis]:
    settings = laid.get("settings")
    found = []
    for key, value in ({} if settings is UNSET else settings).items():
        values = value if isinstance(value, list) else [value]
        if not values:
            raise laid.wrong(f"settings.{key}", "an empty list makes no cell", "give a value, or leave the key away")
        found.append(_Axis(f"settings.{key}", [_text(one) for one in values], key if len(values) > 1 else None))
    return found


def _missing(laid: Laid, key: str) -> Any:
    raise laid.wrong(key, "is missing", "give it in the experiment or in [defaults]")


def _check(laid: Laid) -> None:
    """What makes no sense whatever the workload: numbers out of bounds, keys that the method does not know."""
    for key, low in _COUNTS.items():
        for value in laid.listed(key):
            if value < low:
                raise laid.wrong(key, f"must be at least {low}, not {value}")
            if value > HIGHEST:
                raise laid.wrong(key, f"must be at most {HIGHEST}")
    for key in MEANINGLESS[laid.method]:
        if laid.own(key):
            raise laid.wrong(
                key, f"has no meaning for method {laid.method}", "leave it away, or put it into [defaults]"
            )
    if laid.get("trials") is not UNSET and any(laid.get(key) is not UNSET for key in ("budget", "precision")):
        raise laid.wrong("trials", "fixes the number; budget and precision let it adapt", "use one of them")


def _cell(laid: Laid, chosen: Mapping[str, Any], name: str) -> Cell:
    settings = {key.removeprefix("settings."): value for key, value in chosen.items() if key.startswith("settings.")}
    sizes = laid.get("sizes")
    more = {
        "sizes": None if sizes is UNSET else ",".join(map(str, sizes)) if isinstance(sizes, list) else str(sizes),
        "batch_size": chosen["batch_sizes"],
        "task": chosen["task"],
        "learning_rate": None if laid.has("optimizer") else chosen["learning_rate"],
    }
    settings |= {key: _text(value) for key, value in more.items() if value is not None}
    a, b, *more = chosen["sides"]
    return Cell(
        id=name,
        experiment=laid.name,
        method=laid.method,
        workload=chosen["workloads"],
        preset=chosen["presets"],
        settings=settings,
        changes=_changes(laid, chosen["learning_rate"]),
        a=a,
        b=b,
        more=more,
        device=chosen["devices"],
        seed=chosen["seeds"],
        run=chosen["runs"],
        epochs=chosen["epochs"],
        options=_options(laid),
    )


def _changes(laid: Laid, learning_rate: float | None) -> dict[str, Any]:
    """Tables laid over the workload (study.overlay)."""
    changes = {key: laid.get(key) for key in ("optimizer", "loss", "layers", "input", "data") if laid.has(key)}
    for key in ("optimizer", "loss"):
        if isinstance(changes.get(key), str):
            changes[key] = {"op": changes[key]}
    if "optimizer" in changes and learning_rate is not None:
        changes["optimizer"] = {**changes["optimizer"], "learning_rate": learning_rate}
    return changes


def _options(laid: Laid) -> Options:
    def given(key: str) -> Any:
        return None if laid.get(key) is UNSET or key in MEANINGLESS[laid.method] else laid.get(key)

    return Options(
        budget_s=laid.quantity("budget", parse_duration) if given("budget") else None,
        trials=given("trials"),
        precision=laid.quantity("precision", parse_percent) if given("precision") else None,
        margin=laid.quantity("margin", parse_percent) if given("margin") else None,
        traces=given("traces"),
        fidelity=given("fidelity"),
        allow=list(given("allow") or ()),
        reasons=given("reasons"),
        epoch_capture=given("epoch_capture"),
        monitors=list(given("monitors") or ()),
        threads=given("threads"),
        max_steps=given("max_steps"),
        timeout_s=laid.quantity("timeout", parse_duration) if given("timeout") else None,
        data_folder=given("data_folder"),
    )


def _text(value: Any) -> str:
    """A value as `--set` takes it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _part(axis: _Axis, value: Any) -> str:
    if axis.key == "sides":
        return sides.slug(*value)
    if axis.key in ("runs", "seeds") and axis.word == "":
        return ""
    if axis.key == "runs" and value == 1:
        return ""  # a study may grow: what ran once is the first of several runs
    text = value.rpartition("/")[2].removesuffix(".toml") if axis.key == "workloads" else str(value)
    word = f"{axis.word}-" if axis.key.startswith("settings.") else str(axis.word)
    return f"{word}{text}"


def _safe(name: str) -> str:
    name = re.sub(r"[^\w.+-]+", "-", name)
    if len(name) <= LONGEST_ID:
        return name
    return f"{name[: LONGEST_ID - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
