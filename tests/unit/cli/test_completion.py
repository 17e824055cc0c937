"""The shells themselves complete what `dlprof completion` gave them; of a shell that is not here the test skips."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dlprof.cli import completion
from dlprof.cli.main import VERBS

SHELLS = ("bash", "zsh", "fish")


def program(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} on this machine")
    return found


def completed(script: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"source '{script}'; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _dlprof; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(
        [program("bash"), "--norc", "-c", ask], check=True, text=True, capture_output=True, cwd=script.parent
    )
    return set(done.stdout.split())


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "dlprof.bash"
    file.write_text(completion.script("bash"))
    return file


def test_bash_completes_verbs_options_and_the_values_of_options(script: Path) -> None:
    assert completed(script, "dlprof", "") >= set(VERBS)
    assert completed(script, "dlprof", "sh") == {"show"}
    assert completed(script, "dlprof", "show", "--fo") == {"--format"}
    assert completed(script, "dlprof", "show", "x", "--format", "") == {"text", "json", "csv", "markdown"}


def test_bash_completes_files_where_a_file_is_meant(script: Path) -> None:
    (script.parent / "trace.json").touch()
    assert "trace.json" in completed(script, "dlprof", "diff", "tra")
    assert "trace.json" in completed(script, "dlprof", "report", "x", "-o", "tra")
    assert completed(script, "dlprof", "compare", "lenet", "--trials", "") == set()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_takes_its_script_without_a_complaint(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(completion.script(shell))
    done = subprocess.run([program(shell), "-n", str(file)], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_fish_completes_verbs_and_values(tmp_path: Path) -> None:
    file = tmp_path / "dlprof.fish"
    file.write_text(completion.script("fish"))

    def offered(line: str) -> set[str]:
        done = subprocess.run(
            [program("fish"), "--no-config", "-c", f"source '{file}'; complete -C '{line}'"],
            text=True, capture_output=True, check=True,
        )  # fmt: skip
        return {one.split("\t")[0] for one in done.stdout.splitlines()}

    assert offered("dlprof sh") == {"show"}
    assert "--format" in offered("dlprof show --fo")
    assert offered("dlprof show x --format ") >= {"text", "json", "csv", "markdown"}
