"""What of the user's environment reaches a child, and what is said of it."""

from __future__ import annotations

import pytest

from dlprof.capture.workers.launch_env import THREAD_VARIABLES, child_environ, disclosures


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_variable_that_one_side_alone_reads_is_said_with_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MXNET_ENGINE_TYPE", "NaiveEngine")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert disclosures() == [
        "MXNET_ENGINE_TYPE=NaiveEngine is set and reaches both sides; it is read by MXNet alone",
        "TF_ENABLE_ONEDNN_OPTS=0 is set and reaches both sides; it is read by TensorFlow alone",
    ]
    assert child_environ()["MXNET_ENGINE_TYPE"] == "NaiveEngine"


@pytest.mark.parametrize("name", THREAD_VARIABLES)
def test_every_variable_that_reaches_a_child_has_a_reader(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    (said,) = disclosures()
    assert said.startswith(f"{name}=1 ")


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "TORCH_LOGS", "JAX_PLATFORMS", "TF_GPU_ALLOCATOR"]
)
def test_what_is_not_listed_reaches_no_child(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert name not in child_environ()
    assert not disclosures()


def test_without_such_variables_nothing_is_said() -> None:
    assert disclosures() == []
