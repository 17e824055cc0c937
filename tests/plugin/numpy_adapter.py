"""The child's half of the NumPy framework: single calls, timed as they are or three times over, and traced.

Networks are in numpy_network.py, the profiler in numpy_recorder.py.
"""

import os

import numpy as np
from dlprof_child.backend import Backend
from dlprof_child.calls import compiled
from dlprof_child.environment import cores, settings
from dlprof_child.functions import NUMPY
from numpy_recorder import Recorder


def create(request):
    if request["mode"] == "slow-tanh":
        return NumpyBackend(1, {"np.tanh": 2})
    backend = NumpyBackend(3 if request["mode"] == "thrice" else 1)
    return Remembering(backend, request["mode"]) if request["framework"] == "cheat" else backend


class Remembering:
    """The same framework, but that a call made before on the same operands is not made again, nor every second training step;
    or whose networks do what the mode names."""

    def __init__(self, inner, mode):
        self._inner, self._mode = inner, mode

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def network(self, description, weights):
        from cheating_adapter import ON_THE_NETWORK

        cheat = "skips updates" if self._mode == "plain" else self._mode.replace("-", " ")
        return ON_THE_NETWORK[cheat](self._inner.network(description, weights))

    def compile_call(self, call, names, creates, constants):
        function, kept = self._inner.compile_call(call, names, creates, constants), {}

        def run(*values):
            key = tuple(id(value) for value in values)
            if key not in kept:
                kept[key] = function(*values)
            return kept[key]

        return run


class NumpyBackend(Backend):
    """Operands are NumPy arrays already; nothing runs later, so there is nothing to wait for.

    times: how often each call is made where nothing is recorded; slower: the same of single functions
    """

    synchronisation = "none needed: a call returns when it is done"

    def __init__(self, times, slower=None):
        self._times, self._slower, self._recorder = times, slower or {}, Recorder(np)

    def versions(self):
        return {"np": np.__version__}

    def runtime(self):
        threads = int(os.environ.get("OPENBLAS_NUM_THREADS", cores()))
        return {"intra_op_threads": threads, "environment": settings("NPY_DISABLE_CPU_FEATURES")}

    def network(self, description, weights):
        if self._times > 1:
            return super().network(description, weights)  # says that there are none
        from numpy_network import NumpyNetwork

        return NumpyNetwork(self._recorder, description, weights)

    def tensor(self, value, call):
        return value

    def compile_call(self, call, names, creates, constants):
        body = compiled(call, names, dict(constants, np=np), {"np": NUMPY})
        name = call["call"].split("(")[0]

        def run(*values):
            times = 1 if self._recorder.recording else self._slower.get(name, self._times)
            return [self._recorder.run(name, body, *values) for _ in range(times)][-1]

        return run

    def execution(self, call, creates):
        return "plain"

    def finish(self, result):
        pass

    def value(self, result):
        return result

    def gradient(self, function, values, by):
        """Of the first operand, by differences in double precision, which is right for functions of single elements.

        Each goes away from 0, so that none crosses the kink of a ReLU.
        """
        first, *rest = values
        at = first.astype(np.float64)
        step = np.where(at > 0, 1e-6, -1e-6)
        return [((function(at + step, *rest) - function(at, *rest)) / step).astype(first.dtype)]

    def span(self, name, step=None):
        return self._recorder.marker(name)

    def start_trace(self, directory, fidelity, options):
        self._recorder.start(directory, exact=fidelity == "exact")

    def stop_trace(self):
        return self._recorder.stop()
