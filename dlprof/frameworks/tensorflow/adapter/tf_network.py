"""A network in TensorFlow 2 on tf.nn operators and tf.Variables: eager, tf.function graph, or XLA-compiled.

Name scopes carry phase and layer into every op's path: forward/conv1/Conv2D, loss/…, gradient_tape/forward/conv1/…,
optimizer/conv1/w/ResourceApplyAdam.
"""

import re

import numpy as np
from dlprof_child import layers as layer_list
from dlprof_child.backend import Network, no_span
from dlprof_child.faults import Unsupported
from dlprof_child.names import BACKWARD, FORWARD, LOSS, OPTIMIZER
from tf_modes import CALLS_WITH_ALL_KERNELS, compiled


def make_network(tf, mode, device, description, weights):
    """A Network for the mode."""
    if mode == "keras":
        from tf_keras import KerasNetwork

        return KerasNetwork(tf, device, description, weights)
    return TensorFlowNetwork(tf, mode, device, description, weights)


class TensorFlowNetwork(Network):
    """Weights and activations are NHWC, as the canonical layout is: nothing is permuted."""

    def __init__(self, tf, mode, device, description, weights):
        self._tf = tf
        self._mode = mode
        self._device = device
        self._layers = layer_list.resolve(description["model"])
        self._loss = make_loss(tf, description["loss"])
        self._loss_kernel = softmax_kernel(description["loss"])
        with tf.device(device):
            self._variables = {name: tf.Variable(value, name=name) for name, value in sorted(weights.items())}
            self._optimizer = make_optimizer(tf, description["optimizer"], self._variables)
        self._step = self._compiled(self._step_body)
        self._forward = self._compiled(self._forward_body)
        # of its own, so that computing parity compiles nothing that is timed later
        self._gradients = self._compiled(self._gradients_body)
        self._fresh_steps = []
        self._fresh_forwards = []
        self._fresh_calls = 0

    def _compiled(self, function):
        return compiled(self._tf, self._mode, function)

    # what runs

    def _logits(self, x):
        tf = self._tf
        with tf.name_scope("forward"):
            return apply_layers(tf, self._layers, x, self._variables)

    def _forward_body(self, x):
        return self._logits(x)

    def _loss_and_gradients(self, x, y, span):
        tf = self._tf
        with tf.GradientTape() as tape:
            with span(FORWARD):
                logits = self._logits(x)
            with span(LOSS), tf.name_scope("loss"):
                loss = self._loss(logits, y)
        # Before TensorFlow 2.2 a tape's operators are not named gradient_tape/… by themselves.
        with span(BACKWARD), tf.name_scope("backward"):
            gradients = tape.gradient(loss, self._variables)
        return logits, loss, gradients

    def _step_body(self, x, y, span=no_span):
        _, loss, gradients = self._loss_and_gradients(x, y, span)
        with span(OPTIMIZER), self._tf.name_scope("optimizer"):
            self._optimizer.apply(gradients)
        return loss

    def _gradients_body(self, x, y):
        return self._loss_and_gradients(x, y, no_span)

    # Network

    def batch(self, images, labels):
        tf = self._tf
        with tf.device(self._device):
            return tf.convert_to_tensor(images), None if labels is None else tf.convert_to_tensor(labels)

    def step(self, x, y, span):
        with self._tf.device(self._device):
            if self._mode == "eager":
                return self._step(x, y, span)
            return self._next(self._step, self._fresh_steps)(x, y)

    def _next(self, warm, fresh):
        if not fresh:
            return warm
        index = min(self._fresh_calls // CALLS_WITH_ALL_KERNELS, len(fresh) - 1)
        self._fresh_calls += 1
        return fresh[index]

    def prepare_trace(self, fidelity, steps, batch, trains=True):
        """For exact counts: as many copies of the graph as needed for each to be run 64 times at most.

        The executor drops cheap kernels (ReadVariableOp, scalar Mul) from the trace once it has learnt how cheap they
        are; a fresh copy has not learnt it yet.
        """
        if fidelity != "exact" or self._mode != "graph":
            return
        state = self.snapshot()
        x, y = self.batch(*batch)
        copies = -(-steps // CALLS_WITH_ALL_KERNELS)
        fresh = [self._compiled(self._step_body if trains else self._forward_body) for _ in range(copies)]
        with self._tf.device(self._device):
            for function in fresh:
                self.sync(function(x, y) if trains else function(x))
        self._fresh_steps, self._fresh_forwards, self._fresh_calls = (fresh, [], 0) if trains else ([], fresh, 0)
        self.restore(state)

    def infer(self, x):
        with self._tf.device(self._device):
            return self._next(self._forward, self._fresh_forwards)(x)

    def sync(self, handle):
        # A tf.function returns when its whole graph, updates included, has run (CPU) or been enqueued (GPU); reading the
        # value then waits for the device's stream, behind the updates.
        handle.numpy()

    def numpy(self, handle):
        return handle.numpy()

    def gradients(self, x, y):
        with self._tf.device(self._device):
            logits, loss, gradients = self._gradients(x, y)
        return logits.numpy(), loss.numpy(), {name: value.numpy() for name, value in gradients.items()}

    def apply(self, gradients):
        with self._tf.device(self._device):
            self._optimizer.apply({name: self._tf.convert_to_tensor(value) for name, value in gradients.items()})

    def weights(self):
        return {name: variable.numpy() for name, variable in self._variables.items()}

    def _state(self):
        return list(self._variables.values()) + self._optimizer.state()

    def snapshot(self):
        return [variable.numpy() for variable in self._state()]

    def restore(self, state):
        for variable, value in zip(self._state(), state):
            variable.assign(value)

    def updates(self):
        return self._optimizer.updates()

    def facts(self):
        return {
            "layout": "NHWC",
            "dtype": sorted({variable.dtype.name for variable in self._variables.values()}),
            "input": "gathered and scaled by NumPy in every step, tf.convert_to_tensor",
            "synchronisation": "the last loss is read with .numpy()",
            "loss": "mean over the batch, computed in every step",
        }

    def expected(self):
        return {self._optimizer.kernel: len(self._variables), **self._loss_kernel}


def _same_or_valid(layer):
    return str(layer.get("padding", "valid")).upper()


def _window(value):
    """3 -> [1, 3, 3, 1]: the form that all releases take."""
    return [1, *layer_list.pair(value), 1]


def apply_layers(tf, layers, x, variables):
    """Logits of the layers, each in a name scope of its own."""
    for layer in layers:
        with tf.name_scope(layer.name):
            x = _apply(tf, layer, x, variables)
    return x


def _apply(tf, layer, x, variables):
    if layer.op == "Conv":
        x = tf.nn.conv2d(x, variables[layer.name + "/w"], _window(layer.get("stride", 1)), _same_or_valid(layer))
        x = tf.nn.bias_add(x, variables[layer.name + "/b"])
    elif layer.op in ("AveragePool", "MaxPool"):
        average = layer.op == "AveragePool"
        pool = getattr(tf.nn, "avg_pool2d" if average else "max_pool2d", None)
        if pool is None:  # TensorFlow 1.12
            pool = tf.nn.avg_pool if average else tf.nn.max_pool
        x = pool(x, _window(layer.get("kernel")), _window(layer.get("stride", 1)), _same_or_valid(layer))
    elif layer.op == "Flatten":
        x = tf.reshape(x, [-1, layer.shape_out[0]])
    elif layer.op == "Gemm":
        x = tf.nn.bias_add(tf.matmul(x, variables[layer.name + "/w"]), variables[layer.name + "/b"])
    return activate(tf, layer.get("activation"), x)


def activate(tf, name, x):
    """An activation by its ONNX name; None leaves x as it is."""
    functions = {
        "Relu": tf.nn.relu,
        "Sigmoid": tf.nn.sigmoid,
        "Tanh": tf.nn.tanh,
        "Softplus": tf.nn.softplus,
        "Softsign": tf.nn.softsign,
    }
    if name is None:
        return x
    if name not in functions:
        raise Unsupported("no activation '%s'" % name, "known: " + ", ".join(sorted(functions)))
    return functions[name](x)


def softmax_kernel(spec):
    """{raw op name: executions a step} of the loss, where one kernel is the loss."""
    return {"SparseSoftmaxCrossEntropyWithLogits": 1} if spec["op"] == "SoftmaxCrossEntropyLoss" else {}


LOSSES = ("SoftmaxCrossEntropyLoss", "SigmoidCrossEntropyLoss")


def make_loss(tf, spec):
    """Mean loss of logits and labels, as a function, of a `[loss]` table."""
    if spec["op"] == "SigmoidCrossEntropyLoss":
        return lambda logits, labels: tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(
                labels=tf.cast(tf.reshape(labels, [-1, 1]), logits.dtype), logits=logits
            )
        )
    if spec["op"] != "SoftmaxCrossEntropyLoss":
        raise Unsupported("no training loss '%s'" % spec["op"], "known: " + ", ".join(LOSSES))
    return lambda logits, labels: tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=labels)
    )


