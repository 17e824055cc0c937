"""Updates of Adam and SGD as functions of arrays, which JAX itself has not: its users bring a library, or write these lines."""

import jax.numpy as jnp


def sgd(w, g, rate):
    """The parameter after a step."""
    return w - rate * g


def adam(w, m, v, g, rate, beta1, beta2, epsilon):
    """(parameter, first moment, second moment) after a step; epsilon outside the root, the rate corrected by the caller."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * jnp.square(g)
    return w - rate * m / (jnp.sqrt(v) + epsilon), m, v
