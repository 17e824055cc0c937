"""Defaults of variables and of pyproject.toml: checked as what is typed, which goes first; no program is named there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof.cli import defaults
from dlprof.cli.main import build_parser
from dlprof.errors import UsageError


def words(folder: Path, text: str = "", verb: str = "compare", **environ: str) -> tuple[list[str], str]:
    if text:
        (folder / "pyproject.toml").write_text(text)
    return defaults.words(verb, build_parser(verb).verb, environ, folder)


def test_the_verbs_own_table_goes_before_the_general_one_and_variables_before_both(tmp_path: Path) -> None:
    text = '[tool.dlprof]\nbudget = "1m"\nformat = "json"\n[tool.dlprof.compare]\nbudget = "2m"\n'
    assert sorted(words(tmp_path, text)[0]) == ["--budget=2m", "--format=json"]
    assert sorted(words(tmp_path, text, DLPROF_BUDGET="3m")[0]) == ["--budget=3m", "--format=json"]
    assert words(tmp_path, text, verb="show")[0] == ["--format=json"]


def test_what_is_taken_from_a_file_is_said_with_the_file(tmp_path: Path) -> None:
    told = words(tmp_path, '[tool.dlprof]\nbudget = "1m"\n')[1]
    assert told == f"from {tmp_path / 'pyproject.toml'}: --budget=1m"
    assert words(tmp_path, DLPROF_TRIALS="4", DLPROF_BUDGET="9m")[1] == ""


@pytest.mark.parametrize(
    "name", ["python", "calls", "a", "side", "output", "force", "in-place", "link", "allow", "render"]
)
def test_no_program_file_or_permission_can_stand_in_a_pyproject(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}: no option that may stand there"):
        words(tmp_path, f'[tool.dlprof]\n{name} = "x"\n')


@pytest.mark.parametrize(
    ("text", "told"), [('quiet = "maybe"', "neither true nor false"), ("rows = [1]", "not a value of")]
)
def test_a_value_of_another_kind_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        words(tmp_path, f"[tool.dlprof]\n{text}\n", verb="show")


def test_a_folder_without_a_table_gives_no_words(tmp_path: Path) -> None:
    assert words(tmp_path, '[project]\nname = "x"\n') == ([], "")
