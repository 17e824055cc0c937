"""One short comparison of LeNet in both real frameworks, shared by the tests that look at results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock
from framework_environments import environment, pip
from short_runs import STEPS

TORCH = "2.13.0"
KERAS = "keras==3.15.1"
JAX_PACKAGES = ("jax==0.10.2", "flax==0.12.8", "optax==0.2.8", "dm-haiku==0.0.17", KERAS)


class Made(NamedTuple):
    """The comparison's directory and what the command printed."""

    path: Path
    stdout: str


@pytest.fixture(scope="session")
def comparison(dlprof, shared_folder) -> Made:
    """`dlprof compare lenet` with one trial and short traces, one of whole (short) epochs among them, as JSON.

    Whichever of the test processes comes first makes it.
    """
    target = shared_folder / "comparison" / "made"
    target.parent.mkdir(exist_ok=True)
    printed = shared_folder / "comparison.json"
    with FileLock(shared_folder / "comparison.lock"):
        if not printed.exists():
            done = dlprof("compare", "lenet", "--trials", 1, "--epochs", 1, "--max-steps", STEPS, "--epoch-capture",
                          "--format", "json", "-o", target, timeout=800)  # fmt: skip
            assert done.returncode == 0, done.stderr
            printed.write_text(done.stdout)
    return Made(target, printed.read_text())


@pytest.fixture(scope="session")
def captures(dlprof, shared_folder) -> dict[str, Path]:
    """A short exact capture of LeNet in each framework, and a native one in MXNet; all of seed 0."""
    made = {name: shared_folder / f"capture-{name}" for name in ("tf", "mxnet", "native")}
    with FileLock(shared_folder / "captures.lock"):
        for (name, target), framework, fidelity in zip(
            made.items(), ("tf", "mxnet", "mxnet"), ("exact", "exact", "native"), strict=True
        ):
            if target.exists():
                continue
            done = dlprof("capture", "lenet", "--framework", framework, "--fidelity", fidelity, "--epochs", 1,
                          "--max-steps", STEPS, "-o", target, timeout=800)  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert done.stdout.strip() == str(target), name
    return made


def _install_torch(python: Path) -> str | None:
    asked = pip(python, "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", f"torch=={TORCH}")
    if asked.returncode:
        return f"pip finds no torch {TORCH} for this Python: {asked.stderr.strip()[-200:]}"
    [found] = json.loads(asked.stdout)["install"]
    if any(word.startswith(("nvidia", "cuda")) for word in found["metadata"].get("requires_dist", [])):
        return f"pip would fetch a CUDA build of torch {TORCH}: point it at an index of CPU builds"
    made = pip(python, f"torch=={TORCH}", "numpy")
    return f"torch {TORCH} cannot be installed: {made.stderr.strip()[-200:]}" if made.returncode else None


def _install_jax(python: Path) -> str | None:
    made = pip(python, *JAX_PACKAGES)
    return f"no environment with {JAX_PACKAGES[0]}: {made.stderr.strip()[-300:]}" if made.returncode else None


@pytest.fixture(scope="session")
def torch(request: pytest.FixtureRequest) -> Path:
    """A Python that has the CPU build of torch."""
    return environment(request, f"torch-{TORCH}", _install_torch)


@pytest.fixture(scope="session")
def keras_torch(torch: Path) -> Path:
    """The same Python with Keras beside torch."""
    complete = torch.parent.parent / "complete-keras"
    with FileLock(complete.with_suffix(".lock")):
        if not complete.exists():
            made = pip(torch, KERAS)
            if made.returncode:
                pytest.skip(f"no {KERAS} beside torch: {made.stderr.strip()[-300:]}")
            complete.touch()
    return torch


@pytest.fixture(scope="session")
def jax_python(request: pytest.FixtureRequest) -> Path:
    """A Python that has JAX and what trains with it."""
    return environment(request, JAX_PACKAGES[0].replace("==", "-"), _install_jax)
