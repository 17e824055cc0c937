"""A pyproject.toml of the folder that one happens to be in: whatever it holds, commands run or say what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TEXTS = {
    "tool is a number": "tool = 1 # tool.dlprof",
    "tool is a list": "tool = [] # tool.dlprof",
    "tool is a text": 'tool = "tool.dlprof"',
    "dlprof is a number": "[tool]\ndlprof = 1 # tool.dlprof",
    "dlprof is a list of tables": "[[tool.dlprof]]\nrows = 3",
    "the verb is a number": "[tool.dlprof]\nshow = 3",
    "the verb is a list": "[tool.dlprof]\nshow = [1]",
    "the verb is a text": '[tool.dlprof]\nshow = "--help"',
    "the verb is a list of tables": "[[tool.dlprof.show]]\nrows = 3",
    "a long number": f"[tool.dlprof]\nrows = {'9' * 5000}",
    "a long hexadecimal number": f"[tool.dlprof]\nrows = 0x{'f' * 5000}",
    "a flag that is a long number": f"[tool.dlprof]\nquiet = 0x{'f' * 5000}",
    "a number that is none": "[tool.dlprof]\nrows = nan",
    "an endless number": "[tool.dlprof]\nrows = -inf",
    "a date": "[tool.dlprof]\nrows = 1979-05-27",
    "a list": "[tool.dlprof]\nrows = [1]",
    "a table": "[tool.dlprof.rows]\na = 1",
    "nested deep": "[tool.dlprof]\nrows = " + "[" * 5000 + "]" * 5000,
    "tables nested deep": "[tool.dlprof." + ".".join("a" * 3000) + "]",
    "not TOML": "[tool.dlprof\n",
    "steering text": '[tool.dlprof]\nby = "\\u001b]0;owned\\u0007"',
    "a steering name": '[tool.dlprof]\n"\\u001b[2J" = 1',
    "a name that is a line": '[tool.dlprof]\n"a\\nerror: b" = 1',
    "an option in a value": '[tool.dlprof]\nby = "op --output=x"',
    "a NUL": '[tool.dlprof]\nby = "a\\u0000b"',
    "the end of options": '[tool.dlprof]\n"" = "--"',
    "a program": '[tool.dlprof]\npython = "/bin/sh"',
    "an output": '[tool.dlprof]\noutput = "pyproject.toml"',
    "force": "[tool.dlprof]\nforce = true",
    "defaults of defaults": "[tool.dlprof]\nisolated = true",
}


@pytest.mark.parametrize("what", TEXTS)
def test_defaults_of_any_shape_are_taken_or_refused_in_words(attack, tmp_path: Path, monkeypatch, what: str) -> None:
    (tmp_path / "pyproject.toml").write_text(TEXTS[what])
    (tmp_path / "below").mkdir()
    (tmp_path / "t.json").write_text('[{"ph":"X","name":"a","pid":0,"tid":1,"ts":1,"dur":2}]')
    for folder in (tmp_path, tmp_path / "below"):
        monkeypatch.chdir(folder)
        done = attack("show", tmp_path / "t.json")
        assert done.code in (0, 2), done
        assert "\x1b" not in done.stderr + done.stdout
        assert not any(line.startswith("error: b") for line in done.stderr.splitlines())
        assert attack("show", tmp_path / "t.json", "--isolated").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["below", "pyproject.toml", "t.json"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("what", ["a pipe", "a device", "a folder", "a link to itself", "no UTF-8", "5 MB"])
def test_settings_that_are_no_text_file_are_passed_over(attack, tmp_path: Path, monkeypatch, what: str) -> None:
    file = tmp_path / "pyproject.toml"
    if what == "a pipe":
        os.mkfifo(file)
    elif what == "a folder":
        file.mkdir()
    elif what == "no UTF-8":
        file.write_bytes(b'[tool.dlprof]\nby = "\xff"')
    elif what == "5 MB":
        file.write_bytes(b"[tool.dlprof]\nrows = [1]\n" + b"#" * 5_000_000)
    else:
        file.symlink_to("/dev/zero" if what == "a device" else file)
    monkeypatch.chdir(tmp_path)
    assert attack("workloads").code == 0
