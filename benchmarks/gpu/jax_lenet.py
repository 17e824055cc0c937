"""LeNet in plain JAX under jax.profiler.

    python jax_lenet.py --device gpu --out FOLDER

Needs JAX alone (no dlprof). Writes FOLDER/plugins/profile/…/*.xplane.pb, and facts.json: versions, device, median time of an
untraced step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp

BATCH, RATE = 200, 0.001
SHAPES = {"conv1": (5, 5, 1, 6), "conv2": (3, 3, 6, 16), "dense1": (400, 120), "dense2": (120, 84), "logits": (84, 10)}


def weights(key: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Weights and biases of the layers of dlprof's workload `lenet`."""
    glorot, made = jax.nn.initializers.glorot_uniform(), {}
    for name, shape in SHAPES.items():
        key, own = jax.random.split(key)
        made[name] = (glorot(own, shape), jnp.zeros(shape[-1]))
    return made


def forward(layers, images):
    x = images
    for name in ("conv1", "conv2"):
        kernel, bias = layers[name]
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + bias)
        x = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
    x = x.reshape(x.shape[0], -1)
    for name in ("dense1", "dense2"):
        x = jax.nn.relu(x @ layers[name][0] + layers[name][1])
    return x @ layers["logits"][0] + layers["logits"][1]


def loss(layers, images, labels):
    chosen = jax.nn.log_softmax(forward(layers, images))
    return -jnp.take_along_axis(chosen, labels[:, None], 1).mean()


@jax.jit
def step(layers, moments, count, images, labels):
    """One Adam step."""
    grads = jax.grad(loss)(layers, images, labels)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], grads)
    scale = RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    layers = jax.tree.map(lambda w, m, v: w - scale * m / (jnp.sqrt(v) + 1e-8), layers, first, second)
    return layers, (first, second)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="gpu", choices=["gpu", "cpu"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        device = jax.devices(arguments.device)[0]
    except RuntimeError as failure:
        print(failure, file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    steps = arguments.steps
    with jax.default_device(device), jax.default_matmul_precision("float32"):
        key = jax.random.key(0)
        layers = weights(key)
        moments = (jax.tree.map(jnp.zeros_like, layers), jax.tree.map(jnp.zeros_like, layers))
        images = jax.random.uniform(key, (BATCH, 28, 28, 1))
        labels = jax.random.randint(key, (BATCH,), 0, 10)
        untraced = []
        for count in range(1, steps + 1):
            start = time.perf_counter_ns()
            layers, moments = jax.block_until_ready(step(layers, moments, count, images, labels))
            untraced.append(time.perf_counter_ns() - start)
        with jax.profiler.trace(str(arguments.out)):
            for number in range(steps):
                with jax.profiler.TraceAnnotation(f"dlprof:step={number}"):
                    layers, moments = jax.block_until_ready(step(layers, moments, steps + 1 + number, images, labels))
    facts = {
        "jax": jax.__version__,
        "device": device.device_kind,
        "steps": steps,
        "untraced_step_ns": statistics.median(untraced[steps // 2 :]),
    }
    (arguments.out / "facts.json").write_text(json.dumps(facts, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
