"""A study's plan: every cell checked as far as can be without running it, with its time and its environments guessed."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from dlprof.analysis.same_work.rules import kinds
from dlprof.api import published
from dlprof.api.compare.prepare import TRACE_ESTIMATE_S
from dlprof.api.lockstep import items
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.lockstep.plan import fitted
from dlprof.api.options import DEFAULT_BUDGET_S, CompareOptions, RunOptions
from dlprof.api.record import check_mode
from dlprof.api.sides import SideSpec, parse_device, parse_side
from dlprof.capture.data import inputs
from dlprof.capture.environments.env_store import EnvStore
from dlprof.capture.machine import devices
from dlprof.errors import Unsupported, UsageError
from dlprof.names import DEFAULT_SIDES
from dlprof.plugin import EnvSpec
from dlprof.study import Cell, CellRecord, Planned, Study, expand
from dlprof.study.spec import Choices
from dlprof.toml_shape import choices_hint
from dlprof.workload import Workload

ENVIRONMENT_ESTIMATE_S: Final = 60.0
TIMEOUT_S: Final = 1800.0
"""As `--timeout` of the command line."""

Fidelity = Literal["exact", "native"]


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell of a study, checked before anything runs.

    hindrance: why it cannot run on this machine, '' where it can
    environments: names of those that it needs
    gpu: number of the GPU that it uses, 0 where it uses none
    """

    record: CellRecord
    run: RunOptions
    compare: CompareOptions | None
    environments: tuple[EnvSpec, ...]
    hindrance: str = ""
    gpu: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """All cells of a study.

    environments: name → whether it is there already
    """

    study: Study
    quick: bool
    cells: tuple[PlannedCell, ...]
    environments: Mapping[str, bool]

    @property
    def estimate_s(self) -> float:
        """Seconds for all cells, and for environments that must be made."""
        missing = sum(not there for there in self.environments.values())
        return (
            sum(cell.record.estimate_s for cell in self.cells if not cell.hindrance) + missing * ENVIRONMENT_ESTIMATE_S
        )


def plan(study: Study, *, quick: bool = False, calls: Path | None = None) -> Plan:
    """Expand and check. calls: the Python file with functions that workloads name (RunOptions.calls).

    Raises `UsageError` with file, line and key for what is wrong whatever the machine."""
    if quick and all(one == Choices() for one in (study.spec.quick, *(each.quick for each in study.spec.experiments))):
        raise UsageError(f"{study.path}: --quick would change nothing", hint="say in [quick] what is smaller")
    cells = tuple(_planned(study, one, calls) for one in expand(study, quick=quick))
    there = {environment.name for environment in EnvStore().list()}
    needed = {spec.name: spec.name in there for cell in cells for spec in cell.environments}
    return Plan(study, quick, cells, needed)


def restricted(plan: Plan, only: Sequence[str]) -> Plan:
    """The cells whose id a pattern (`*`, `?`, `[…]`) lets through; all without a pattern. Raises `UsageError` where one
    lets none through."""
    ids = [cell.record.id for cell in plan.cells]
    for pattern in only:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in ids):
            raise UsageError(f"--only {pattern}: no such cell", hint="dlprof run --dry-run lists the cells")
    cells = tuple(
        cell for cell in plan.cells if not only or any(fnmatch.fnmatchcase(cell.record.id, one) for one in only)
    )
    needed = {spec.name for cell in cells for spec in cell.environments}
    return replace(plan, cells=cells, environments={n: made for n, made in plan.environments.items() if n in needed})


