"""How TensorFlow 2 executes a Python function in each mode."""

import inspect

from dlprof_child.faults import Unsupported

# TensorFlow's executor keeps a moving average of each kernel's cost, from 1e8 cycles down by a tenth a call, and below
# 8000 cycles (5000 in old releases) the profiler no longer records the kernel: after 90 calls at the earliest.
CALLS_WITH_ALL_KERNELS = 64


def check_mode(mode):
    """Raise Unsupported for a mode that executes whole networks only."""
    if mode not in ("eager", "graph", "xla"):
        raise Unsupported("mode '%s' executes whole networks, not single calls" % mode, "use eager, graph or xla")


def compiled(tf, mode, function):
    """The function as it is (eager), as a tf.function (graph), or compiled with XLA. Raises Unsupported."""
    if mode == "eager":
        return function
    if mode == "graph":
        return tf.function(function, autograph=False)
    check_mode(mode)
    known = inspect.signature(tf.function).parameters
    for keyword in ("jit_compile", "experimental_compile"):  # the older name up to TensorFlow 2.4
        if keyword in known:
            return tf.function(function, autograph=False, **{keyword: True})
    raise Unsupported("TensorFlow %s has no XLA in tf.function" % tf.__version__, "use mode graph or eager")
