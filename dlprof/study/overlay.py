"""An optimizer, a loss, layers or data of a study's own, laid over a workload."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dlprof import workload
from dlprof.errors import UsageError
from dlprof.toml_shape import choices_hint
from dlprof.workload import Workload

OPTIMIZERS: Final[Mapping[str, Mapping[str, float]]] = {
    "SGD": {},
    "Adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}
"""Optimizers with the constants of their papers, which both frameworks take where none are given."""


def changed(found: Workload, changes: Mapping[str, Any], name: str) -> Workload:
    """The workload with `changes` (optimizer, loss, layers, input, data). With other layers it is another network, so it is
    called `name` then. Raises `UsageError` where the result makes no sense."""
    if not changes:
        return found
    if found.kind != "network":
        raise UsageError(f"{found.name} is no network: it has no {', '.join(changes)}", hint="leave these keys away")
    description = copy.deepcopy(found.description)
    if "optimizer" in changes:
        description["optimizer"] = _optimizer(changes["optimizer"], description.get("optimizer", {}))
    if "loss" in changes:
        description["loss"] = dict(changes["loss"])
    if "layers" in changes:
        description["model"]["layers"] = [_layer(at, layer) for at, layer in enumerate(changes["layers"], start=1)]
        description["name"] = name
        description["title"] = f"{name}, after {found.title}"
    if "input" in changes:
        description["model"]["input"] = list(changes["input"])
    description["data"] = {**description["data"], **changes.get("data", {})}
    workload.check(description, name)
    return msgspec.structs.replace(found, name=description["name"], title=description["title"], description=description)


def _optimizer(asked: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """The optimizer with its usual constants where none are given, and the workload's own learning rate."""
    op = str(asked.get("op"))
    if op not in OPTIMIZERS:
        raise UsageError(f"no optimizer {op!r}", hint=choices_hint(op, OPTIMIZERS))
    kept = old if old.get("op") == op else {key: old[key] for key in ("learning_rate",) if key in old}
    return {**OPTIMIZERS[op], **kept, **asked}


def _layer(at: int, layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer; one without a name gets its place: conv1, flatten3."""
    return {"name": f"{str(layer.get('op', 'layer')).lower()}{at}", **layer}
