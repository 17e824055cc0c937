"""A network in JAX: a pure training step on dictionaries of arrays, jitted as one program or executed operator by operator.

Named scopes carry phase and layer into the path of every operator of the program: jvp(forward)/conv1/…,
transpose(jvp(forward))/conv1/…, loss/…, optimizer/conv1/w/….
"""

import numpy as np
from dlprof_child import layers as layer_list
from dlprof_child.backend import Network, no_span
from dlprof_child.faults import Unsupported
from dlprof_child.names import BACKWARD, FORWARD, LOSS, OPTIMIZER


class JaxNetwork(Network):
    """Weights and activations are NHWC, as the canonical layout is: nothing is permuted."""

    def __init__(self, jax, mode, device, description, weights):
        self._jax = jax
        self._mode = mode
        self._device = device
        self._layers = layer_list.resolve(description["model"])
        self._loss = _loss(jax, description["loss"])
        self._optimizer = _optimizer(jax, description["optimizer"])
        self._parameters = self._on_device({name: np.array(value) for name, value in sorted(weights.items())})
        self._state = self._on_device(self._optimizer.start(weights))
        if mode == "jit":
            self._step = jax.jit(self._step_body, donate_argnums=(0, 1))
            self._forward = jax.jit(self._logits)
            self._gradients = jax.jit(self._gradients_body)
            self._update = jax.jit(self._update_body, donate_argnums=(0, 1))
        else:
            self._step, self._forward = self._step_body, self._logits
            self._gradients, self._update = self._gradients_body, self._update_body

    def _on_device(self, arrays):
        # Copied before: JAX shares the memory of NumPy arrays that happen to be aligned, and donates it to the first step.
        return self._jax.device_put({name: np.array(value) for name, value in arrays.items()}, self._device)

    # what runs

    def _logits(self, parameters, x):
        jax = self._jax
        with jax.named_scope("forward"):
            for layer in self._layers:
                with jax.named_scope(layer.name):
                    x = _apply(jax, layer, x, parameters)
        return x

    def _gradients_body(self, parameters, x, y, span=no_span):
        """(logits, loss, gradients by the parameters)."""
        jax = self._jax
        with span(FORWARD):
            logits, to_parameters = jax.vjp(lambda given: self._logits(given, x), parameters)
        with span(LOSS), jax.named_scope("loss"):
            loss, to_logits = jax.vjp(lambda given: self._loss(given, y), logits)
        with span(BACKWARD):
            (gradients,) = to_parameters(*to_logits(jax.numpy.ones_like(loss)))
        return logits, loss, gradients

    def _update_body(self, parameters, state, gradients):
        with self._jax.named_scope("optimizer"):
            return self._optimizer.apply(self._jax, parameters, state, gradients)

    def _step_body(self, parameters, state, x, y, span=no_span):
        _, loss, gradients = self._gradients_body(parameters, x, y, span)
        with span(OPTIMIZER):
            parameters, state = self._update_body(parameters, state, gradients)
        return parameters, state, loss

    # Network

    def batch(self, images, labels):
        put = self._jax.device_put
        return put(images, self._device), None if labels is None else put(labels, self._device)

    def step(self, x, y, span):
        if self._mode == "jit":
            self._parameters, self._state, loss = self._step(self._parameters, self._state, x, y)
        else:
            self._parameters, self._state, loss = self._step(self._parameters, self._state, x, y, span)
        return loss

    def infer(self, x):
        return self._forward(self._parameters, x)

    def sync(self, handle):
        # The loss and the updates: operator by operator they are done in any order.
        self._jax.block_until_ready((handle, self._parameters, self._state))

    def numpy(self, handle):
        return np.asarray(handle)

    def gradients(self, x, y):
        logits, loss, gradients = self._gradients(self._parameters, x, y)
        return np.asarray(logits), np.asarray(loss), {name: np.asarray(value) for name, value in gradients.items()}

    def apply(self, gradients):
        self._parameters, self._state = self._update(self._parameters, self._state, self._on_device(gradients))

    def weights(self):
        return {name: np.array(value) for name, value in self._parameters.items()}

    def snapshot(self):
        return self.weights(), {name: np.array(value) for name, value in self._state.items()}

    def restore(self, state):
        parameters, inner = state
        self._parameters, self._state = self._on_device(parameters), self._on_device(inner)
        self._jax.block_until_ready((self._parameters, self._state))

    def updates(self):
        return int(self._state["count"])

    def facts(self):
        return {
            "layout": "NHWC",
            "dtype": sorted({np.dtype(value.dtype).name for value in self._parameters.values()}),
            "input": "gathered and scaled by NumPy in every step, jax.device_put",
            "synchronisation": "jax.block_until_ready on the loss, the parameters and the optimizer's state",
            "loss": "mean over the batch, computed in every step",
        }


