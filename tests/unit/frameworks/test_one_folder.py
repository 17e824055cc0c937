"""A framework is one folder: all that dlprof knows of it lies there, and nothing outside lists frameworks by name."""

from __future__ import annotations

import ast
import inspect
import tomllib
from pathlib import Path

import pytest
from places import ROOT

from dlprof import frameworks, workload

PACKAGE = ROOT / "dlprof"
OURS = [name for name, one in frameworks.registry().items() if type(one).__module__.startswith("dlprof.")]
"""The built-in ones; an installed package may bring more."""

NAMED = {
    "api/published/method.py": "the original study's method: its two frameworks in one process",
    "api/functions.py": "the sides that are taken where none are named",
    "names.py": "the same",
    "frameworks/__init__.py": "the folders of operators by producer, so that reading a trace loads no framework; XLA's are JAX's",
    "ingest/dialects": "a format belongs to what writes it; those of other packages come in as plugins (dlprof.readers)",
    "ingest/xplane": "the same: one format that three frameworks write",
    "capture/script/shell.py": "the settings that Keras writes into the user's home",
    "runner/published.py": "the original study's method",
    "runner/inject": "hooks into the user's own scripts, which run without an adapter",
}
"""Where a framework may be named outside of its folder, and why."""


def _named() -> dict[str, set[str]]:
    """File outside of frameworks' folders → the names of frameworks that stand in it as texts."""
    own = [frameworks.registry()[name] for name in OURS]
    known = {word for one in own for word in (one.name, one.producer, *one.aliases)}
    found: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        path = file.relative_to(PACKAGE)
        if path.parts[0] == "frameworks" and len(path.parts) > 2:
            continue
        texts = {
            node.value
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant)
        }
        if here := {text for text in texts if isinstance(text, str)} & known:
            found[path.as_posix()] = here
    return found


def test_no_file_outside_their_folders_names_frameworks_but_those_that_say_why() -> None:
    found = _named()
    unexplained = {path: words for path, words in found.items() if not path.startswith(tuple(NAMED))}
    assert unexplained == {}, "let the framework say it (plugin.Framework, EnvSpec), or say here why not"
    assert [place for place in NAMED if not any(path.startswith(place) for path in found)] == [], (
        "no longer named there"
    )


@pytest.mark.parametrize("name", OURS)
def test_all_that_a_framework_points_to_lies_in_its_folder(name: str) -> None:
    framework = frameworks.get(name)
    folder = Path(inspect.getfile(type(framework))).parent
    assert folder.parent == PACKAGE / "frameworks"
    assert framework.adapter.is_relative_to(folder)
    for version in framework.versions:
        spec = framework.env(version, "cpu")
        for one in (spec, *spec.alternatives, *spec.modes.values()):
            assert one.requirements is not None
            assert one.requirements.is_relative_to(folder)


def test_the_plain_calls_of_shipped_workloads_follow_from_their_operators_alone() -> None:
    """`idiomatic` calls of a task's own would be a line for each framework in a file of none of them."""
    for name in workload.names():
        for task in tomllib.loads((PACKAGE / "workloads" / f"{name}.toml").read_text()).get("tasks", []):
            assert "idiomatic" not in task.get("calls", {}), f"{name}: {task['name']}"
