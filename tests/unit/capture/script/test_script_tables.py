"""The tables of scripts that were tried: what makes them, and that the guide holds what was kept."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from places import ROOT

GUIDE = (ROOT / "docs" / "guides" / "own-script.md").read_text(encoding="utf-8")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """The two benchmarks; benchmarks/ is a place of modules while they are loaded."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    import script_output
    import script_traps

    return script_output, script_traps


def test_the_guide_holds_the_rows_that_were_kept(programs: tuple[ModuleType, ModuleType]) -> None:
    output, traps = programs
    for rows, made in ((output.kept(), output), (output.kept(traps.KEPT), traps)):
        assert rows
        text = f"{made.BEGIN}\n\n{output.table(output.TITLES, rows)}\n\n{made.END}"
        assert text in GUIDE, f"write it anew: python3 benchmarks/{made.__name__}.py --into docs/guides/own-script.md"


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        (b"loss 0.5\n", b"loss 0.5\n", "identical"),
        (b"loss 0.5 in 3 ms\n", b"loss 0.75 in 12 s\n", "identical, numbers masked"),
        (b"1/9 0s\r9/9 1s\n", b"9/9 2s\n", "identical as a terminal shows it, numbers masked"),
        (b"", b"", "identical (empty)"),
        (b"", b"3\n", None),
        (b"done\n", b"failed\n", None),
    ],
)
def test_outputs_are_alike_by_the_strictest_that_holds(
    programs: tuple[ModuleType, ModuleType], a: bytes, b: bytes, found: str | None
) -> None:
    assert programs[0].likeness(a, b) == found


def test_a_row_takes_the_place_of_an_earlier_one_of_its_name(
    programs: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    output, file = programs[0], tmp_path / "rows.json"
    for row in (["one", "1"], ["two", "2"], ["one", "3"]):
        output.keep(row, file)
    assert output.kept(file) == [["one", "3"], ["two", "2"]]


def test_every_trap_is_a_program_that_its_folder_holds(programs: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    traps = programs[1]
    traps.laid(tmp_path, Path(sys.executable))
    assert len({trap.name for trap in traps.TRAPS}) == len(traps.TRAPS)
    for name, text in traps.FILES.items():
        compile(text, name, "exec")
    for trap in traps.TRAPS:
        for word in (word for word in trap.words if word.endswith(".py")):
            assert (tmp_path / word).is_file(), trap.name