def _apply(jax, layer, x, parameters):
    if layer.op == "Conv":
        stride = layer_list.pair(layer.get("stride", 1))
        numbers = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(
            x, parameters[layer.name + "/w"], stride, _padding(layer), dimension_numbers=numbers
        )
        x = x + parameters[layer.name + "/b"]
    elif layer.op in ("AveragePool", "MaxPool"):
        x = _pool(jax, layer, x)
    elif layer.op == "Flatten":
        x = x.reshape((x.shape[0], -1))
    elif layer.op == "Gemm":
        x = jax.numpy.dot(x, parameters[layer.name + "/w"]) + parameters[layer.name + "/b"]
    return _activate(jax, layer.get("activation"), x)


def _padding(layer):
    return str(layer.get("padding", "valid")).upper()


def _pool(jax, layer, x):
    window = (1, *layer_list.pair(layer.get("kernel")), 1)
    stride = (1, *layer_list.pair(layer.get("stride", 1)), 1)
    lax, padding = jax.lax, _padding(layer)
    if layer.op == "MaxPool":
        return lax.reduce_window(x, -np.inf, lax.max, window, stride, padding)
    total = lax.reduce_window(x, 0.0, lax.add, window, stride, padding)
    if padding == "VALID":
        return total / float(window[1] * window[2])
    ones = jax.numpy.ones((1, *x.shape[1:3], 1), x.dtype)
    return total / lax.reduce_window(ones, 0.0, lax.add, window, stride, padding)  # padding counts for nothing


def _activate(jax, name, x):
    functions = {
        "Relu": jax.nn.relu,
        "Sigmoid": jax.nn.sigmoid,
        "Tanh": jax.numpy.tanh,
        "Softplus": jax.nn.softplus,
        "Softsign": jax.nn.soft_sign,
    }
    if name is None:
        return x
    if name not in functions:
        raise Unsupported("no activation '%s'" % name, "known: " + ", ".join(sorted(functions)))
    return functions[name](x)


def _loss(jax, spec):
    """Mean loss of logits and labels, as a function, of a `[loss]` table."""
    jnp = jax.numpy
    if spec["op"] == "SigmoidCrossEntropyLoss":

        def sigmoid(logits, labels):
            targets = labels.reshape((-1, 1)).astype(logits.dtype)
            return jnp.mean(jax.nn.softplus(logits) - logits * targets)

        return sigmoid
    if spec["op"] == "SoftmaxCrossEntropyLoss":

        def softmax(logits, labels):
            chosen = jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]
            return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - chosen)

        return softmax
    raise Unsupported("no training loss '%s'" % spec["op"], "known: SoftmaxCrossEntropyLoss, SigmoidCrossEntropyLoss")


def _optimizer(jax, spec):
    makers = {"Adam": Adam, "SGD": Sgd}
    if spec["op"] not in makers:
        raise Unsupported("no optimizer '%s'" % spec["op"], "known: " + ", ".join(sorted(makers)))
    return makers[spec["op"]](spec)


class Adam:
    """The formula of MXNet's adam_update: epsilon outside the root, the rate corrected once for all parameters."""

    def __init__(self, spec):
        self._spec = {key: float(spec[key]) for key in ("learning_rate", "beta1", "beta2", "epsilon")}

    def start(self, weights):
        """name -> array of the state before the first step."""
        state = {"%s/%s" % (moment, name): np.zeros_like(w) for name, w in weights.items() for moment in ("m", "v")}
        return dict(state, count=np.zeros((), np.int32))

    def apply(self, jax, parameters, state, gradients):
        """(parameters, state) after a step."""
        from jax_optimizers import adam

        spec, jnp = self._spec, jax.numpy
        count = state["count"] + 1
        steps = count.astype(jnp.float32)
        rate = spec["learning_rate"] * jnp.sqrt(1 - spec["beta2"] ** steps) / (1 - spec["beta1"] ** steps)
        after, inner = {}, {"count": count}
        for name, w in parameters.items():
            with jax.named_scope(name):
                after[name], inner["m/" + name], inner["v/" + name] = adam(
                    w, state["m/" + name], state["v/" + name], gradients[name],
                    rate, spec["beta1"], spec["beta2"], spec["epsilon"],
                )  # fmt: skip
        return after, inner


class Sgd:
    """w - rate * gradient."""

    def __init__(self, spec):
        self._rate = float(spec["learning_rate"])

    def start(self, weights):
        """The count of updates alone."""
        return {"count": np.zeros((), np.int32)}

    def apply(self, jax, parameters, state, gradients):
        """(parameters, state) after a step."""
        from jax_optimizers import sgd

        after = {}
        for name, w in parameters.items():
            with jax.named_scope(name):
                after[name] = sgd(w, gradients[name], self._rate)
        return after, {"count": state["count"] + 1}
