"""Trains a small model under JAX's own profiler: `python jax_training.py flax|keras FOLDER`, in an environment with JAX.

record_jax.py and a test run it; nothing of dlprof is imported. Source files are written without the folder they lie in.
"""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_HLO_SOURCE_FILE_CANONICALIZATION_REGEX"] = r".*/site-packages/|.*/(?=jax_training\.py)"

import jax
import numpy as np

STEPS = 3


def profiled(folder):
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    return jax.profiler.trace(folder, profiler_options=options)


def flax(folder):
    """Two blocks of a transformer, the second one rematerialised, under optax's AdamW; each step is waited for."""
    import optax
    from flax import linen as nn

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x):
            y = nn.LayerNorm(name="ln")(x)
            x = x + nn.MultiHeadDotProductAttention(num_heads=2, name="attention")(y)
            return x + nn.Dense(32, name="wo")(nn.gelu(nn.Dense(64, name="wi")(x)))

    class Transformer(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = Block(name="layers_0")(x)
            x = nn.remat(Block)(name="layers_1")(x)
            return nn.Dense(10)(x)

    model, optimizer = Transformer(), optax.adamw(1e-3)
    chance = np.random.default_rng(1)
    x = chance.standard_normal((4, 16, 32), dtype=np.float32)
    labels = chance.integers(0, 10, (4, 16))
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    # NumPy makes the weights: each module that JAX compiles for it would stand in the recording.
    weights = jax.tree.map(lambda leaf: 0.1 * chance.standard_normal(leaf.shape, dtype=np.float32), shapes)
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(optimizer.init, shapes))

    @jax.jit
    def train_step(weights, state, x, labels):
        def of(weights):
            logits = model.apply(weights, x)
            with jax.named_scope("loss"):
                return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        loss, gradients = jax.value_and_grad(of)(weights)
        updates, state = optimizer.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state, loss

    step = train_step.lower(weights, state, x, labels).compile()
    weights, state, _ = jax.block_until_ready(step(weights, state, x, labels))
    with profiled(folder):
        for number in range(STEPS):
            with jax.profiler.StepTraceAnnotation("train", step_num=number):
                weights, state, _ = jax.block_until_ready(step(weights, state, x, labels))


def keras(folder):
    """A small convolutional network under Keras's fit, a batch a step."""
    import keras

    class Marks(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002  Keras names them
            self.mark = jax.profiler.StepTraceAnnotation("batch", step_num=batch)
            self.mark.__enter__()

        def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
            self.mark.__exit__(None, None, None)

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((12, 12, 1)), layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
        layers.Dense(32, activation="relu"), layers.Dense(10),
    ])  # fmt: skip
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    chance = np.random.default_rng(1)
    x, labels = chance.random((16 * STEPS, 12, 12, 1), dtype=np.float32), chance.integers(0, 10, 16 * STEPS)
    model.fit(x, labels, batch_size=16, verbose=0)
    with profiled(folder):
        model.fit(x, labels, batch_size=16, verbose=0, callbacks=[Marks()])


if __name__ == "__main__":
    {"flax": flax, "keras": keras}[sys.argv[1]](sys.argv[2])
