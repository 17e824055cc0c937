"""Workloads as data: the TOML files of dlprof/workloads, parsed, checked, resolved with preset and `--set` values."""

from __future__ import annotations

import copy
import difflib
import hashlib
import importlib.resources
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from dlprof.errors import UsageError
from dlprof.files import read_text
from dlprof.settings import OF_KIND, Setting, parse_value
from dlprof.toml_shape import check_keys, choices_hint, convert, keys_at
from dlprof.workload_shape import SHAPES, Around, Network, Ops

MNIST_TRAINING_IMAGES = 60_000
_FORMAT: Final = "docs/adding-a-workload.md shows the format"
_AROUND: Final = Around.__struct_fields__
PYTHON: Final = "python"
"""Key of a description under which the user's own Python file goes to the child: never one of a workload file."""


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A workload as its file describes it.

    description: what goes to the child (CaptureRequest.workload)
    settings: its `--set` keys
    presets: names that `resolve` takes, the first being the description as written
    differs: what the preset lets differ between the sides by design, by name
    chosen: the `--set` values in force
    """

    name: str
    kind: str
    title: str
    description: dict[str, Any]
    settings: dict[str, Setting]
    presets: tuple[str, ...]
    preset: str
    differs: tuple[str, ...] = ()
    chosen: dict[str, Any] = {}

    @property
    def network(self) -> Network:
        """The description as typed values (kind `network` only)."""
        own = [setting.path for setting in self.settings.values()]
        return msgspec.convert(_without(self.description, own), Network)


def names() -> list[str]:
    """Names of all shipped workloads."""
    folder = importlib.resources.files("dlprof") / "workloads"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str) -> Workload:
    """The workload as its file says, without preset. Raises `UsageError` naming those that exist."""
    return resolve(name)


def resolve(
    name: str,
    preset: str | None = None,
    settings: Mapping[str, str] | None = None,
    framework: str | None = None,
) -> Workload:
    """The workload with a preset and `--set` values applied. framework: whose side, where a preset has sides.

    name: of a shipped workload, or the path of a TOML file of one's own. Raises `UsageError` for an unknown workload,
    preset or setting, or a bad value, saying which exist.
    """
    text, source = _text(name)
    return parse(text, source, preset=preset, settings=settings or {}, framework=framework)


def _text(name: str) -> tuple[str, str]:
    """A workload's TOML and how errors call it."""
    if name.endswith(".toml"):
        try:
            return read_text(Path(name)), name
        except OSError as failure:
            raise UsageError(f"{name}: {failure.strerror}", hint="give the path of a workload's TOML file") from None
        except UnicodeDecodeError:
            raise UsageError(f"{name}: not a text file in UTF-8", hint="docs/adding-a-workload.md shows one") from None
    known = names()
    if name.endswith(".py"):
        hint = "named so: `dlprof capture -- python train.py`, or compare --a 'python train.py' --b 'python train.py --fused'"
        raise UsageError(f"{name} is a script, no workload", hint=hint)
    if name not in known:
        raise UsageError(f"no workload {name!r}", hint=f"{choices_hint(name, known)}; or the path of a TOML file")
    file = importlib.resources.files("dlprof") / "workloads" / f"{name}.toml"
    return file.read_text(encoding="utf-8"), f"workloads/{name}.toml"


def parse(
    text: str,
    source: str,
    *,
    preset: str | None = None,
    settings: Mapping[str, str] | None = None,
    framework: str | None = None,
) -> Workload:
    """A workload from TOML text; `source` names it in errors. Raises `UsageError`."""
    document, around = _read(text, source)
    overrides, own, plain = around.presets, around.settings, around.default_preset
    presets = (plain, *(name for name in overrides if name != plain))
    chosen = preset or plain
    if chosen not in presets:
        raise UsageError(f"{document['name']} has no preset {chosen!r}", hint=choices_hint(chosen, presets))
    description = copy.deepcopy(document)
    differs = _apply_preset(description, overrides.get(chosen, {}), framework, f"{source}: preset {chosen}")
    table = _settings(description, own, source)
    values = _apply_settings(description, table, settings or {})
    if PYTHON in description:
        raise UsageError(f"{source}: `{PYTHON}`: a workload file holds no code", hint="name a file: --calls FILE.py")
    check(_without(description, [setting.path for setting in table.values() if setting.name in own]), source)
    return Workload(
        name=description["name"],
        kind=description["kind"],
        title=description["title"],
        description=description,
        settings=table,
        presets=presets,
        preset=chosen,
        differs=differs,
        chosen=values,
    )


