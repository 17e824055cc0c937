"""The guides: what they show is what is printed, what they tell to type is understood, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import installed
import pytest
from places import ROOT

from dlprof.cli.main import build_parser, main

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
PAGES = [*GUIDES, ROOT / "README.md", ROOT / "docs" / "index.md"]
WANTED = {
    "ci", "framework", "own-script", "ranks", "two-traces", "upgrade", "verdict", "which-operator", "workload",
}  # fmt: skip


def document(name: str) -> ModuleType:
    """A program of docs/."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHOWN = document("shown")
SHOWING = [file for file in SHOWN.FILES if list(SHOWN.commands(file.read_text(encoding="utf-8")))]


def typed(file: Path) -> Iterator[str]:
    """The command lines of dlprof in the indented blocks and the shown ones; what is a placeholder or continued is left out."""
    for line in re.findall(r"(?m)^(?:    |\$ )(?:- )?(dlprof .+)$", file.read_text(encoding="utf-8")):
        command = re.sub(r"\s+#.*|   +\S.*| \|.*", "", line)  # a remark after it, or a pipe
        if "…" not in command and "$CI" not in command:
            yield command


def test_every_question_has_its_guide() -> None:
    assert {file.stem for file in GUIDES} == WANTED
    assert len(SHOWING) >= 3


@pytest.mark.parametrize("file", SHOWING, ids=[file.stem for file in SHOWING])
def test_what_a_guide_shows_is_what_is_printed(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")

    def run(words: list[str]) -> str:
        assert main(words) == 0
        return capsys.readouterr().out

    text = file.read_text(encoding="utf-8")
    assert SHOWN.filled(text, run) == text, "python docs/shown.py writes it anew"


@pytest.mark.parametrize("file", PAGES, ids=[file.stem for file in PAGES])
def test_every_command_that_a_page_tells_to_type_is_understood(file: Path) -> None:
    commands = list(typed(file))
    assert commands
    for command in commands:
        words = shlex.split(command.partition(" > ")[0])[1:]
        parser = build_parser(words[0])
        own = words[: words.index("--")] if "--" in words else words
        parser.parse_args(own)


def test_the_workload_of_the_guide_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "guides" / "workload.md").read_text(encoding="utf-8")
    file = tmp_path / "clip.toml"
    file.write_text(text.split("```toml\n")[1].split("```")[0])
    assert main(["workloads", str(file)]) == 0
    out = capsys.readouterr().out
    assert "Values cut off at both ends" in out
    assert "task clip (Clip)" in out
    lenet = ROOT / "dlprof" / "workloads" / "lenet.toml"
    assert main(["workloads", str(lenet)]) == 0


def test_the_package_of_the_guide_announces_what_the_tests_install() -> None:
    text = (ROOT / "docs" / "guides" / "framework.md").read_text(encoding="utf-8")
    project = tomllib.loads(text.split("```toml\n")[1].split("```")[0])["project"]
    told = {
        group: dict(line.split(" = ") for line in part.strip().splitlines())
        for group, part in re.findall(r"\[([a-z.]+)\]\n([^\[]+)", installed.ENTRY_POINTS)
    }
    assert project["entry-points"] == told


def test_every_link_of_the_documentation_leads_somewhere(caplog: pytest.LogCaptureFixture) -> None:
    site = document("site_links")
    for file in [*(ROOT / "docs").glob("**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for path in re.findall(r"\]\(([^)\s#]+)", file.read_text(encoding="utf-8")):
            if "://" not in path:
                assert (file.parent / path).resolve().exists(), f"{file.name}: {path}"
        if file.is_relative_to(ROOT / "docs"):
            site.absolute(file.read_text(encoding="utf-8"), file)
    assert not caplog.records


def test_the_address_of_the_sources_has_one_source() -> None:
    address = document("site_links").repository()
    assert f"git clone {address} " in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"git clone {address} " in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert all(url.startswith(address) for url in told.values())


def test_the_recorded_session_is_what_its_text_shows() -> None:
    session = document("session")
    head, *events = map(json.loads, session.KEPT.read_text(encoding="utf-8").splitlines())
    assert (head["version"], head["width"]) == (2, 80)
    assert [at for at, _, _ in events] == sorted(at for at, _, _ in events)
    text = session.plain("".join(said for _, _, said in events))
    assert text == session.KEPT.with_suffix(".txt").read_text(encoding="utf-8")
    shown = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    assert shown == list(session.COMMANDS)
    wide = [line for line in text.splitlines() if len(line) > 80]
    assert all("analysis/versions" in line for line in wide), "a path alone is longer than a line"


def test_a_line_that_was_written_over_stands_as_it_was_in_the_end() -> None:
    plain = document("session").plain
    assert plain("0:01 working\r\x1b[2K0:02 done\r\n\x1b[32mok\x1b[0m\r\n") == "0:02 done\nok\n"
    assert plain("a long line\r\nsecond\r\x1b[2K\x1b[1A\x1b[2Kb\r\n") == "b\n"
