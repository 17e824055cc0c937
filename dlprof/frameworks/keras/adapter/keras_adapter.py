"""Keras 3's half of the child: a mode is a backend. Device, threads, profiler and markers are the backend's own adapter's.

Networks are in keras_network.py. Single calls are the backends' own frameworks': here they are refused.
"""

import importlib
import os
import sys

from dlprof_child.backend import Backend
from dlprof_child.faults import FrameworkMissing, Unsupported

# mode -> folder and module of the adapter below it, and the mode in which that one is asked for what it supplies
BELOW = {
    "tensorflow": ("tensorflow", "tf_adapter", "graph"),
    "jax": ("jax", "jax_adapter", "jit"),
    "torch": ("torch", "torch_adapter", "eager"),
}


def create(request):
    """A KerasBackend for the request. Raises FrameworkMissing, Unsupported."""
    mode = request["mode"]
    if mode not in BELOW:
        raise Unsupported("Keras has no mode '%s'" % mode, "modes: " + ", ".join(BELOW))
    folder, module, own = BELOW[mode]
    os.environ["KERAS_BACKEND"] = mode
    frameworks = os.path.abspath(__file__).rsplit(os.sep, 3)[0]
    sys.path.append(os.path.join(frameworks, folder, "adapter"))
    below = importlib.import_module(module).create(dict(request, mode=own))
    try:
        import keras
    except ImportError as error:
        raise FrameworkMissing(
            "Keras cannot be imported: %s" % error, "see the log for the environment's Python"
        ) from None
    if int(keras.__version__.split(".")[0]) < 3:
        raise Unsupported("this is Keras %s, which has one backend" % keras.__version__, "use tf:keras, or Keras 3")
    keras.utils.set_random_seed(int(request["seed"]))
    return KerasBackend(keras, mode, below)


class KerasBackend(Backend):
    """Keras 3 on one backend and device."""

    def __init__(self, keras, mode, below):
        self._keras, self._mode, self._below = keras, mode, below

    def versions(self):
        return dict(self._below.versions(), keras=self._keras.__version__)

    def runtime(self):
        return dict(self._below.runtime(), mode=self._mode)

    def network(self, description, weights):
        from keras_network import NETWORKS

        return NETWORKS[self._mode](self._keras, self._below.device, description, weights)

    @property
    def synchronisation(self):  # type: ignore[override]
        return self._below.synchronisation

    def saturate(self):
        return self._below.saturate()

    def finish(self, result):
        self._below.finish(result)

    def span(self, name, step=None):
        return self._below.span(name, step=step)

    def start_trace(self, directory, fidelity, options):
        self._below.start_trace(directory, fidelity, options)

    def stop_trace(self):
        return self._below.stop_trace()
