"""Dense networks of the NumPy framework: forward, backward and update written out, each function called through the recorder."""

import numpy as np
from dlprof_child import layers as layer_list
from dlprof_child.backend import Network
from dlprof_child.faults import Unsupported
from dlprof_child.names import BACKWARD, FORWARD, LOSS, OPTIMIZER


class NumpyNetwork(Network):
    """Gemm layers with or without Relu, one logit, SGD: what the workload mlp needs. Nothing runs later, nothing waits."""

    def __init__(self, recorder, description, weights):
        self._call = recorder.call
        self._layers = layer_list.resolve(description["model"])
        for layer in self._layers:
            if layer.op != "Gemm" or layer.get("activation") not in (None, "Relu"):
                raise Unsupported(f"layer '{layer.name}' is none of NumPy's", "it has Gemm, with or without Relu")
        if description["loss"]["op"] != "SigmoidCrossEntropyLoss" or description["optimizer"]["op"] != "SGD":
            raise Unsupported("not a loss or optimizer of NumPy's", "it has SigmoidCrossEntropyLoss and SGD")
        self._rate = np.float32(description["optimizer"]["learning_rate"])
        self._weights = {name: np.array(value) for name, value in weights.items()}
        self._updates = 0

    # what runs

    def _forward(self, x):
        """The input of each layer, and the logits."""
        inputs = []
        for layer in self._layers:
            inputs.append(x)
            product = self._call("matmul", x, self._weights[layer.name + "/w"])
            x = self._call("add", product, self._weights[layer.name + "/b"])
            if layer.get("activation"):
                x = self._call("maximum", x, np.float32(0))
        return inputs, x

    def _loss(self, logits, y):
        """The mean loss, and its gradient by the logits."""
        targets = y.reshape(-1, 1).astype(np.float32)
        each = self._call("subtract", self._call("logaddexp", np.float32(0), logits), logits * targets)
        likely = self._call("divide", np.float32(1), self._call("add", self._call("exp", -logits), np.float32(1)))
        gradient = self._call("divide", self._call("subtract", likely, targets), np.float32(len(y)))
        return self._call("mean", each), gradient

    def _backward(self, inputs, gradient):
        found = {}
        for at in reversed(range(len(self._layers))):
            name, x = self._layers[at].name, inputs[at]
            found[name + "/w"] = self._call("matmul", x.T, gradient)
            found[name + "/b"] = self._call("sum", gradient, axis=0)
            if at:
                gradient = self._call("matmul", gradient, self._weights[name + "/w"].T)
                if self._layers[at - 1].get("activation"):
                    gradient = self._call("multiply", gradient, self._call("greater", x, 0))
        return found

    # Network

    def batch(self, images, labels):
        return images, labels

    def step(self, x, y, span):
        with span(FORWARD):
            inputs, logits = self._forward(x)
        with span(LOSS):
            loss, gradient = self._loss(logits, y)
        with span(BACKWARD):
            gradients = self._backward(inputs, gradient)
        with span(OPTIMIZER):
            self.apply(gradients)
        return loss

    def infer(self, x):
        return self._forward(x)[1]

    def sync(self, handle):
        pass

    def numpy(self, handle):
        return np.asarray(handle)

    def gradients(self, x, y):
        inputs, logits = self._forward(x)
        loss, gradient = self._loss(logits, y)
        return logits, loss, self._backward(inputs, gradient)

    def apply(self, gradients):
        for name, gradient in gradients.items():
            step = self._call("multiply", gradient, self._rate)
            self._weights[name] = self._call("subtract", self._weights[name], step)
        self._updates += 1

    def weights(self):
        return {name: value.copy() for name, value in self._weights.items()}

    def snapshot(self):
        return self.weights(), self._updates

    def restore(self, state):
        weights, self._updates = state
        self._weights = {name: value.copy() for name, value in weights.items()}

    def updates(self):
        return self._updates

    def facts(self):
        return {
            "layout": "NHWC",
            "dtype": ["float32"],
            "synchronisation": "none needed: a call returns when it is done",
        }

    def expected(self):
        return {"np.matmul": 3 * len(self._layers) - 1, "np.mean": 1}
