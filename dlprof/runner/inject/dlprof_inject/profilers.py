"""The frameworks' own profilers, started and stopped between two steps; each step is marked in the trace.

A profiler has start(), mark(number) → a function that ends the mark, and stop() → [{"kind": …, "path": …}]. A mark without
number is the step before those that count.
"""

import gc
import os
import sys


def name_of(number):
    """The mark of a step; dlprof knows these names in every trace."""
    return "dlprof:settle" if number is None else "dlprof:step={}".format(number)


def _found(folder, ending):
    """Files below a folder whose names end so."""
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(ending))


class Alone(object):
    """While a profiler of ours runs: a framework has only one, and a second one of the script's would fail there, or crash the
    process. So before the script starts its own, ours is given up.

    places: owner and name of each function that starts one
    """

    def __init__(self, places):
        self.places = places
        self.kept = []

    def guard(self, give_up):
        for owner, name in self.places:
            start = getattr(owner, name, None)
            if start is not None:
                self.kept.append((owner, name, start))
                setattr(owner, name, _after(give_up, start))

    def release(self):
        kept, self.kept = self.kept, []
        for owner, name, start in kept:
            setattr(owner, name, start)


def _after(give_up, start):
    def started(*args, **kwargs):
        give_up()
        return start(*args, **kwargs)

    return started


class Torch(object):
    """torch.profiler; where `full`, with shapes and with the names of modules as ranges."""

    def __init__(self, torch, folder, full):
        self.torch = torch
        self.folder = folder
        activities = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self.profile = torch.profiler.profile(activities=activities, record_shapes=full)
        self.ranges = ModuleRanges(torch) if full else None
        kind = torch.autograd.profiler.profile
        self.alone = Alone([(kind, "_prepare_trace"), (kind, "_start_trace")])

    def start(self):
        if self._is_in_use():
            raise RuntimeError("the script's own torch.profiler runs at this step (--steps names others)")
        self.profile.start()
        if self.ranges is not None:
            self.ranges.start()

    def _is_in_use(self):
        """Whether the script has one that runs, or is prepared (`schedule`'s warmup), which PyTorch itself does not tell."""
        kind = self.torch.autograd.profiler.profile
        made = [one for one in gc.get_objects() if issubclass(type(one), kind)]
        return any(one.entered and getattr(one, "kineto_results", None) is None for one in made)

    def mark(self, number):
        around = self.torch.autograd.profiler.record_function(name_of(number))
        around.__enter__()
        return lambda: around.__exit__(None, None, None)

    def stop(self):
        if self.ranges is not None:
            self.ranges.stop()
        self.profile.stop()
        path = os.path.join(self.folder, "pytorch.json")
        self.profile.export_chrome_trace(path)
        return [{"kind": "kineto", "path": path}]


class ModuleRanges(object):
    """A range around each module's forward pass, named as the module is inside the one around it."""

    def __init__(self, torch):
        self.torch = torch
        self.names = {}
        self.open = []
        self.handles = []

    def start(self):
        from dlprof_inject import of_torch

        if of_torch.compiled_graphs():  # hooks on all modules would have compiled ones compiled anew
            return
        module = self.torch.nn.modules.module
        self.handles = [module.register_module_forward_pre_hook(self._before)]
        try:
            self.handles.append(module.register_module_forward_hook(self._after, always_call=True))
        except TypeError:  # before PyTorch 2.1
            self.handles.append(module.register_module_forward_hook(self._after))

    def stop(self):
        for handle in self.handles:
            handle.remove()

    def _before(self, module, inputs):
        if not self.open:
            self.names.update({id(inner): name for name, inner in module.named_modules()})
        name = self.names.get(id(module), type(module).__name__)
        around = self.open[-1][0] if self.open else ""
        inner = name[len(around) + 1 :] if around and name.startswith(around + ".") else name
        span = self.torch.autograd.profiler.record_function(inner.replace(".", "/")) if inner and self.open else None
        if span is not None:
            span.__enter__()
        self.open.append((name, span))

    def _after(self, module, inputs, result):
        if self.open:
            _, span = self.open.pop()
            if span is not None:
                span.__exit__(None, None, None)


