"""Variables of the user's shell: what reaches a side is recorded with it, the rest is kept away."""

from __future__ import annotations

import os

import pytest

from dlprof import frameworks
from dlprof.capture.workers.launch_env import child_environ, thread_settings, withheld
from dlprof.plugin import ThreadVariables

KEPT_AWAY = [
    "LD_PRELOAD", "PYTHONPATH", "PYTHONOPTIMIZE", "OMP_SCHEDULE", "KMP_SETTINGS", "MKL_DYNAMIC", "TORCH_LOGS", "JAX_PLATFORMS",
    "TF_GPU_ALLOCATOR", "MXNET_EXEC_BULK_EXEC_TRAIN", "ONEDNN_MAX_CPU_ISA", "KERAS_BACKEND", "LD_BIND_NOW", "MALLOC_ARENA_MAX",
    "CUDA_LAUNCH_BLOCKING",
]  # fmt: skip


ALL = frameworks.thread_variables()


def read_by(framework: str) -> tuple[ThreadVariables, ...]:
    """What the framework's wiring says that its children read."""
    wired = frameworks.get(framework)
    return wired.env(wired.default_version, "cpu").variables


def variables(framework: str) -> dict[str, str]:
    """What is set and reaches a child of the framework."""
    return thread_settings(read_by(framework))


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in [*(name for one in ALL for name in one.names), *withheld(ALL)]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", KEPT_AWAY)
def test_what_would_change_a_run_is_kept_from_children_and_named(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert name not in child_environ(variables=ALL)
    assert withheld(ALL) == [name]


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("TF_NUM_INTRAOP_THREADS", "tf"),
        ("TF_ENABLE_ONEDNN_OPTS", "tf"),
        ("XLA_FLAGS", "tf"),
        ("MXNET_ENGINE_TYPE", "mxnet"),
        ("NPROC", "jax"),
    ],
)
def test_a_variable_that_one_framework_alone_reads_is_recorded_with_its_side(monkeypatch, name, reader):
    monkeypatch.setenv(name, "1")
    assert child_environ(variables=read_by(reader))[name] == "1"
    assert variables(reader) == {name: "1"}
    assert variables("mxnet" if reader == "tf" else "tf") == {}


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "KMP_BLOCKTIME"])
def test_a_variable_of_libraries_is_recorded_for_both_sides(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert variables("tf") == variables("mxnet") == {name: os.environ[name]}


@pytest.mark.parametrize("name", ["CUDA_VISIBLE_DEVICES", "CUDA_HOME", "LD_LIBRARY_PATH", "NVIDIA_TF32_OVERRIDE"])
def test_what_reaches_a_child_is_not_called_kept_away(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert withheld(ALL) == []
    assert withheld(()) == []


def test_a_variable_that_another_framework_reads_does_not_reach_a_child_and_is_not_spoken_of(monkeypatch):
    monkeypatch.setenv("MXNET_ENGINE_TYPE", "NaiveEngine")
    assert "MXNET_ENGINE_TYPE" not in child_environ(variables=read_by("torch"))
    assert withheld(read_by("torch")) == []


@pytest.mark.parametrize("framework", ["tf", "mxnet", "torch", "jax"])
def test_threads_cap_each_pool_of_the_framework_and_of_its_libraries(framework):
    caps = {
        "tf": "TF_NUM_INTRAOP_THREADS",
        "mxnet": "MXNET_CPU_WORKER_NTHREADS",
        "jax": "NPROC",
        "torch": "OMP_NUM_THREADS",
    }
    found = child_environ(threads=3, variables=read_by(framework))
    assert {name for name, value in found.items() if value == "3"} == {
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
        caps[framework],
    }
