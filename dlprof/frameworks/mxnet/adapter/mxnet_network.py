"""A network in MXNet 1.x Gluon: imperative, hybridized, or hybridized with static memory. Layout NCHW."""

import numpy as np
from dlprof_child import channels_first
from dlprof_child import layers as layer_list
from dlprof_child.backend import Network
from dlprof_child.faults import Unsupported
from dlprof_child.names import BACKWARD, FORWARD, LOSS, OPTIMIZER

_ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softrelu", "Softsign": "softsign"}


class GluonNetwork(Network):
    """A HybridSequential with a Trainer. Canonical weights are permuted on their way in and out."""

    def __init__(self, mx, mode, context, description, weights):
        self._mx = mx
        self._mode = mode
        self._context = context
        self._layers = layer_list.resolve(description["model"])
        self._layout = channels_first.Weights(self._layers)
        self._net, self._parameters = build(mx, context, self._layers)
        for name, value in weights.items():
            self._parameters[name].set_data(mx.nd.array(self._layout.turned(name, value), ctx=context))
        self._loss = _loss(mx, description["loss"])
        if mode != "imperative":
            static = {"static_alloc": True, "static_shape": True} if mode == "hybrid-static" else {}
            self._net.hybridize(**static)
            self._loss.hybridize(**static)
        name, arguments = optimizer_arguments(description["optimizer"])
        self._optimizer = name
        self._trainer = mx.gluon.Trainer(self._net.collect_params(), name, arguments)

    # Network

    def batch(self, images, labels):
        x = self._mx.nd.array(channels_first.images(images), ctx=self._context, dtype="float32")
        return x, None if labels is None else self._mx.nd.array(labels, ctx=self._context, dtype="float32")

    def step(self, x, y, span):
        mx = self._mx
        with mx.autograd.record():
            with span(FORWARD):
                logits = self._net(x)
            with span(LOSS):
                losses = self._loss(logits, y)
        with span(BACKWARD):
            losses.backward()
        with span(OPTIMIZER):
            self._trainer.step(x.shape[0])  # the gradient of the sum, scaled to that of the mean
        with span(LOSS):
            return losses.mean()

    def infer(self, x):
        return self._net(x)

    def sync(self, handle):
        self._mx.nd.waitall()

    def numpy(self, handle):
        return handle.asnumpy()

    def gradients(self, x, y):
        with self._mx.autograd.record():
            logits = self._net(x)
            loss = self._loss(logits, y).mean()
        loss.backward()
        gradients = {
            name: self._layout.canonical(name, parameter.grad(self._context).asnumpy())
            for name, parameter in self._parameters.items()
        }
        return logits.asnumpy(), loss.asnumpy().reshape(()), gradients

    def apply(self, gradients):
        with self._mx.autograd.record():  # marks the gradients as new, else the trainer calls them stale
            total = sum(parameter.data(self._context).sum() for parameter in self._parameters.values())
        total.backward()
        for name, parameter in self._parameters.items():
            parameter.grad(self._context)[:] = self._mx.nd.array(self._layout.turned(name, gradients[name]))
        self._trainer.step(1)

    def weights(self):
        return {
            name: self._layout.canonical(name, parameter.data(self._context).asnumpy())
            for name, parameter in self._parameters.items()
        }

    def _updater(self):
        return self._trainer._updaters[0]

    def _optimizer_object(self):
        return self._trainer._optimizer

    def snapshot(self):
        self._mx.nd.waitall()
        weights = {name: parameter.data(self._context).asnumpy() for name, parameter in self._parameters.items()}
        states = {index: [s.asnumpy() for s in _arrays(state)] for index, state in self._updater().states.items()}
        optimizer = self._optimizer_object()
        return weights, states, dict(optimizer._index_update_count), optimizer.num_update

    def restore(self, state):
        weights, states, counts, updates = state
        for name, parameter in self._parameters.items():
            parameter.set_data(self._mx.nd.array(weights[name], ctx=self._context))
        # In place: cleared states would be made anew by 20 `_zeros` operators inside the traced window.
        for index, current in self._updater().states.items():
            for position, array in enumerate(_arrays(current)):
                array[:] = states[index][position] if index in states else 0
        optimizer = self._optimizer_object()
        optimizer._index_update_count.clear()
        optimizer._index_update_count.update(counts)
        optimizer.num_update = updates
        self._mx.nd.waitall()

    def updates(self):
        return int(self._optimizer_object().num_update)

    def facts(self):
        return {
            "layout": "NCHW",
            "dtype": sorted({np.dtype(parameter.dtype).name for parameter in self._parameters.values()}),
            "input": "gathered and scaled by NumPy in every step, mx.nd.array copies",
            "synchronisation": "mx.nd.waitall()",
            "loss": "mean over the batch, computed in every step",
        }

    def expected(self):
        return expected_operators(self._layers, self._optimizer, len(self._parameters))