def _planned(study: Study, planned: Planned, calls: Path | None) -> PlannedCell:
    cell = planned.cell
    run = _run_options(study, cell, calls)
    compare = _compare_options(cell, run)
    try:
        checked = _checked(planned, run, compare)
    except _Wrong as wrong:
        error = wrong.error
        raise planned.laid.wrong(wrong.key, error.message, error.hint) from None
    fields = {name: getattr(cell, name) for name in Cell.__struct_fields__}
    record = CellRecord(
        **{**fields, **checked.sides},
        path=f"cells/{cell.id}",
        estimate_s=checked.estimate_s,
        work_sha256=_digest(checked.work),
    )
    environments = () if checked.hindrance else checked.environments
    return PlannedCell(record, run, compare, environments, checked.hindrance, checked.gpu)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a cell comes down to.

    work: the resolved workload of each side
    hindrance: what on this machine stands against it, '' for nothing
    estimate_s: seconds, guessed before anything ran
    environments, gpu: as in PlannedCell
    sides: a and b, where the method has its own
    """

    work: Sequence[Workload]
    hindrance: str
    estimate_s: float
    environments: tuple[EnvSpec, ...]
    gpu: int = 0
    sides: Mapping[str, str] = field(default_factory=dict)


class _Wrong(Exception):
    """An error and the key of the study file that causes it."""

    def __init__(self, key: str, error: UsageError | Unsupported) -> None:
        super().__init__(error.message)
        self.key = key
        self.error = error


def _checked(planned: Planned, run: RunOptions, compare: CompareOptions | None) -> _Checked:
    """Raises `_Wrong` for what is wrong in the study's file."""
    _check_options(planned)
    if compare is not None and compare.method == published.METHOD:
        return _checked_as_published(planned, run, compare)
    sides = [_side(planned, text) for text in (planned.cell.a, planned.cell.b, *planned.cell.more) if text]
    work: list[Workload] = []
    hindrances: list[str] = []
    for side in sides:
        name = side.framework.name
        try:
            workload = run.resolve(name, [side.framework.name for side in sides])
            if workload.kind == "network":
                list(inputs.weight_shapes(inputs.model_of(workload.description)))
        except UsageError as error:
            raise _Wrong(_guilty(planned, run, name, error), error) from None
        try:
            check_mode(side, workload)
        except Unsupported as error:
            raise _Wrong(_side_key(planned, "modes"), error) from None
        hindrances += _hindrances(side, workload)
        work.append(workload)
    return _Checked(
        work=work,
        hindrance="; ".join(dict.fromkeys(hindrances)),
        estimate_s=_estimate_s(compare, work),
        environments=tuple(side.env for side in sides),
        gpu=next((side.index for side in sides if side.device == "gpu"), 0),
    )


def _checked_as_published(planned: Planned, run: RunOptions, compare: CompareOptions) -> _Checked:
    try:
        workload, hindrance = published.checked(compare), ""
    except UsageError as error:
        raise _Wrong(_guilty(planned, run, DEFAULT_SIDES[0], error), error) from None
    except Unsupported as error:
        workload, hindrance = run.resolve(DEFAULT_SIDES[0], DEFAULT_SIDES), error.message
    return _Checked([workload], hindrance, published.ESTIMATE_S, (published.ENVIRONMENT,), sides=published.SIDES)


def _check_options(planned: Planned) -> None:
    cell = planned.cell
    for kind in cell.options.allow:
        if kind not in kinds():
            raise _Wrong("allow", UsageError(f"no such kind of difference: {kind}", hint=choices_hint(kind, kinds())))
    try:
        parse_device(cell.device)
    except UsageError as error:
        raise _Wrong("devices", error) from None


def _side(planned: Planned, text: str) -> SideSpec:
    try:
        return parse_side(text, device=planned.cell.device)
    except (UsageError, Unsupported) as error:
        key = "modes" if "mode" in error.message else "versions" if "version" in error.message else "frameworks"
        raise _Wrong(_side_key(planned, key), error) from None


def _side_key(planned: Planned, key: str) -> str:
    """The key that said it: `sides`, or one of frameworks, versions and modes."""
    return next((name for name in ("sides", key, "frameworks") if planned.laid.has(name)), "sides")


def _hindrances(side: SideSpec, workload: Workload) -> Iterator[str]:
    """What only this machine lacks: a GPU, memory. Such a cell fails, and the others run."""
    try:
        items.check(workload, side.framework.name)
        if side.device == "gpu":
            devices.require_gpu(side.index)
    except Unsupported as error:
        yield error.message


