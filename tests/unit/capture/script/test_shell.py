"""What of the shell and of a command's own variables is said to change a script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlprof import frameworks
from dlprof.capture.script import shell
from dlprof.capture.script.command import Command

READERS = frameworks.thread_variables()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell in which nothing is set that changes anything."""
    for name in shell.variables(Command.parse("python"), READERS):
        monkeypatch.delenv(name)
    for name in ("KERAS_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def said(a: str, b: str) -> list[str]:
    return list(shell.disclosures({"A": Command.parse(a), "B": Command.parse(b)}, READERS))


def test_where_nothing_is_set_nothing_is_said() -> None:
    assert said("python a.py", "EPOCHS=2 python b.py") == []


@pytest.mark.parametrize(
    "name",
    [
        *("OMP_SCHEDULE", "KMP_SETTINGS", "MKL_DYNAMIC", "TF_GPU_ALLOCATOR", "XLA_FLAGS", "MXNET_EXEC_BULK_EXEC_TRAIN"),
        *(
            "TORCH_LOGS",
            "JAX_ENABLE_X64",
            "KERAS_BACKEND",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "PYTHONOPTIMIZE",
            "MALLOC_CONF",
        ),
        *("NVIDIA_TF32_OVERRIDE", "CUDNN_LOGINFO_DBG", "ONEDNN_MAX_CPU_ISA", "GLIBC_TUNABLES"),
    ],
)
def test_what_the_shell_gives_both_sides_is_said(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert said("python a.py", "python b.py") == [
        f"set in this shell, and can change both sides, which get all of it: {name}=1"
    ]


def test_a_variable_that_differs_is_said_for_each_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert said("OMP_NUM_THREADS=1 python a.py", "LD_PRELOAD=/lib/x.so python b.py") == [
        "LD_PRELOAD is not set on A and /lib/x.so on B",
        "OMP_NUM_THREADS is 1 on A and 2 on B",
    ]


def test_a_variable_without_a_value_is_empty() -> None:
    assert said("LD_PRELOAD= python a.py", "python a.py") == ["LD_PRELOAD is empty on A and not set on B"]


def test_another_home_of_one_side_is_said_and_one_of_both_is_not(tmp_path: Path) -> None:
    assert said("HOME=/elsewhere python a.py", "python a.py") == [f"HOME is /elsewhere on A and {tmp_path} on B"]


def test_settings_of_keras_that_are_not_its_own_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = {"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(usual))
    assert said("python a.py", "python b.py") == []
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps({**usual, "floatx": "float16"}))
    assert said("python a.py", "python b.py") == [
        "set in this shell, and can change both sides, which get all of it: floatx in keras.json=float16"
    ]
    assert "floatx in keras.json is float16 on A and not set on B" in said(
        "python a.py", "KERAS_HOME=/none python a.py"
    )


@pytest.mark.parametrize("text", ["[", "[1]", '{"floatx": ' + "[" * 5000])
def test_settings_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(text)
    assert said("python a.py", "python b.py") == []


def test_what_looks_secret_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HUB_TOKEN", "hush")
    assert shell.stated(Command.parse("A=1 MKL_DYNAMIC=0 python a.py"), READERS) == "MKL_DYNAMIC=0 TORCH_HUB_TOKEN=…"


def test_a_pythonhome_goes_where_another_python_takes_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/usr")
    other = Command.parse("python a.py", Path("/bin/sh"))
    assert shell.stated(other, READERS) == ""
