"""Tell dlprof where a step ends and what a part of it is called. Copy this file beside your script; it needs nothing.

    import dlprof_steps

    for batch in data:
        with dlprof_steps.scope("encoder"):
            ...
        dlprof_steps.step()

Without dlprof `step()` does nothing, and `scope()` names a part for whatever profiler of the framework is running. Under
`dlprof capture -- python train.py` or `dlprof compare --a … --b …` the calls of `step()` are the steps: nothing else is taken for
one as soon as this file has been imported. Python 3.6 and newer; in the public domain.
"""

import contextlib
import sys

_watching = sys.modules.get("dlprof_inject")
"""What dlprof put into this process; None in one that it does not watch."""

if _watching is not None:
    _watching.claim()


def step(result=None):
    """A step has ended. result: what the device computes last, which is waited for where JAX is used."""
    if _watching is not None:
        _watching.stepped(result)


@contextlib.contextmanager
def scope(name):
    """A named part of the step, such as a layer, for the framework's own profiler."""
    with contextlib.ExitStack() as stack:
        for part in _parts(name):
            stack.enter_context(part)
        yield


def _parts(name):
    """What names a part in each framework that is in use."""
    torch, jax, tensorflow = (sys.modules.get(one) for one in ("torch", "jax", "tensorflow"))
    if torch is not None and _profiled(torch):
        yield torch.autograd.profiler.record_function(name)
    if jax is not None and hasattr(jax, "named_scope"):
        yield jax.named_scope(name)  # what is jitted inside is called so
        yield jax.profiler.TraceAnnotation(name)
    if tensorflow is not None and hasattr(tensorflow, "name_scope"):
        yield tensorflow.name_scope(name)


def _profiled(torch):
    """Whether PyTorch's profiler runs: a range costs microseconds even where none does."""
    enabled = getattr(torch.autograd, "_profiler_enabled", None)
    return enabled is None or enabled()