def _read(text: str, source: str) -> tuple[dict[str, Any], Around]:
    """The description in a workload file, with the tasks that it includes, and what the file says around it."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as failure:  # no TOML, a number of thousands of digits, nested too deeply
        raise UsageError(f"{source}: {failure}", hint=_FORMAT) from None
    for key in ("name", "kind", "title"):
        if not isinstance(document.get(key), str):
            raise UsageError(f"{source}: `{key}` is missing", hint=_FORMAT)
    around = convert({key: document.pop(key) for key in _AROUND if key in document}, Around, source, _FORMAT)
    if around.include:
        tasks = document.get("tasks", [])
        if not isinstance(tasks, list):
            raise UsageError(f"{source}: tasks: expected [[tasks]]", hint=_FORMAT)
        document["tasks"] = [*tasks, *_included(around.include, source)]
    return document, around


def with_functions(found: Workload, file: Path | None) -> Workload:
    """The workload with the Python file that its calls name functions of, as the user named it on the command line.

    Its text goes to the child, which runs it, and to the manifest, where it says what ran and is never run again. Raises
    `UsageError` where calls name functions and no file was given, or it cannot be read.
    """
    named = sorted({str(call["function"]) for call in _described_calls(found.description) if "function" in call})
    if file is None and not named:
        return found
    if file is None:
        raise UsageError(
            f"{found.name}: its calls name functions of a Python file: {', '.join(named)}",
            hint="name that file, which will be run: --calls FILE.py",
        )
    try:
        text = file.read_bytes()
        python = {"name": file.name, "sha256": hashlib.sha256(text).hexdigest(), "text": text.decode()}
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageError(f"{file}: cannot be read: {failure}", hint="--calls takes a Python file") from None
    if not named:
        raise UsageError(
            f"{found.name}: no call names a function, so {file} would not be used", hint="leave --calls out"
        )
    return msgspec.structs.replace(found, description={**found.description, PYTHON: python})


def _described_calls(description: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The calls of an op workload that are tables; what has another shape than that is refused elsewhere."""
    tasks = description.get("tasks") if description["kind"] == "op" else None
    for task in tasks if isinstance(tasks, list) else ():
        variants = task.get("calls") if isinstance(task, Mapping) else None
        for sides in variants.values() if isinstance(variants, Mapping) else ():
            yield from (
                (call for call in sides.values() if isinstance(call, Mapping)) if isinstance(sides, Mapping) else ()
            )


def _included(others: Iterable[str | Mapping[str, Any]], source: str) -> list[dict[str, Any]]:
    """The tasks of other shipped op workloads, each with the sizes of its own file, or those given: `{name, sizes}`."""
    tasks = []
    for entry in others:
        given = {"name": entry} if isinstance(entry, str) else dict(entry)
        name = str(given.pop("name", ""))
        sizes = given.pop("sizes", None)
        if name not in names():
            raise UsageError(f"{source}: include: no workload {name!r}", hint=choices_hint(name, names()))
        if given:
            raise UsageError(f"{source}: include {name}: no such key {min(given)!r}", hint="there are: name, sizes")
        other = load(name).description
        if other["kind"] != "op":
            raise UsageError(
                f"{source}: include {name}: a {other['kind']}, which has no tasks", hint="include op workloads"
            )
        tasks += [{**task, "sizes": sizes or task.get("sizes") or other["run"]["sizes"]} for task in other["tasks"]]
    return tasks


def _apply_preset(
    description: dict[str, Any], preset: dict[str, Any], framework: str | None, where: str
) -> tuple[str, ...]:
    """Merge a preset. Keys that the workload has are values; any other table is for the framework of that name."""
    preset = dict(preset)
    differs = tuple(convert(preset.pop("differs", []), list[str], f"{where}.differs", _FORMAT))
    own = {key: value for key, value in preset.items() if key in description or not isinstance(value, dict)}
    _merge(description, own, where)
    known = SHAPES[description["kind"]].__struct_fields__ if description["kind"] in SHAPES else ()
    for key in preset.keys() - own.keys():  # a table for one framework's side, or a key of the description misspelt
        if difflib.get_close_matches(key, known, cutoff=0.75):
            raise UsageError(f"{where}: {key}: no such key", hint=choices_hint(key, known))
    side = preset.get(framework, {}) if framework and framework not in own else {}
    _merge(description, side, f"{where}.{framework}")
    return differs


