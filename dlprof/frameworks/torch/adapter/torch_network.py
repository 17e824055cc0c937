"""A network in PyTorch 2: torch.nn modules trained by torch.optim, eager or compiled. Layout NCHW.

The profiler's ranges carry phase and layer: dlprof:forward around a range for each layer, conv1 and so on (mode eager).
"""

import collections
import math

import numpy as np
from dlprof_child import channels_first
from dlprof_child import layers as layer_list
from dlprof_child.backend import Network, no_span
from dlprof_child.faults import Unsupported
from dlprof_child.names import BACKWARD, FORWARD, LOSS, OPTIMIZER
from torch_modes import compiled


class TorchNetwork(Network):
    """A Sequential of the layers. Canonical weights are permuted on their way in and out."""

    def __init__(self, torch, mode, device, description, weights):
        self._torch = torch
        self._mode = mode
        self._device = device
        self._layers = layer_list.resolve(description["model"])
        self._layout = channels_first.Weights(self._layers)
        self._parts = [(layer.name, _modules(torch, layer)) for layer in self._layers]
        named = [("%s_%d" % (name, at), one) for name, modules in self._parts for at, one in enumerate(modules)]
        module = torch.nn.Sequential(collections.OrderedDict(named)).to(device)
        self._parameters = {
            layer.name + "/" + key: getattr(modules[0], attribute)
            for layer, (_, modules) in zip(self._layers, self._parts)
            for key, attribute in (("w", "weight"), ("b", "bias"))
            if layer.parameters
        }
        self._write(weights)
        self._model = compiled(torch, mode, module)
        self._loss = make_loss(torch, description["loss"])
        self._optimizer = make_optimizer(torch, description["optimizer"], list(self._parameters.values()))
        # Operators of which a network has one a layer, as the profiler names them.
        self._kernels = {self._optimizer.kernel: 1}
        if mode == "eager":
            self._kernels.update(_counts(self._layers, self._loss.kernel))

    def _write(self, weights):
        torch = self._torch
        with torch.no_grad():
            for name, value in weights.items():
                turned = np.ascontiguousarray(self._layout.turned(name, value))
                self._parameters[name].copy_(torch.from_numpy(turned))

    def _forward(self, x, span):
        """Logits; traced, an eager network runs each layer in a range of its name."""
        if span is no_span or self._mode != "eager":
            return self._model(x)
        for name, modules in self._parts:
            with span(name):
                for module in modules:
                    x = module(x)
        return x

    # Network

    def batch(self, images, labels):
        torch = self._torch
        x = torch.from_numpy(np.ascontiguousarray(channels_first.images(images))).to(self._device)
        if labels is None:
            return x, None
        return x, self._loss.labels(torch.from_numpy(labels)).to(self._device)

    def step(self, x, y, span):
        with span(OPTIMIZER):
            self._optimizer.zero_grad()
        with span(FORWARD):
            logits = self._forward(x, span)
        with span(LOSS):
            loss = self._loss(logits, y)
        with span(BACKWARD):
            loss.backward()
        with span(OPTIMIZER):
            self._optimizer.step()
        return loss.detach()

    def infer(self, x):
        with self._torch.no_grad():
            return self._model(x)

    def sync(self, handle):
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)

    def numpy(self, handle):
        return handle.cpu().numpy()

    def gradients(self, x, y):
        logits = self._model(x)
        loss = self._loss(logits, y)
        found = self._torch.autograd.grad(loss, list(self._parameters.values()))
        gradients = {
            name: self._layout.canonical(name, gradient.cpu().numpy())
            for name, gradient in zip(self._parameters, found)
        }
        return logits.detach().cpu().numpy(), loss.detach().cpu().numpy(), gradients

    def apply(self, gradients):
        for name, parameter in self._parameters.items():
            turned = np.array(self._layout.turned(name, gradients[name]), order="C")
            parameter.grad = self._torch.from_numpy(turned).to(self._device)
        self._optimizer.step()
        self._optimizer.zero_grad()

    def weights(self):
        return {
            name: self._layout.canonical(name, parameter.detach().cpu().numpy().copy())
            for name, parameter in self._parameters.items()
        }

    def snapshot(self):
        weights = [parameter.detach().clone() for parameter in self._parameters.values()]
        return weights, self._optimizer.snapshot()

    def restore(self, state):
        weights, optimizer = state
        with self._torch.no_grad():
            for parameter, value in zip(self._parameters.values(), weights):
                parameter.copy_(value)
        self._optimizer.restore(optimizer)
        self._optimizer.zero_grad()

    def updates(self):
        return self._optimizer.updates()

    def facts(self):
        cuda = self._device.type == "cuda"
        return {
            "layout": "NCHW",
            "dtype": sorted({str(one.dtype).replace("torch.", "") for one in self._parameters.values()}),
            "input": "gathered and scaled by NumPy in every step, torch.from_numpy"
            + (", copied to the GPU" if cuda else " shares the memory"),
            "synchronisation": "torch.cuda.synchronize()"
            if cuda
            else "none needed: on a CPU a call returns when it is done",
            "loss": "mean over the batch, computed in every step",
            "optimizer_call": self._optimizer.call,
        }

    def expected(self):
        return dict(self._kernels)


