"""The study file: its keys as typed values, read and checked; every error names file, line and key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from dlprof.errors import UsageError
from dlprof.files import read_text
from dlprof.study.positions import Key, line_of
from dlprof.toml_shape import choices_hint, keys_at

Method = Literal["compare", "as-published", "capture"]
Monitor = Literal["cpu", "memory", "disk", "gpu"]
Value = bool | int | float | str

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")
_PART = re.compile(r"\.(?P<name>[\w-]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
_NAMED = "up to 100 letters, digits, `-`, `_` and `.`, the first a letter or digit: it becomes the name of folders"
_HINT = "docs/studies.md lists the keys"


class Choices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a cell is made from (docs/studies.md has each key). A list of a plural key is an axis: each value makes cells."""

    method: Method | UnsetType = UNSET
    workloads: str | list[str] | UnsetType = UNSET
    sides: list[str | list[str]] | UnsetType = UNSET
    frameworks: str | list[str] | UnsetType = UNSET
    versions: dict[str, str | list[str]] | UnsetType = UNSET
    modes: dict[str, str | list[str]] | UnsetType = UNSET
    pairing: Literal["all", "index", "neighbours", "together"] | UnsetType = UNSET
    devices: str | list[str] | UnsetType = UNSET
    presets: str | list[str] | UnsetType = UNSET
    sizes: str | int | list[int] | UnsetType = UNSET
    batch_sizes: int | list[int] | UnsetType = UNSET
    epochs: int | list[int] | UnsetType = UNSET
    seeds: int | list[int] | UnsetType = UNSET
    runs: int | UnsetType = UNSET
    task: str | list[str] | UnsetType = UNSET
    settings: dict[str, Value | list[Value]] | UnsetType = UNSET
    learning_rate: float | list[float] | UnsetType = UNSET
    optimizer: str | dict[str, Any] | UnsetType = UNSET
    loss: str | dict[str, Any] | UnsetType = UNSET
    layers: list[dict[str, Any]] | UnsetType = UNSET
    input: list[int] | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET
    data_folder: str | UnsetType = UNSET
    budget: str | UnsetType = UNSET
    trials: int | UnsetType = UNSET
    precision: str | UnsetType = UNSET
    margin: str | UnsetType = UNSET
    traces: int | UnsetType = UNSET
    fidelity: Literal["exact", "native"] | UnsetType = UNSET
    allow: list[str] | UnsetType = UNSET
    reasons: bool | UnsetType = UNSET
    epoch_capture: bool | UnsetType = UNSET
    monitors: list[Monitor] | UnsetType = UNSET
    threads: int | UnsetType = UNSET
    max_steps: int | UnsetType = UNSET
    timeout: str | UnsetType = UNSET


class Experiment(Choices, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[experiments]] of a study file.

    quick: what `--quick` lays over it
    """

    name: str
    quick: Choices = Choices()


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole study file."""

    name: str
    title: str
    experiments: list[Experiment]
    defaults: Choices = Choices()
    quick: Choices = Choices()


@dataclass(frozen=True, slots=True)
class Study:
    """A study file that was read: its values, its text, and where it lies (workload files are named relative to that)."""

    path: Path
    text: str
    spec: Spec

    @property
    def sha256(self) -> str:
        """Of the file, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def wrong(self, key: Key, message: str, hint: str | None = None) -> UsageError:
        """The error that `key` is wrong: `study.toml:12: experiments.ops.presets: …`."""
        return _wrong(self.path, self.text, key, message, hint)


def read(path: Path) -> Study:
    """Read a study file. Raises `UsageError` that names file, line and key."""
    try:
        text = read_text(path)
    except OSError as failure:
        raise UsageError(f"{path}: {failure.strerror}", hint="give the path of a study's TOML file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file in UTF-8", hint=_HINT) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Study:
    """A study from its text; `path` names it in errors."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as failure:  # no TOML, a number of thousands of digits, nested too deeply
        raise UsageError(f"{path}: {failure}", hint="this is not TOML; docs/studies.md shows a study file") from None
    try:
        study = Study(path, text, msgspec.convert(document, Spec))
    except msgspec.ValidationError as failure:
        raise _invalid(path, text, str(failure)) from None
    if not _NAME.fullmatch(study.spec.name):
        raise study.wrong(("name",), f"not a name: {study.spec.name!r}", _NAMED)
    names: set[str] = set()
    for at, experiment in enumerate(study.spec.experiments):
        if not _NAME.fullmatch(experiment.name):
            raise study.wrong(("experiments", at, "name"), f"not a name: {experiment.name!r}", _NAMED)
        if experiment.name in names:
            raise study.wrong(("experiments", at, "name"), f"two experiments are called {experiment.name!r}")
        names.add(experiment.name)
    if not study.spec.experiments:
        raise study.wrong(("experiments",), "a study needs at least one [[experiments]]", _HINT)
    return study


def _invalid(path: Path, text: str, message: str) -> UsageError:
    """msgspec's message with its `$.a[0].b` as our key and line."""
    match = _AT.search(message)
    key: Key = tuple(
        int(part["index"]) if part["index"] else part["name"]
        for part in _PART.finditer(match["path"] if match else "")
        if part["index"] or part["name"]
    )
    told = _AT.sub("", message)
    unknown = _FIELD.search(message)
    if unknown is None:
        return _wrong(path, text, key, told.replace("Object missing required field", "is missing"), _HINT)
    hint = choices_hint(unknown["name"], keys_at(Spec, match["path"] if match else ""))
    return _wrong(path, text, (*key, unknown["name"]), "no such key", hint)


def _wrong(path: Path, text: str, key: Key, message: str, hint: str | None) -> UsageError:
    line = line_of(text, key)
    where = f"{path}:{line}" if line else str(path)
    return UsageError(f"{where}: {_named(text, key)}{message}", hint=hint)


def _named(text: str, key: Key) -> str:
    """`experiments.ops.presets: `: an experiment by its name where it has one."""
    words = list(map(str, key))
    if len(key) > 1 and key[0] == "experiments":
        at = int(key[1])
        experiment = tomllib.loads(text)["experiments"][at]
        name = experiment.get("name") if isinstance(experiment, dict) else None
        words[1] = name if isinstance(name, str) else f"{at + 1}"
    return f"{'.'.join(words)}: " if words else ""