class Jax(object):
    """jax.profiler, without Python's own functions."""

    def __init__(self, jax, folder, full):
        self.jax = jax
        self.folder = folder
        self.session = None
        self.alone = Alone([(jax.profiler, "start_trace"), (sys.modules.get("jax._src.profiler"), "start_trace")])

    def start(self):
        profiler = self.jax.profiler
        try:
            options = profiler.ProfileOptions()
            options.python_tracer_level = 0
            profiler.start_trace(self.folder, profiler_options=options)
        except (AttributeError, TypeError):  # before JAX 0.6
            self._start_before_0_6()

    def _start_before_0_6(self):
        """start_trace took no options there, but the session that it made did."""
        try:
            from jax._src.lib import xla_client

            options = xla_client.profiler.ProfileOptions()
            options.python_tracer_level = 0
            self.jax.devices()  # as start_trace: what drives a device is there before what records it
            self.session = xla_client.profiler.ProfilerSession(options)
        except (AttributeError, ImportError, TypeError):  # before JAX 0.4.14
            self.jax.profiler.start_trace(self.folder)

    def mark(self, number):
        around = self.jax.profiler.TraceAnnotation(name_of(number))
        around.__enter__()
        return lambda: around.__exit__(None, None, None)

    def stop(self):
        if self.session is None:
            self.jax.profiler.stop_trace()
        elif hasattr(self.session, "export"):
            self.session.export(self.session.stop(), self.folder)
        else:
            self.session.stop_and_export(self.folder)
        self.session = None
        return [{"kind": "xplane", "path": path} for path in _found(self.folder, ".xplane.pb")]


class TensorFlow(object):
    """tf.profiler.experimental, of TensorFlow 2.2 and newer."""

    def __init__(self, tensorflow, folder, full):
        self.profiler = getattr(getattr(tensorflow, "profiler", None), "experimental", None)
        if self.profiler is None:
            raise RuntimeError(
                "TensorFlow before 2.2 has no profiler that can be started between two steps (compare: --traces 0)"
            )
        self.folder = folder
        inside = sys.modules.get("tensorflow.python.profiler.profiler_v2")
        self.alone = Alone([(self.profiler, "start"), (inside, "start")])

    def start(self):
        try:
            options = self.profiler.ProfilerOptions(host_tracer_level=2, python_tracer_level=0, device_tracer_level=1)
            self.profiler.start(self.folder, options)
        except AttributeError:  # before TensorFlow 2.4
            self.profiler.start(self.folder)

    def mark(self, number):
        around = self.profiler.Trace(name_of(number))
        around.__enter__()
        return lambda: around.__exit__(None, None, None)

    def stop(self):
        self.profiler.stop()
        return [{"kind": "xplane", "path": path} for path in _found(self.folder, ".xplane.pb")]


class MXNet(object):
    """mx.profiler; MXNet allows one window a process."""

    def __init__(self, mxnet, folder, full):
        self.mxnet = mxnet
        self.path = os.path.join(folder, "mxnet.json")
        self.domain = mxnet.profiler.Domain("dlprof")
        self.alone = Alone([])

    def start(self):
        profiler = self.mxnet.profiler
        profiler.set_config(
            profile_symbolic=True, profile_imperative=True, profile_api=True, profile_memory=False, filename=self.path
        )
        profiler.set_state("run")

    def mark(self, number):
        task = self.domain.new_task(name_of(number))
        task.start()
        return task.stop

    def stop(self):
        self.mxnet.nd.waitall()
        self.mxnet.profiler.set_state("stop")
        self.mxnet.profiler.dump()
        return [{"kind": "mxnet", "path": self.path}]
