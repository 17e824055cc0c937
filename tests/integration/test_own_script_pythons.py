"""Scripts in environments of other Pythons, with nothing of dlprof in them: captured and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from framework_environments import environment, pip

from dlprof.capture.environments import pythons

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

JAX = """
import jax, jax.numpy as jnp
@jax.jit
def train_step(w, x):
    return w - 0.01 * jnp.mean(x @ w, axis=0) * w
w, x = jnp.ones((64, 10)), jnp.ones((32, 64))
for n in range(10**6 if FOREVER else 400):
    w = train_step(w, x)
assert isinstance(train_step, jax.stages.Wrapped)
print("sum", float(w.sum()))
"""

GLUON = """
import mxnet as mx
from mxnet import autograd, gluon
mx.random.seed(0)
net = gluon.nn.Dense(4, in_units=16)
net.initialize()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
x, y, l2 = mx.nd.ones((8, 16)), mx.nd.ones((8, 4)), gluon.loss.L2Loss()
for n in range(10**6 if FOREVER else 400):
    with autograd.record():
        loss = l2(net(x), y)
    loss.backward()
    trainer.step(8)
print("loss", loss.mean().asscalar())
"""

FUNCTION = """
import tensorflow as tf
tf.random.set_seed(0)
w = tf.Variable(tf.ones((64, 10)))
x = tf.ones((32, 64))
@tf.function
def train_step(batch):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((batch @ w) ** 2)
    w.assign_sub(0.01 * tape.gradient(loss, w))
    return loss
for n in range(10**6 if FOREVER else 400):
    loss = train_step(x)
print("loss", float(loss))
"""

SAVED = """
import tensorflow as tf
tf.random.set_seed(0)
class Net(tf.Module):
    w = None
    @tf.function(input_signature=[tf.TensorSpec((None, 8))])
    def step(self, x):
        if self.w is None:
            self.w = tf.Variable(tf.ones((8, 4)))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ self.w) ** 2)
        self.w.assign_sub(0.1 * tape.gradient(loss, self.w))
        return {"loss": loss}
for fold in range(2):
    net = Net()
    for n in range(10**6 if FOREVER else 200):
        told = net.step(tf.ones((4, 8)))
assert isinstance(net.step, tf.types.experimental.Callable)
tf.saved_model.save(net, "saved", signatures=net.step)
print("loss", float(told["loss"]), list(tf.saved_model.load("saved").signatures))
"""

FIT = """
import numpy as np, tensorflow as tf
tf.random.set_seed(0)
model = tf.keras.Sequential([tf.keras.layers.Dense(4, input_shape=(16,))])
model.compile(optimizer="sgd", loss="mse")
x, y = np.ones((320, 16), "float32"), np.ones((320, 4), "float32")
told = model.fit(x, y, batch_size=8, epochs=10**5 if FOREVER else 10, verbose=0)
print("loss", told.history["loss"][-1])
"""


class Tried(NamedTuple):
    """A release of Python, what is installed into an environment of it, and a script for that."""

    python: str
    packages: tuple[str, ...]
    script: str


TRIED = (
    Tried("3.6", ("mxnet==1.5.1", "numpy==1.19.5"), GLUON),
    Tried("3.7", ("mxnet==1.9.1", "numpy==1.21.6"), GLUON),
    Tried("3.8", ("mxnet==1.8.0.post0", "numpy==1.19.5"), GLUON),
    Tried("3.8", ("tensorflow-cpu==2.10.1", "numpy==1.24.4", "protobuf==3.19.6"), FUNCTION),
    Tried("3.8", ("tensorflow-cpu==2.10.1", "numpy==1.24.4", "protobuf==3.19.6"), SAVED),
    Tried("3.9", ("jax[cpu]==0.4.30",), JAX),
    Tried("3.10", ("tensorflow-cpu==2.15.1", "numpy==1.26.4"), FIT),
    Tried("3.12", ("jax==0.10.2",), JAX),
    Tried("3.13", ("jax==0.4.38",), JAX),
)


@pytest.fixture(params=TRIED, ids=[f"Python {one.python}, {one.packages[0]}" for one in TRIED])
def tried(request: pytest.FixtureRequest) -> tuple[Path, str]:
    """The environment's Python, and the script."""
    wanted: Tried = request.param
    of = pythons.find(wanted.python)
    if of is None:
        pytest.skip(f"no Python {wanted.python} on this machine")

    def install(python: Path) -> str | None:
        if wanted.python == "3.6":
            pip(python, "pip==21.3.1")  # the one that came with it does not know the wheels of numpy
        made = pip(python, "--only-binary", ":all:", *wanted.packages)
        return f"{wanted.packages[0]} cannot be installed: {made.stderr.strip()[-300:]}" if made.returncode else None

    name = "-".join(["script", wanted.python, *wanted.packages]).replace("==", "-").replace("[cpu]", "")
    return environment(request, name, install, of), wanted.script


def test_a_script_of_that_python_is_captured_and_compared(
    dlprof, here, tried: tuple[Path, str], tmp_path: Path
) -> None:
    python, script = tried
    (tmp_path / "project").mkdir()
    for name, forever in (("train", 0), ("long", 1)):
        (tmp_path / "project" / f"{name}.py").write_text(f"FOREVER = {forever}\n{script}")
    done = dlprof("capture", "-o", tmp_path / "made", "--", python, "train.py", cwd=tmp_path / "project")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    made = json.loads((tmp_path / "made" / "manifest.json").read_text())
    assert made["environment"]["python"].rpartition(".")[0] in python.resolve().as_posix()
    assert made["child"]["window"]["steps"] == 20
    assert made["child"]["runtime"]["untold"] == []
    assert "numpy" in made["environment"]["packages"]
    steps = json.loads(here("show", tmp_path / "made", "--by", "step", "--format", "json").stdout)
    assert len([row for row in steps["rows"] if row["step"] is not None]) == 20
    shown = json.loads(here("show", tmp_path / "made", "--format", "json").stdout)
    assert not [row["op"] for row in shown["rows"] if row["op"].startswith("$")], (
        "functions of Python, dlprof's hook among them"
    )
    command = f"{python} long.py"
    done = dlprof("compare", "--a", command, "--b", command, "--trials", 1, "--traces", 0, "--format", "json",
                  "-o", tmp_path / "compared", cwd=tmp_path / "project")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not [one for one in json.loads(done.stdout)["parity"] if one["blocks"] == "yes"]
