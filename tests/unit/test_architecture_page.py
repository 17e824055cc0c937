"""docs/architecture.md names every room, no file that is not there, and the staircase that import-linter enforces."""

from __future__ import annotations

import re
import tomllib

import pytest
from places import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "dlprof"


def test_every_room_and_module_of_the_corridor_has_a_line_in_a_table() -> None:
    folders = {file.parent.relative_to(PACKAGE) for file in PACKAGE.rglob("*.py")}
    rooms = {f"{folder}/" for folder in folders if str(folder) != "."} | {"capture/"}
    modules = {file.name for file in PACKAGE.glob("*.py") if not file.name.startswith("__")}
    told = set(re.findall(r"`([\w/.]+)`", "\n".join(re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE))))
    assert (rooms | modules) - told == set()


def test_every_room_has_a_folder_of_unit_tests() -> None:
    rooms = {file.parent.relative_to(PACKAGE) for file in PACKAGE.rglob("*.py")}
    tested = {file.parent.relative_to(ROOT / "tests" / "unit") for file in (ROOT / "tests" / "unit").rglob("test_*.py")}
    above = {folder for one in tested for folder in (one, *one.parents)}
    # the child's are tested where it runs (tests/runner), and all frameworks alike (tests/unit/frameworks)
    ours = {room for room in rooms if room.parts[0:1] != ("runner",) and room.parent.parts[0:1] != ("frameworks",)}
    ours -= {room for room in ours if room.name == "adapter"}
    assert {str(room) for room in ours} - {str(one) for one in above} == set()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:\w+/)+\w*\*?[\w.]*\.(?:py|csv|toml))`", PAGE))))
def test_a_file_that_the_page_names_is_there(name: str) -> None:
    assert list(PACKAGE.glob(name)) or list(ROOT.glob(name)), name


def test_the_staircase_is_the_one_that_is_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert f"    {' → '.join(contracts[0]['layers'])}\n" in PAGE


@pytest.mark.parametrize(
    ("module", "attribute"),
    sorted({tuple(name.rsplit(".", 1)) for name in re.findall(r"^    ([a-z_]+(?:\.\w+)+)\(", PAGE, re.MULTILINE)}),
)
def test_a_call_that_the_page_names_exists(module: str, attribute: str) -> None:
    from importlib import import_module

    parts = module.split(".")
    if parts[-1][:1].isupper():
        assert hasattr(getattr(import_module(f"dlprof.{'.'.join(parts[:-1])}"), parts[-1]), attribute)
    else:
        assert hasattr(import_module(f"dlprof.{module}"), attribute), f"{module}.{attribute}"
