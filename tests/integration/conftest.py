"""One short comparison of LeNet in both real frameworks, shared by the tests that look at results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from short_runs import STEPS

TORCH = "2.13.0"
JAX_PACKAGES = ("jax==0.10.2", "flax==0.12.8", "optax==0.2.8", "dm-haiku==0.0.17", "keras==3.15.1")


class Made(NamedTuple):
    """The comparison's directory and what the command printed."""

    path: Path
    stdout: str


@pytest.fixture(scope="session")
def comparison(dlprof, tmp_path_factory) -> Made:
    """`dlprof compare lenet` with one trial and short traces, one of whole (short) epochs among them, as JSON."""
    target = tmp_path_factory.mktemp("comparison") / "made"
    done = dlprof("compare", "lenet", "--trials", 1, "--epochs", 1, "--max-steps", STEPS, "--epoch-capture",
                  "--format", "json", "-o", target, timeout=800)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Made(target, done.stdout)


@pytest.fixture(scope="session")
def captures(dlprof, tmp_path_factory) -> dict[str, Path]:
    """A short exact capture of LeNet in each framework, and a native one in MXNet; all of seed 0."""
    folder = tmp_path_factory.mktemp("captures")
    made = {}
    for name, framework, fidelity in (
        ("tf", "tf", "exact"),
        ("mxnet", "mxnet", "exact"),
        ("native", "mxnet", "native"),
    ):
        made[name] = folder / name
        done = dlprof("capture", "lenet", "--framework", framework, "--fidelity", fidelity, "--epochs", 1,
                      "--max-steps", STEPS, "-o", made[name], timeout=800)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(made[name])
    return made


def _run(*words: object, timeout: int = 900) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="session")
def torch(request: pytest.FixtureRequest) -> Path:
    """A Python that has the CPU build of torch, made on first use and kept in pytest's cache."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir(f"torch-{TORCH}")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        assert _run(sys.executable, "-m", "venv", "--clear", folder).returncode == 0
        pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
        asked = _run(*pip, "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", f"torch=={TORCH}")
        if asked.returncode:
            pytest.skip(f"pip finds no torch {TORCH} for this Python: {asked.stderr.strip()[-200:]}")
        [found] = json.loads(asked.stdout)["install"]
        needs = found["metadata"].get("requires_dist", [])
        if any(word.startswith(("nvidia", "cuda")) for word in needs):
            pytest.skip(f"pip would fetch a CUDA build of torch {TORCH}: point it at an index of CPU builds")
        made = _run(*pip, f"torch=={TORCH}", "numpy")
        if made.returncode:
            pytest.skip(f"torch {TORCH} cannot be installed: {made.stderr.strip()[-200:]}")
        (folder / "complete").touch()
    return python


@pytest.fixture(scope="session")
def jax_python(request: pytest.FixtureRequest) -> Path:
    """A Python that has JAX and what trains with it, made on first use and kept in pytest's cache."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir(JAX_PACKAGES[0].replace("==", "-"))
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        assert _run(sys.executable, "-m", "venv", "--clear", folder).returncode == 0
        made = _run(python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *JAX_PACKAGES)
        if made.returncode:
            pytest.skip(f"no environment with {JAX_PACKAGES[0]}: {made.stderr.strip()[-300:]}")
        (folder / "complete").touch()
    return python
