"""A script in a real JAX, unchanged: of its jitted functions the one that is fed its own results is the step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

TRAIN = """
import functools
import jax
import jax.numpy as jnp

@jax.jit
def loss(w, x):
    return jnp.mean((x @ w) ** 2)

@functools.partial(jax.jit, donate_argnums=0)
def train_step(w, x):
    value, slope = jax.value_and_grad(loss)(w, x)
    return w - 0.01 * slope, value

w = jnp.ones((64, 10))
for n in range(600):
    x = jax.random.normal(jax.random.PRNGKey(n), (32, 64))
    w, value = train_step(w, x)
    if n % 100 == 0:
        print(n, float(value), float(loss(w, x)), float(jax.grad(loss)(w, x).sum()))
"""


def test_the_jitted_function_that_is_fed_its_own_results_is_the_step(dlprof, jax_python: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    done = dlprof("capture", "-o", tmp_path / "made", "--", jax_python, "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6
    child = json.loads((tmp_path / "made" / "manifest.json").read_text())["child"]
    assert "jitted function __main__.train_step" in child["runtime"]["steps found by"]
    assert child["window"]["steps"] == 20
    assert child["runtime"]["batch"] == ["float32[32, 64]"]
    assert child["runtime"]["parameters"] == 640
    assert child["runtime"]["start"]["compiled"] >= 2
    assert "programs were compiled in" in done.stderr
    steps = json.loads(dlprof("show", tmp_path / "made", "--by", "step", "--format", "json").stdout)
    assert len([row for row in steps["rows"] if row["step"] is not None]) == 20


SHAPES = """
import jax
import jax.numpy as jnp

@jax.jit
def train_step(w, x):
    return w - 0.01 * jnp.mean(x @ w, axis=0) * w

w = jnp.ones((8, 10))
for n in range(400):
    w = train_step(w, jnp.ones((16 + n % 200, 8)))
"""


def test_a_step_that_is_compiled_anew_among_the_recorded_ones_is_told(dlprof, jax_python: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SHAPES)
    done = dlprof("capture", "--steps", "41..60", "-o", tmp_path / "made", "--", jax_python, "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "programs were compiled among the recorded steps" in done.stderr
