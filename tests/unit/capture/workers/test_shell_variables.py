"""Variables of the user's shell: what reaches a side is recorded with it, the rest is kept away."""

from __future__ import annotations

import os

import pytest

from dlprof.capture.workers.launch_env import THREAD_VARIABLES, child_environ, variables, withheld

KEPT_AWAY = [
    "LD_PRELOAD", "PYTHONPATH", "PYTHONOPTIMIZE", "OMP_SCHEDULE", "KMP_SETTINGS", "MKL_DYNAMIC", "TORCH_LOGS", "JAX_PLATFORMS",
    "TF_GPU_ALLOCATOR", "MXNET_EXEC_BULK_EXEC_TRAIN", "ONEDNN_MAX_CPU_ISA",
]  # fmt: skip


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in [*THREAD_VARIABLES, *withheld()]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", KEPT_AWAY)
def test_what_would_change_a_run_is_kept_from_children_and_named(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert name not in child_environ()
    assert withheld() == [name]


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("TF_NUM_INTRAOP_THREADS", "tf"),
        ("TF_ENABLE_ONEDNN_OPTS", "tf"),
        ("XLA_FLAGS", "tf"),
        ("MXNET_ENGINE_TYPE", "mxnet"),
    ],
)
def test_a_variable_that_one_framework_alone_reads_is_recorded_with_its_side(monkeypatch, name, reader):
    monkeypatch.setenv(name, "1")
    assert child_environ()[name] == "1"
    assert variables(reader) == {name: "1"}
    assert variables("mxnet" if reader == "tf" else "tf") == {}


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "KMP_BLOCKTIME"])
def test_a_variable_of_libraries_is_recorded_for_both_sides(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert variables("tf") == variables("mxnet") == {name: os.environ[name]}