def _merge(base: dict[str, Any], override: Mapping[str, Any], where: str) -> None:
    """Tables merge key by key; a table laid over a list of named tables changes those of that name; all else replaces.

    A table that brings its own `op` replaces the old one: Adam's constants must not stay behind under SGD.
    """
    for key, value in override.items():
        old = base.get(key)
        if isinstance(value, dict) and isinstance(old, list):
            by_name = {str(item.get("name")): item for item in old if isinstance(item, dict)}
            for name, change in value.items():
                if name not in by_name:
                    raise UsageError(f"{where}: {key} has no {name!r}", hint=choices_hint(name, by_name))
                if not isinstance(change, dict):
                    raise UsageError(f"{where}: {key}.{name}: expected a table, not {change!r}", hint=_FORMAT)
                by_name[name].update(change)
        elif isinstance(value, dict) and isinstance(old, dict) and "op" not in value:
            _merge(old, value, where)
        else:
            base[key] = copy.deepcopy(value)


def _settings(description: dict[str, Any], own: Mapping[str, Any], source: str) -> dict[str, Setting]:
    table = {key: s for key, s in OF_KIND.get(description["kind"], {}).items() if _holds(description, s.path)}
    for key, fields in own.items():
        try:
            table[key] = msgspec.convert(fields, Setting)
        except msgspec.ValidationError as failure:
            raise UsageError(f"{source}: settings.{key}: {failure}", hint="docs/adding-a-workload.md") from None
    return {key: msgspec.structs.replace(setting, name=key) for key, setting in table.items()}


def _holds(description: dict[str, Any], path: str) -> bool:
    node: Any = description
    for key in path.split("."):
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


def _without(description: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """The description without the places that only a workload's own settings name: they may be anything that its calls read."""
    found = copy.deepcopy(description)
    for path in paths:
        *folders, leaf = path.split(".")
        node = found
        for folder in folders:
            node = node.get(folder, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict) and leaf not in keys_at(
            SHAPES.get(found["kind"]), "".join(f".{folder}" for folder in folders)
        ):
            node.pop(leaf, None)
    return found


def _apply_settings(
    description: dict[str, Any], table: Mapping[str, Setting], given: Mapping[str, str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, text in given.items():
        if key not in table:
            raise UsageError(f"{description['name']} has no setting {key!r}", hint=choices_hint(key, table))
        values[key] = parse_value(key, text, table[key])
        *folders, leaf = table[key].path.split(".")
        node: Any = description
        for folder in folders:
            node = node.setdefault(folder, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            told = f"{description['name']}: settings.{key}: {'.'.join(folders)} is no table"
            raise UsageError(told, hint=_FORMAT)
        node[leaf] = values[key]
    return values


def check(description: dict[str, Any], source: str) -> None:
    """Type and sense of what a description says."""
    if description["kind"] not in SHAPES:
        raise UsageError(f"{source}: no kind {description['kind']!r}", hint=choices_hint(description["kind"], SHAPES))
    if description["kind"] == "op":  # whether it is whole is asked when it is to run (api.lockstep.items)
        check_keys(description, Ops, source)
        return
    network = convert(description, Network, source, "docs/adding-a-workload.md shows the format")
    data = network.data
    if data.dataset == "mnist" and data.train + data.validation > MNIST_TRAINING_IMAGES:
        raise UsageError(
            f"train {data.train} + validation {data.validation} exceed MNIST's {MNIST_TRAINING_IMAGES} training images",
            hint="lower --set train=… or --set validation=…; the 10 000 test images are kept apart",
        )
    side = 28 + 2 * data.pad
    if data.dataset == "mnist" and network.model.input != [side, side, 1]:
        raise UsageError(
            f"{source}: model.input {network.model.input} does not fit MNIST's 28×28 padded by {data.pad}",
            hint=f"write input = [{side}, {side}, 1]",
        )
    if network.run.batch_size > data.train:
        raise UsageError(
            f"batch_size {network.run.batch_size} exceeds the {data.train} training examples",
            hint="lower --set batch_size=…",
        )
    if network.task == "train" and network.optimizer is None:
        raise UsageError(f"{source}: [optimizer] is missing", hint="docs/adding-a-workload.md shows the format")