def _modules(torch, layer):
    """The modules of a layer: its operator, then its activation."""
    nn = torch.nn
    pad = channels_first.padding(layer, "PyTorch")
    if layer.op == "Conv":
        kernel, stride = layer_list.pair(layer.get("kernel")), layer_list.pair(layer.get("stride", 1))
        operator = nn.Conv2d(layer.shape_in[2], layer.get("filters"), kernel, stride=stride, padding=pad)
    elif layer.op == "Gemm":
        operator = nn.Linear(layer.shape_in[-1], layer.get("units"))
    elif layer.op == "Flatten":
        operator = nn.Flatten()
    else:
        kernel, stride = layer_list.pair(layer.get("kernel")), layer_list.pair(layer.get("stride", 1))
        if layer.op == "AveragePool":
            operator = nn.AvgPool2d(kernel, stride=stride, padding=pad, count_include_pad=False)
        else:
            operator = nn.MaxPool2d(kernel, stride=stride, padding=pad)
    activation = layer.get("activation")
    return [operator] if activation is None else [operator, _activation(nn, activation)]


_KERNELS = {
    "Conv": "aten::conv2d",
    "Gemm": "aten::linear",
    "AveragePool": "aten::avg_pool2d",
    "MaxPool": "aten::max_pool2d",
    "Flatten": "aten::flatten",
    "Relu": "aten::relu",
    "Sigmoid": "aten::sigmoid",
    "Tanh": "aten::tanh",
    "Softplus": "aten::softplus",
}