def _guilty(planned: Planned, run: RunOptions, framework: str, error: UsageError) -> str:
    """The key that makes the workload impossible: what is resolved with ever more of the keys until it fails so."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("workloads", {"preset": None, "settings": {}, "epochs": None, "changes": {}}),
        ("presets", {"settings": {}, "epochs": None, "changes": {}}),
    ]
    settings: dict[str, str] = {}
    for name, value in run.settings.items():
        settings = {**settings, name: value}
        steps.append((_setting_key(planned, name), {"settings": settings, "epochs": None, "changes": {}}))
    steps.append(("epochs", {"changes": {}}))
    for key, changes in steps:
        try:
            replace(run, **changes).resolve(framework)
        except UsageError as failure:
            if failure.message == error.message:
                return key
    return next(iter(run.changes), "workloads")


def _setting_key(planned: Planned, name: str) -> str:
    """The key of the study file behind a `--set` name."""
    own = {"batch_size": "batch_sizes", "sizes": "sizes", "task": "task", "learning_rate": "learning_rate"}
    return own[name] if name in own and planned.laid.has(own[name]) else f"settings.{name}"


def _run_options(study: Study, cell: Cell, calls: Path | None) -> RunOptions:
    base, options = study.path.parent, cell.options
    return RunOptions(
        workload=str(base / cell.workload) if cell.workload.endswith(".toml") else cell.workload,
        preset=cell.preset,
        settings=dict(cell.settings),
        epochs=cell.epochs,
        device=cell.device,
        mode=None,
        seed=cell.seed,
        python=None,
        data=base / options.data_folder if options.data_folder else None,
        threads=options.threads,
        max_steps=options.max_steps,
        timeout_s=options.timeout_s or TIMEOUT_S,
        changes=cell.changes,
        changed_name=cell.experiment,
        calls=calls,
    )


def _compare_options(cell: Cell, run: RunOptions) -> CompareOptions | None:
    """None for a capture."""
    if cell.method == "capture":
        return None
    options = cell.options
    return CompareOptions(
        run=run,
        a=cell.a or DEFAULT_SIDES[0],
        b=cell.b or DEFAULT_SIDES[1],
        more=tuple(cell.more),
        budget_s=options.budget_s or DEFAULT_BUDGET_S,
        trials=options.trials,
        precision=options.precision,
        margin=options.margin or 0.05,
        traces=options.traces,
        gate=None,
        output=None,
        allow=tuple(options.allow),
        method="lockstep" if cell.method == "compare" else cell.method,
        reasons=options.reasons is not False,
        epoch_capture=bool(options.epoch_capture),
    )


def _estimate_s(compare: CompareOptions | None, work: Sequence[Workload]) -> float:
    """Seconds, guessed before anything ran, as `dlprof compare` guesses."""
    if compare is None:
        return TRACE_ESTIMATE_S
    trials = Pacing(compare, fitted(compare, work[0]), _silent, _silent).estimate_s
    return trials + (len(compare.sides) * TRACE_ESTIMATE_S if compare.epoch_capture else 0.0)


def _silent(_: str) -> None: ...


def _digest(work: Sequence[Workload]) -> str:
    """Of what the children will be given: a workload file that changed makes another cell."""
    return hashlib.sha256(
        msgspec.json.encode([workload.description for workload in work], order="deterministic")
    ).hexdigest()


def plain(plan: Plan) -> dict[str, Any]:
    """A plan as JSON values."""
    return {
        "schema_version": 1,
        "kind": "study-plan",
        "name": plan.study.spec.name,
        "title": plan.study.spec.title,
        "quick": plan.quick,
        "estimate_s": round(plan.estimate_s, 1),
        "environments": [{"name": name, "made": made} for name, made in plan.environments.items()],
        "cells": [{**msgspec.to_builtins(one.record), "hindrance": one.hindrance or None} for one in plan.cells],
    }
