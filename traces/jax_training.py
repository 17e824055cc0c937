"""Trains a small model under JAX's own profiler: `python jax_training.py PROGRAM FOLDER`, in an environment with JAX.

PROGRAM is a function at the end of this file: flax and keras are recorded, the others hold name stacks of other kinds.
record_jax.py and a test run it; nothing of dlprof is imported. Source files are written without the folder they lie in.
"""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["KERAS_BACKEND"] = "jax"
if sys.argv[1:2] == ["sharded"]:
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
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


def steps_of(step, arguments, folder):
    jax.block_until_ready(step(*arguments))
    with profiled(folder):
        for number in range(STEPS):
            with jax.profiler.StepTraceAnnotation("train", step_num=number):
                jax.block_until_ready(step(*arguments))


def trained(apply, weights, optimizer, x, labels, folder):
    """Steps of a model given by its function."""
    import optax

    def loss_fn(weights, x, labels):
        return optax.softmax_cross_entropy_with_integer_labels(apply(weights, x), labels).mean()

    @jax.jit
    def train_step(weights, state, x, labels):
        loss, gradients = jax.value_and_grad(loss_fn)(weights, x, labels)
        updates, state = optimizer.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state, loss

    steps_of(train_step, (weights, optimizer.init(weights), x, labels), folder)


def haiku(folder):
    """Two blocks of a transformer as Haiku modules, one of them in another."""
    import haiku as hk
    import optax

    class Block(hk.Module):
        def __call__(self, x):
            y = hk.LayerNorm(-1, True, True, name="ln")(x)
            y = hk.MultiHeadAttention(2, 16, w_init=hk.initializers.VarianceScaling(), name="attn")(y, y, y)
            return x + hk.Linear(32, name="out")(jax.nn.gelu(hk.nets.MLP([64, 32], name="mlp")(y)))

    def network(x):
        for number in range(2):
            x = Block(name=f"block_{number}")(x)
        return hk.Linear(10, name="head")(x.mean(1))

    model = hk.without_apply_rng(hk.transform(network))
    x = np.random.default_rng(1).standard_normal((4, 16, 32), dtype=np.float32)
    weights = model.init(jax.random.key(0), x)
    trained(model.apply, weights, optax.adam(1e-3), x, np.arange(4), folder)


def scan(folder):
    """Layers of a decoder that nn.scan runs one after the other, each rematerialised, as large language models have them."""
    import optax
    from flax import linen as nn

    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            y = nn.LayerNorm(name="pre_norm")(x)
            x = x + nn.MultiHeadDotProductAttention(num_heads=2, name="self_attention")(y)
            return x + nn.Dense(32, name="wo")(nn.relu(nn.Dense(64, name="wi")(x))), None

    class Decoder(nn.Module):
        @nn.compact
        def __call__(self, x):
            layers = nn.scan(
                nn.remat(Layer, prevent_cse=False),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=3,
            )
            x, _ = layers(name="layers")(x, None)
            return nn.Dense(10, name="logits_dense")(nn.LayerNorm(name="decoder_norm")(x))

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            return Decoder(name="decoder")(nn.Dense(32, name="token_embedder")(x))

    model = Model()
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))
    x = np.random.default_rng(1).standard_normal((4, 16, 32), dtype=np.float32)
    weights = model.init(jax.random.key(0), x)
    trained(model.apply, weights, optimizer, x, np.zeros((4, 16), int), folder)


def vmap(folder):
    """Gradients of each example and of all together."""
    import jax.numpy as jnp

    def network(weights, x):
        with jax.named_scope("encoder"):
            hidden = jnp.tanh(x @ weights["a"])
        with jax.named_scope("decoder"):
            return hidden @ weights["b"]

    def error(weights, x):
        return (network(weights, x) ** 2).mean()

    def errors(weights, x):
        return jax.vmap(error, (None, 0))(weights, x).mean()

    @jax.jit
    def step(weights, x):
        each = jax.vmap(jax.grad(error), (None, 0))(weights, x)
        gradients = jax.grad(errors)(weights, x)
        with jax.named_scope("sgd"):
            return jax.tree.map(lambda w, g, e: w - 0.1 * g - 0.1 * e.mean(0), weights, gradients, each)

    chance = np.random.default_rng(1)
    weights = {
        "a": chance.standard_normal((32, 64), dtype=np.float32),
        "b": chance.standard_normal((64, 8), dtype=np.float32),
    }
    steps_of(step, (weights, chance.standard_normal((16, 4, 32), dtype=np.float32)), folder)


def sharded(folder):
    """shard_map over two devices, which average their gradients."""
    import jax.numpy as jnp
    from jax.sharding import Mesh
    from jax.sharding import PartitionSpec as Parts

    def body(weights, x):
        def error(weights):
            with jax.named_scope("mlp"):
                hidden = jnp.tanh(x @ weights)
            return (hidden**2).mean()

        value, gradients = jax.value_and_grad(error)(weights)
        mean = jax.lax.pmean(gradients, "data")
        with jax.named_scope("sgd"):
            return weights - 0.1 * mean, jax.lax.psum(value, "data")

    mesh = Mesh(np.array(jax.devices()), ("data",))
    spread, same = Parts("data"), Parts()
    step = jax.jit(jax.shard_map(body, mesh=mesh, in_specs=(same, spread), out_specs=(same, same), check_vma=False))
    chance = np.random.default_rng(1)
    shapes = ((64, 64), (32, 64))
    steps_of(step, [chance.standard_normal(shape, dtype=np.float32) for shape in shapes], folder)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
