"""A child adapter whose framework is NumPy: softmax regression with gradient descent, loud on standard output.

Modes: `numpy` works; `missing` lacks its framework; `broken` fails in every step; `crash` ends the process.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from dlprof_child.backend import Backend, Network
from dlprof_child.calls import compiled
from dlprof_child.faults import FrameworkMissing, Unsupported
from dlprof_child.functions import NUMPY


def create(request):
    """A NumpyBackend; chatters on descriptor 1 and through print, as frameworks do."""
    os.write(1, b"chatter from C\n")
    sys.stdout.write("chatter from Python\n")
    mode = request["mode"]
    if mode == "missing":
        raise FrameworkMissing("No module named 'fake'", "install fake")
    if mode == "crash":
        os._exit(7)
    if mode not in ("numpy", "broken"):
        raise Unsupported(f"no mode '{mode}'", "modes: numpy")
    return NumpyBackend(mode)


class Span:
    """Writes its begin and end into the backend's trace."""

    def __init__(self, backend, name):
        self._backend = backend
        self._name = name

    def __enter__(self):
        self._backend.trace.append(["begin", self._name])

    def __exit__(self, *exc):
        self._backend.trace.append(["end", self._name])
        return False


class NumpyBackend(Backend):
    """Keeps a list of begin and end events; writes it as the artefact."""

    def __init__(self, mode):
        self._mode = mode
        self._path = None
        self.trace = []

    def versions(self):
        return {"fake": "1.0"}

    def runtime(self):
        return {"mode": self._mode, "threads": 1}

    synchronisation = "none needed"

    def tensor(self, value, call):
        return value

    def compile_call(self, call, names, creates, constants):
        body = compiled(call, names, dict(constants, np=np), {"np": NUMPY})

        def run(*values):
            self.trace.append(["call", call["call"]])
            return body(*values)

        return run

    def execution(self, call, creates):
        return "eager"

    def finish(self, result):
        self.trace.append(["sync", ""])

    def value(self, result):
        return np.asarray(result)

    def gradient(self, function, values, by):
        """Of the first operand, by central differences, element by element."""
        x, found = values[0].astype(np.float64), np.zeros(values[0].shape)
        for index in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[index] = 1e-6
            rest = values[1:]
            found[index] = (np.sum(function(x + step, *rest)) - np.sum(function(x - step, *rest))) / 2e-6
        return [found]

    def network(self, description, weights):
        return NumpyNetwork(description, weights, self)

    def span(self, name, step=None):
        return Span(self, name)

    def start_trace(self, directory, fidelity, options):
        self._path = Path(directory) / "trace.json"
        self.trace.append(["begin", fidelity])

    def stop_trace(self):
        self._path.write_text(json.dumps(self.trace))
        return [("fake", str(self._path))]


class NumpyNetwork(Network):
    """One Gemm layer named `logits`."""

    def __init__(self, description, weights, backend):
        self._rate = description["optimizer"]["learning_rate"]
        self._weights = {name: value.copy() for name, value in weights.items()}
        self._backend = backend

    def batch(self, images, labels):
        return images.reshape(len(images), -1), labels

    def gradients(self, x, y):
        logits = self.infer(x)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = shifted / shifted.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        p[np.arange(len(y)), y] -= 1
        p /= len(y)
        return logits, loss, {"logits/w": x.T.dot(p), "logits/b": p.sum(axis=0)}

    def step(self, x, y, span):
        if self._backend._mode == "broken":
            raise ValueError("the step is broken")
        with span("dlprof:backward"):
            _, loss, gradients = self.gradients(x, y)
        for name, gradient in gradients.items():
            self._weights[name] -= (self._rate * gradient).astype(np.float32)
        return loss

    def apply(self, gradients):
        for name, gradient in gradients.items():
            self._weights[name] = self._weights[name] - np.float32(self._rate) * gradient

    def infer(self, x):
        return x.dot(self._weights["logits/w"]) + self._weights["logits/b"]

    def sync(self, handle):
        self._backend.trace.append(["sync", ""])

    def numpy(self, handle):
        return np.asarray(handle)

    def weights(self):
        return self._weights

    def snapshot(self):
        return {name: value.copy() for name, value in self._weights.items()}

    def restore(self, state):
        self._weights = {name: value.copy() for name, value in state.items()}

    def facts(self):
        return {"layout": "NHWC"}

    def expected(self):
        return {"dlprof:backward": 1}
