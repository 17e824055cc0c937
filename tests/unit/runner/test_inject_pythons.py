"""What dlprof puts into a script works in every Python that scripts run in, and is not run by the one that runs dlprof."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from watched_script import LOOP, STEP, Script

from dlprof.capture.environments import pythons
from dlprof.capture.script.command import INJECTED

VERSIONS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")

FILES = sorted(INJECTED.rglob("*.py"))


@pytest.fixture(params=VERSIONS, scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    """A Python of that release without any package."""
    found = pythons.find(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} on this machine")
    return found


@pytest.fixture
def script(python: Path, tmp_path: Path) -> Iterator[Script]:
    """A plain program under that Python, whose warnings are errors."""
    made = Script(tmp_path, LOOP, (400,), {**STEP, "PYTHONWARNINGS": "error"}, python)
    yield made
    made.close()


def test_a_program_of_any_python_tells_its_steps_and_does_what_it_is_asked(script: Script, python: Path) -> None:
    job = script.job
    assert job is not None, script.ended()
    assert python.parent.name == "bin"
    assert job.hello.python.startswith(python.name.replace("python", "") or "3")
    [facts] = job.ask({"cmd": "facts"}, 30)
    assert (facts.facts["untold"], facts.facts["device"]) == ([], "cpu:0")
    [timed] = job.ask({"cmd": "run", "iterations": 3, "units": 2}, 30)
    assert min(timed.wall_ns) >= 2_000_000
    job.send({"cmd": "stream", "until": timed.step + 5})
    assert job.links[0].read(9e9) is not None
    job.send({"cmd": "free"})
    assert script.ended() == (0, "finished\n", "")


def test_packages_of_an_environment_are_told_with_their_versions(python: Path, tmp_path: Path) -> None:
    (tmp_path / "Some_Thing-1.2.dist-info").mkdir()
    (tmp_path / "Some_Thing-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1.2\n"
    )
    (tmp_path / "broken-1.dist-info").mkdir()
    code = "import sys, json; sys.path[:0] = sys.argv[1:]; import dlprof_inject.packages as p; print(json.dumps(p.versions()))"
    done = subprocess.run(
        [python, "-W", "error", "-c", code, str(tmp_path), str(INJECTED)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["some-thing"] == "1.2"


USES = """
import importlib, json, sys
missing = []
for name, attribute in json.loads(sys.stdin.read()):
    try:
        if attribute and not hasattr(importlib.import_module(name), attribute):
            importlib.import_module(name + "." + attribute)
    except ImportError:
        missing.append(name + "." + (attribute or ""))
print(json.dumps(missing))
"""


def test_every_name_of_the_standard_library_that_is_used_is_there(python: Path) -> None:
    """But for those that are asked for by name first (hasattr, except ImportError)."""
    used = {one for path in FILES for one in _used(ast.parse(path.read_text()))}
    assert ("os", "environ") in used
    done = subprocess.run(
        [python, "-c", USES], input=json.dumps(sorted(used)), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


def _used(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module of the standard library and the name that is used of it."""
    mine, asked = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            mine.update(one.name.split(".")[0] for one in node.names)
        elif isinstance(node, ast.Try):
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom) and any(_is_import_error(one.type) for one in node.handlers):
                    asked.update((inner.module or "", one.name) for one in inner.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr":
            of, name = node.args
            if isinstance(of, ast.Name) and isinstance(name, ast.Constant):
                asked.add((of.id, str(name.value)))
    for node in ast.walk(tree):
        found = []
        if isinstance(node, ast.ImportFrom):
            found = [(node.module or "", one.name) for one in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in mine:
            found = [(node.value.id, node.attr)]
        for module, name in found:
            if module.split(".")[0] in sys.stdlib_module_names and (module, name) not in asked:
                yield module, name


def _is_import_error(kind: ast.expr | None) -> bool:
    return isinstance(kind, ast.Name) and kind.id == "ImportError"