def _arrays(state):
    """The NDArrays of one parameter's optimizer state: Adam keeps two, SGD none."""
    if state is None:
        return ()
    return state if isinstance(state, (tuple, list)) else (state,)


def build(mx, context, layers):
    """(HybridSequential, {"conv1/w": Parameter, ...}), initialised so that shapes are known."""
    nn = mx.gluon.nn
    net, parameters = nn.HybridSequential(prefix=""), {}
    with net.name_scope():
        for layer in layers:
            block = _block(nn, layer)
            net.add(block)
            if layer.parameters:
                parameters[layer.name + "/w"], parameters[layer.name + "/b"] = block.weight, block.bias
    net.initialize(mx.init.Zero(), ctx=context)
    return net, parameters


def _block(nn, layer):
    prefix = layer.name + "_"
    activation = _activation(layer.get("activation"))
    padding = channels_first.padding(layer, "MXNet")
    if layer.op == "Conv":
        return nn.Conv2D(
            layer.get("filters"),
            layer_list.pair(layer.get("kernel")),
            strides=layer_list.pair(layer.get("stride", 1)),
            padding=padding,
            activation=activation,
            in_channels=layer.shape_in[2],
            prefix=prefix,
        )
    if layer.op == "Gemm":
        return nn.Dense(layer.get("units"), activation=activation, in_units=layer.shape_in[-1], prefix=prefix)
    if layer.op == "Flatten":
        return nn.Flatten(prefix=prefix)
    pool = {"AveragePool": nn.AvgPool2D, "MaxPool": nn.MaxPool2D}[layer.op]
    options = {"count_include_pad": False} if layer.op == "AveragePool" and padding != (0, 0) else {}
    return pool(
        layer_list.pair(layer.get("kernel")),
        strides=layer_list.pair(layer.get("stride", 1)),
        padding=padding,
        prefix=prefix,
        **options,
    )


def _activation(name):
    if name is not None and name not in _ACTIVATIONS:
        raise Unsupported("no activation '%s'" % name, "known: " + ", ".join(sorted(_ACTIVATIONS)))
    return _ACTIVATIONS.get(name)


def _loss(mx, spec):
    if spec["op"] == "SigmoidCrossEntropyLoss":
        return mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    if spec["op"] != "SoftmaxCrossEntropyLoss":
        raise Unsupported(
            "no training loss '%s'" % spec["op"], "known: SoftmaxCrossEntropyLoss, SigmoidCrossEntropyLoss"
        )
    return mx.gluon.loss.SoftmaxCrossEntropyLoss()


def optimizer_arguments(spec):
    """(name, arguments) of gluon.Trainer for an `[optimizer]` table."""
    if spec["op"] == "Adam":
        keys = ("learning_rate", "beta1", "beta2", "epsilon")
        return "adam", {key: spec[key] for key in keys}
    if spec["op"] == "SGD":
        return "sgd", {"learning_rate": spec["learning_rate"]}
    raise Unsupported("no optimizer '%s'" % spec["op"], "known: Adam, SGD")


def expected_operators(layers, optimizer, parameters):
    """raw op name -> executions a training step, when nothing is bulked."""
    names = {
        "Conv": "Convolution",
        "Gemm": "FullyConnected",
        "AveragePool": "Pooling",
        "MaxPool": "Pooling",
        "Flatten": "Flatten",
    }
    counts = {}
    for layer in layers:
        names_here = [names[layer.op]]
        if layer.get("activation"):
            names_here.append("Activation")
        for name in names_here:
            counts[name] = counts.get(name, 0) + 1
    for name in [name for name in counts if name != "Flatten"]:
        counts["_backward_" + name] = counts[name]
    if optimizer == "adam":  # sgd is aggregated since 1.5: several parameters in one multi_sgd_update
        counts["adam_update"] = parameters
    return counts