def make_optimizer(tf, spec, variables):
    """The optimizer of a `[optimizer]` table."""
    makers = {"Adam": Adam, "SGD": Sgd}
    if spec["op"] not in makers:
        raise Unsupported("no optimizer '%s'" % spec["op"], "known: " + ", ".join(sorted(makers)))
    return makers[spec["op"]](tf, spec, variables)


def _fused(tf, kernel):
    """The operator of an optimizer's fused kernel, such as ResourceApplyAdam; before 1.15 there is no tf.raw_ops."""
    if hasattr(tf, "raw_ops"):
        return getattr(tf.raw_ops, kernel)
    from tensorflow.python.training import gen_training_ops

    return getattr(gen_training_ops, re.sub(r"(?<!^)(?=[A-Z])", "_", kernel).lower())


class Adam:
    """One fused ResourceApplyAdam a parameter: the formula of MXNet's adam_update (epsilon outside the root).

    Keras' own Adam decomposes into many small operators in recent versions, which would be other work than MXNet's.
    """

    kernel = "ResourceApplyAdam"

    def __init__(self, tf, spec, variables):
        self._tf = tf
        self._spec = {key: np.float32(spec[key]) for key in ("learning_rate", "beta1", "beta2", "epsilon")}
        self._variables = variables
        self._m = {name: tf.Variable(tf.zeros_like(v), name=name + "/m") for name, v in variables.items()}
        self._v = {name: tf.Variable(tf.zeros_like(v), name=name + "/v") for name, v in variables.items()}
        self._power1 = tf.Variable(self._spec["beta1"], name="beta1_power")
        self._power2 = tf.Variable(self._spec["beta2"], name="beta2_power")

    def apply(self, gradients):
        tf, spec = self._tf, self._spec
        power1, power2 = self._power1.read_value(), self._power2.read_value()
        for name, variable in self._variables.items():
            with tf.name_scope(name):
                _fused(tf, self.kernel)(
                    var=variable.handle,
                    m=self._m[name].handle,
                    v=self._v[name].handle,
                    beta1_power=power1,
                    beta2_power=power2,
                    lr=spec["learning_rate"],
                    beta1=spec["beta1"],
                    beta2=spec["beta2"],
                    epsilon=spec["epsilon"],
                    grad=gradients[name],
                    use_locking=False,
                    use_nesterov=False,
                )
        self._power1.assign(power1 * spec["beta1"])
        self._power2.assign(power2 * spec["beta2"])

    def state(self):
        return list(self._m.values()) + list(self._v.values()) + [self._power1, self._power2]

    def updates(self):
        """From beta2's power, which every update multiplies once more; None once float32 holds it no longer."""
        power = float(self._power2.numpy())
        if not 1e-30 < power < 1:
            return None
        return round(float(np.log(power) / np.log(float(self._spec["beta2"])))) - 1


class Sgd:
    """One fused ResourceApplyGradientDescent a parameter."""

    kernel = "ResourceApplyGradientDescent"

    def __init__(self, tf, spec, variables):
        self._tf = tf
        self._rate = np.float32(spec["learning_rate"])
        self._variables = variables

    def apply(self, gradients):
        tf = self._tf
        for name, variable in self._variables.items():
            with tf.name_scope(name):
                _fused(tf, self.kernel)(var=variable.handle, alpha=self._rate, delta=gradients[name], use_locking=False)

    def state(self):
        return []

    def updates(self):
        """Nothing counts."""
