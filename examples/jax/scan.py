"""Fits a damped pendulum to a swing that was recorded: each step takes the gradient of a `lax.scan` over its samples, on a CPU.

    python scan.py

A loop of small operations is what became many times slower between JAX 0.4.31 and 0.4.33 (jax-ml/jax#25190, #36799):
`python docs/regenerate.py bisect` searches the release with `dlprof bisect`.
"""

import jax
import jax.numpy as jnp

STEPS, SAMPLES, SECONDS = 20_000, 1_000, 0.01
START = jnp.array([1.0, 0.0])


def swing(pendulum):
    def sample(state, _):
        angle, speed = state
        force = -9.81 / pendulum["length"] * jnp.sin(angle) - pendulum["damping"] * speed
        state = jnp.stack([angle + SECONDS * speed, speed + SECONDS * force])
        return state, state[0]

    return jax.lax.scan(sample, START, None, length=SAMPLES)[1]


recorded = swing({"length": jnp.array(1.0), "damping": jnp.array(0.2)})


def loss(pendulum):
    return jnp.mean((swing(pendulum) - recorded) ** 2)


@jax.jit
def train_step(pendulum):
    error, slopes = jax.value_and_grad(loss)(pendulum)
    return jax.tree.map(lambda value, slope: value - 0.01 * slope, pendulum, slopes), error


pendulum = {"length": jnp.array(1.3), "damping": jnp.array(0.1)}
for step in range(STEPS):
    pendulum, error = train_step(pendulum)
    now = float(error)
    if step % 1000 == 0:
        print(f"{step}: {now:.4f}")