def _activation(nn, name):
    known = {"Relu": nn.ReLU, "Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh, "Softplus": nn.Softplus, "Softsign": nn.Softsign}
    if name not in known:
        raise Unsupported("no activation '%s'" % name, "known: " + ", ".join(sorted(known)))
    return known[name]()


def _counts(layers, loss):
    """raw op name -> executions a training step in mode eager."""
    names = [loss]
    for layer in layers:
        names += [_KERNELS[one] for one in (layer.op, layer.get("activation")) if one in _KERNELS]
    return dict(collections.Counter(names))


def make_loss(torch, spec):
    """The mean loss of a `[loss]` table."""
    losses = {"SoftmaxCrossEntropyLoss": _Softmax, "SigmoidCrossEntropyLoss": _Sigmoid}
    if spec["op"] not in losses:
        raise Unsupported("no training loss '%s'" % spec["op"], "known: " + ", ".join(losses))
    return losses[spec["op"]](torch)


class _Softmax:
    """Cross-entropy of logits and class numbers."""

    kernel = "aten::cross_entropy_loss"

    def __init__(self, torch):
        self._function = torch.nn.functional.cross_entropy

    def labels(self, labels):
        """PyTorch takes class numbers as int64."""
        return labels.long()

    def __call__(self, logits, labels):
        return self._function(logits, labels)


class _Sigmoid:
    """Binary cross-entropy of (n, 1) logits and labels 0 or 1."""

    kernel = "aten::binary_cross_entropy_with_logits"

    def __init__(self, torch):
        self._function = torch.nn.functional.binary_cross_entropy_with_logits

    def labels(self, labels):
        """PyTorch takes probabilities, in the shape of the logits."""
        return labels.float().reshape(-1, 1)

    def __call__(self, logits, labels):
        return self._function(logits, labels)


def make_optimizer(torch, spec, parameters):
    """The optimizer of an `[optimizer]` table."""
    makers = {"Adam": Adam, "SGD": Sgd}
    if spec["op"] not in makers:
        raise Unsupported("no optimizer '%s'" % spec["op"], "known: " + ", ".join(sorted(makers)))
    return makers[spec["op"]](torch, spec, parameters)


class _Optimizer:
    """An optimizer of torch.optim, whose one fused kernel updates all parameters."""

    kernel = ""
    call = ""

    def __init__(self, torch, optimizer):
        self._torch = torch
        self._optimizer = optimizer
        self.step = optimizer.step
        self.zero_grad = optimizer.zero_grad

    def _state(self):
        """name of a tensor -> it, for each parameter: none before the first step."""
        group = self._optimizer.param_groups[0]
        return [self._optimizer.state.get(parameter, {}) for parameter in group["params"]]

    def snapshot(self):
        """Copies of the state."""
        return [{name: tensor.clone() for name, tensor in one.items()} for one in self._state()]

    def restore(self, state):
        """In place; what had no state yet when the snapshot was taken starts from zero, as it did."""
        with self._torch.no_grad():
            for own, given in zip(self._state(), state):
                for name, tensor in own.items():
                    tensor.copy_(given[name]) if name in given else tensor.zero_()

    def updates(self):
        """Nothing counts."""


class Adam(_Optimizer):
    """torch.optim.Adam(fused=True), its epsilon set in each step.

    PyTorch adds epsilon to the root after correcting its bias, TensorFlow and MXNet before: with the same number for both,
    gradients near it would be other updates. Divided by the correction it is the same formula.
    """

    kernel = "aten::_fused_adam_"
    call = "torch.optim.Adam(fused=True), epsilon divided in each step by the correction of the root"

    def __init__(self, torch, spec, parameters):
        self._beta2, self._epsilon, self._taken = spec["beta2"], spec["epsilon"], 0
        betas = (spec["beta1"], spec["beta2"])
        options = {"lr": spec["learning_rate"], "betas": betas, "eps": spec["epsilon"], "fused": True}
        super(Adam, self).__init__(torch, torch.optim.Adam(parameters, **options))
        self._update, self.step = self._optimizer.step, self._corrected

    def _corrected(self):
        self._taken += 1
        self._optimizer.param_groups[0]["eps"] = self._epsilon / math.sqrt(1 - self._beta2**self._taken)
        self._update()

    def snapshot(self):
        return self._taken, super(Adam, self).snapshot()

    def restore(self, state):
        self._taken, tensors = state
        super(Adam, self).restore(tensors)

    def updates(self):
        """As the state of the optimizer itself counts."""
        state = self._state()[0]
        return int(state["step"].item()) if "step" in state else 0


class Sgd(_Optimizer):
    """torch.optim.SGD(fused=True)."""

    kernel = "aten::_fused_sgd_"
    call = "torch.optim.SGD(fused=True)"

    def __init__(self, torch, spec, parameters):
        super(Sgd, self).__init__(torch, torch.optim.SGD(parameters, lr=spec["learning_rate"], fused=True))
