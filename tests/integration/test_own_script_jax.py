"""A script in a real JAX, unchanged: of its jitted functions the one that is fed its own results is the step."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dlprof.capture.script.command import INJECTED

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


def test_the_jitted_function_that_is_fed_its_own_results_is_the_step(
    dlprof, here, jax_python: Path, tmp_path: Path
) -> None:
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
    steps = json.loads(here("show", tmp_path / "made", "--by", "step", "--format", "json").stdout)
    assert len([row for row in steps["rows"] if row["step"] is not None]) == 20


ALL_ELSE = """
import copy, inspect, pickle
import jax
from jax import export
import jax.numpy as jnp

def plain(w, x):
    'One step.'
    return w - 0.01 * jax.grad(lambda w: jnp.mean((x @ w) ** 2))(w)

class Trainer:
    step = jax.jit(plain)

train_step = Trainer.step
w, x = jnp.ones((64, 10)), jnp.ones((32, 64))
for n in range(200):
    w = train_step(w, x)
print(repr(train_step), train_step.__name__, train_step.__doc__, inspect.signature(train_step), callable(train_step))
print(train_step.lower(w, x).compile()(w, x).shape, jax.jit(lambda w: train_step(w, x))(w).shape)
print(jax.make_jaxpr(train_step)(w, x).out_avals, jax.vmap(train_step, (None, 0))(w, jnp.ones((3, 32, 64))).shape)
print(hasattr(train_step, "nothing of the kind"), train_step._cache_size() > 0, train_step.clear_cache())
try:
    train_step(w)
except TypeError as error:
    print("TypeError", str(error)[:40])
print(train_step(w, x=x).shape, float(train_step(w, x).sum()))
print(isinstance(train_step, jax.stages.Wrapped), "main" in export.export(train_step)(w, x).mlir_module())
for one in (copy.copy(train_step), copy.deepcopy(Trainer.__dict__["step"])):
    print(one is train_step, one(w, x).shape, jax.eval_shape(train_step, w, x))
try:
    pickle.dumps(train_step)
except Exception as error:
    print(repr(error))
"""


def test_a_function_whose_calls_are_steps_is_itself_in_all_else(dlprof, jax_python: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ALL_ELSE)
    done = dlprof("capture", "-o", tmp_path / "made", "--", jax_python, "train.py", cwd=tmp_path)
    plain = subprocess.run([jax_python, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    address = re.compile(" at 0x[0-9a-f]+")
    assert address.sub("", done.stdout) == address.sub("", plain.stdout)
    assert done.returncode == 0
    assert "jitted function __main__.plain" in done.stderr


SEARCH = """
import jax
import jax.numpy as jnp

def train(rate, steps):
    @jax.jit
    def step(w, x):
        return w - rate * jnp.mean(x @ w, axis=0) * w
    w = jnp.ones((8, 10))
    for n in range(steps):
        w = step(w, jnp.ones((16, 8)))
    return float(w.sum())

for rate in (1e-4, 1e-3, 1e-2):
    print(train(rate, 8))
print(train(1e-2, 400))
"""


def test_a_jitted_function_that_a_search_has_dropped_is_followed_by_the_next(
    dlprof, jax_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(SEARCH)
    done = dlprof("capture", "-o", tmp_path / "made", "--", jax_python, "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "made" / "manifest.json").read_text())["child"]["window"]["steps"] == 20
    assert "that came one after the other" in done.stderr


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


@pytest.mark.parametrize("told_by", ["a guess", "--step", "the script"])
def test_a_step_that_is_compiled_anew_among_the_recorded_ones_is_told(
    dlprof, jax_python: Path, tmp_path: Path, told_by: str
) -> None:
    """Whoever says what a step is: the compiler is listened to from the import of jax on."""
    script, words = SHAPES, ["--steps", "41..60"]
    if told_by == "--step":
        words += ["--step", "__main__:train_step"]
    elif told_by == "the script":
        shutil.copy(INJECTED / "dlprof_steps.py", tmp_path)
        script = "import dlprof_steps" + SHAPES.replace("8)))", "8)))\n    dlprof_steps.step()")
    (tmp_path / "train.py").write_text(script)
    done = dlprof("capture", *words, "-o", tmp_path / "made", "--", jax_python, "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "programs were compiled among the recorded steps" in done.stderr


KERAS = """
import sys
import keras, numpy
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = numpy.ones((4000, 20), "float32"), numpy.ones((4000, 1), "float32")
model.fit(x, y, batch_size=int(sys.argv[1]), epochs=int(sys.argv[2]), verbose=0)
"""


def test_a_batch_of_keras_that_its_fit_was_given_is_told_and_another_is_refused(
    dlprof, jax_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "train.py").write_text(KERAS)
    words = [f"{jax_python} train.py {size} 1000000" for size in (10, 20)]
    environment = {"KERAS_BACKEND": "jax"}
    done = dlprof("compare", "--a", words[0], "--b", words[1], "--trials", 1, "--traces", 0, "-o", tmp_path / "made",
                  cwd=tmp_path / "project", env=environment)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "batch differs: A float32[10, 20], B float32[20, 20] (--allow batch)" in done.stderr
