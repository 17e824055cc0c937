"""Calls that follow from a task's operator: a table of signatures and calls in each framework's folder, `calls.toml`.

A signature is an operator with its operands, and the attributes of the task that the call takes up:

    "Relu(x)" = "tf.nn.relu({x})"
    "MatMul(a[*], b[*])" = "tf.tensordot({a}, {b}, axes=1)"
    "MaxPool(x; kernel, stride)" = "F.Pooling({x}, kernel=({kernel}, {kernel}), stride=({stride}, {stride}), pool_type='max')"

It fits a task of that operator with as many operands and exactly these attributes. `x:numpy` wants an operand that is handed
over so (`as`; without it a tensor), `w[3, 3, *, *]` one of such a shape (`*`: any dimension), `padding=same` an attribute of that
value. In the call `{x}` becomes the operand's name, `{w.3}` its dimension 3, `{kernel}` the attribute's value.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from dlprof.errors import UsageError
from dlprof.plugin import Calls, CallTable, Framework
from dlprof.workload import Workload

_SIGNATURE: Final = re.compile(r"\s*(?P<op>\w+)\s*\((?P<operands>[^;)]*)(?:;(?P<attributes>[^)]*))?\)\s*")
_OPERAND: Final = re.compile(r"\s*(?P<name>\w+)(?::(?P<form>\w+))?\s*(?:\[(?P<shape>[^\]]*)\])?\s*(?:,|$)")
_ATTRIBUTE: Final = re.compile(r"\s*(?P<name>\w+)\s*(?:=\s*(?P<value>[^,\s]+))?\s*(?:,|$)")
_PLACE: Final = re.compile(r"\{(?P<name>\w+)(?:\.(?P<dimension>\d+))?\}")
_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class _Operand:
    """One operand of a signature. form: as in workload_shape.Operand. shape: its dimensions as texts, `*` any; None = any."""

    name: str
    form: str
    shape: tuple[str, ...] | None

    def fits(self, operand: Mapping[str, Any]) -> bool:
        """Whether an operand of a task is of this form and shape."""
        found = [str(part) for part in operand["shape"]]
        return self.form == operand.get("as", "tensor") and (
            self.shape is None
            or (
                len(self.shape) == len(found)
                and all(want in (_ANY, have) for want, have in zip(self.shape, found, strict=True))
            )
        )


@dataclass(frozen=True, slots=True)
class _Signature:
    """What a task must be. attributes: name → the value as a text; None = any."""

    op: str
    operands: tuple[_Operand, ...]
    attributes: Mapping[str, str | None]

    def places(self, task: Mapping[str, Any]) -> dict[tuple[str, str | None], str] | None:
        """(name, dimension) of each place that a call may have → what stands there for this task; None where it does not fit."""
        operands, attributes = task["operands"], task.get("attributes", {})
        if task.get("op") != self.op or len(operands) != len(self.operands) or set(attributes) != set(self.attributes):
            return None
        texts = {name: _text(value) for name, value in attributes.items()}
        if any(want not in (None, texts[name]) for name, want in self.attributes.items()):
            return None
        if not all(want.fits(have) for want, have in zip(self.operands, operands, strict=True)):
            return None
        found: dict[tuple[str, str | None], str] = {(name, None): text for name, text in texts.items()}
        for want, have in zip(self.operands, operands, strict=True):
            found[want.name, None] = have["name"]
            found.update({(want.name, str(at)): str(part) for at, part in enumerate(have["shape"])})
        return found


@cache
def read(file: Path) -> CallTable:
    """The table of a file."""
    return tomllib.loads(file.read_text(encoding="utf-8"))


def derived(task: Mapping[str, Any], table: CallTable) -> str | dict[str, str] | None:
    """The call of the first signature that fits a task, as a workload file would say it; None where none fits.

    Raises `UsageError` for a signature that is none, and for a call with a place that its signature does not name.
    """
    for signature, call in table.items():
        places = _parsed(signature).places(task)
        if places is None:
            continue
        if isinstance(call, str):
            return _filled(call, places, signature)
        return {key: _filled(text, places, signature) for key, text in call.items()}
    return None


def with_calls(workload: Workload, frameworks: Mapping[str, Framework]) -> Workload:
    """An op workload with the idiomatic calls of these frameworks (name → framework) that its tasks do not give themselves."""
    if workload.kind != "op":
        return workload
    tables = {name: one.calls for name, one in frameworks.items() if isinstance(one, Calls)}
    tasks = [_with_calls(task, tables) for task in workload.description.get("tasks", [])]
    return msgspec.structs.replace(workload, description={**workload.description, "tasks": tasks})


def _with_calls(task: Mapping[str, Any], tables: Mapping[str, CallTable]) -> Mapping[str, Any]:
    calls = task.get("calls", {})
    given = calls.get("idiomatic", {})
    found = {name: derived(task, table) for name, table in tables.items() if name not in given}
    idiomatic = {**given, **{name: call for name, call in found.items() if call is not None}}
    return {**task, "calls": {"idiomatic": idiomatic, **{key: one for key, one in calls.items() if key != "idiomatic"}}}


def own_calls(workload: Workload, framework: str) -> Workload:
    """An op workload whose tasks have the calls of this framework alone."""
    if workload.kind != "op":
        return workload
    tasks = [
        {
            **task,
            "calls": {
                variant: {framework: sides[framework]} if framework in sides else {}
                for variant, sides in task.get("calls", {}).items()
            },
        }
        for task in workload.description.get("tasks", [])
    ]
    return msgspec.structs.replace(workload, description={**workload.description, "tasks": tasks})


@cache
def _parsed(text: str) -> _Signature:
    match = _SIGNATURE.fullmatch(text)
    if match is None:
        raise _wrong(text, "expected Operator(operand, …; attribute, …)")
    operands = tuple(
        _Operand(
            one["name"],
            one["form"] or "tensor",
            None if one["shape"] is None else tuple(part.strip() for part in one["shape"].split(",")),
        )
        for one in _each(_OPERAND, match["operands"], text)
    )
    attributes = {one["name"]: one["value"] for one in _each(_ATTRIBUTE, match["attributes"] or "", text)}
    return _Signature(match["op"], operands, attributes)


def _each(pattern: re.Pattern[str], part: str, signature: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(part.rstrip()):
        match = pattern.match(part, at)
        if match is None:
            raise _wrong(signature, f"cannot be read at {part[at:].strip()!r}")
        yield match
        at = match.end()


def _filled(call: str, places: Mapping[tuple[str, str | None], str], signature: str) -> str:
    def one(place: re.Match[str]) -> str:
        found = places.get((place["name"], place["dimension"]))
        if found is None:
            raise _wrong(signature, f"its call names {place[0]}, which it has not")
        return found

    return _PLACE.sub(one, call)


def _text(value: object) -> str:
    """An attribute as a call writes it: 1e-8, not 1e-08."""
    return re.sub(r"e([+-])0+", r"e\1", repr(value)) if isinstance(value, float) else str(value)


def _wrong(signature: str, why: str) -> UsageError:
    return UsageError(
        f"table of calls: {signature}: {why}", hint="dlprof/frameworks/call_table.py says what may stand there"
    )
