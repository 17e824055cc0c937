"""What of the user's environment reaches a child, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof import frameworks
from dlprof.capture.workers.launch_env import changing, child_environ, disclosures
from dlprof.plugin import LIBRARIES

ALL = frameworks.thread_variables()
NAMES = [name for one in ALL for name in one.names]
BOTH = {
    name: frameworks.get(name).env(version, "cpu").variables for name, version in (("tf", "2.21.0"), ("mxnet", "1.9.1"))
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_a_variable_that_one_side_alone_reads_is_said_with_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MXNET_ENGINE_TYPE", "NaiveEngine")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert disclosures(BOTH) == [
        "TF_ENABLE_ONEDNN_OPTS=0 is set and reaches tf; it is read by TensorFlow alone",
        "MXNET_ENGINE_TYPE=NaiveEngine is set and reaches mxnet; it is read by MXNet alone",
    ]
    assert child_environ(variables=BOTH["mxnet"])["MXNET_ENGINE_TYPE"] == "NaiveEngine"


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_that_reaches_a_child_has_a_reader(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    (said,) = disclosures({"a": ALL, "b": ALL})
    assert said.startswith(f"{name}=1 is set and reaches both sides; it is read by ")


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "TORCH_LOGS", "JAX_PLATFORMS", "TF_GPU_ALLOCATOR"]
)
def test_what_is_not_listed_reaches_no_child(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert name not in child_environ(variables=ALL)
    assert not disclosures({"a": ALL})


@pytest.mark.parametrize("name", ["TF_CLI_CONFIG_FILE", "TF_VAR_region", "TF_BUILD"])
def test_a_variable_that_begins_as_a_frameworks_and_is_anothers_is_not_told_of(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    assert not disclosures({"a": ALL, "b": ALL})
    assert changing({name: "1", "TF_DETERMINISTIC_OPS": "1"}, ALL) == {"TF_DETERMINISTIC_OPS": "1"}


def test_without_such_variables_nothing_is_said() -> None:
    assert disclosures(BOTH) == []


def test_a_variable_of_libraries_reaches_all_sides_and_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    said = "OMP_NUM_THREADS=1 is set and reaches {} sides; it is read by what was built with OpenMP alone"
    assert disclosures(BOTH) == [said.format("both")]
    assert disclosures({**BOTH, "another": LIBRARIES}) == [said.format("all")]


def test_where_shared_libraries_are_looked_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/fast")
    assert child_environ(variables=BOTH["tf"])["LD_LIBRARY_PATH"] == "/opt/fast"
    assert disclosures(BOTH) == [
        "LD_LIBRARY_PATH=/opt/fast is set and reaches both sides; it is read by the loader of shared libraries alone"
    ]


def test_settings_in_the_users_home_are_not_those_of_a_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_HOME", "/home/user/.keras")
    found = child_environ(variables=ALL, settings=tmp_path)
    for name in ("KERAS_HOME", "MXNET_HOME", "TORCH_HOME", "MPLCONFIGDIR", "XDG_CONFIG_HOME"):
        assert found[name] == str(tmp_path)
