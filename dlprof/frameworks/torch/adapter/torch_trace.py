"""PyTorch's profiler (Kineto), written as its own JSON below a TensorBoard logdir."""

import os
import socket

from dlprof_child.clock import unix_ns
from dlprof_child.faults import Fault


class Tracer:
    """torch.profiler.profile; markers are ranges of record_function."""

    def __init__(self, torch, device):
        self._torch = torch
        self._device = device
        self._profile = None
        self._directory = None

    def start(self, directory, options):
        """Start; options may ask for record_shapes, with_stack, profile_memory and with_flops."""
        profiler = self._torch.profiler
        activities = [profiler.ProfilerActivity.CPU]
        if self._device.type == "cuda":
            activities.append(profiler.ProfilerActivity.CUDA)
        wanted = ("record_shapes", "with_stack", "profile_memory", "with_flops")
        self._directory = directory
        self._profile = profiler.profile(
            activities=activities, **{name: bool(options.get(name, False)) for name in wanted}
        )
        self._profile.start()

    def stop(self):
        """Stop, write, and return the artefacts. The name's ending is that by which TensorBoard's plugin knows the file."""
        self._profile.stop()
        name = "%s_%d.%d.pt.trace.json" % (socket.gethostname(), os.getpid(), unix_ns() // 1000000)
        path = os.path.join(self._directory, name)
        self._profile.export_chrome_trace(path)
        self._profile = None
        if not os.path.exists(path):
            raise Fault("PyTorch's profiler wrote no file", "expected %s" % path)
        return [("kineto", path)]

    def span(self, name):
        """A marker, or the range of a layer."""
        return self._torch.profiler.record_function(name)
