"""A cause of slowness in Python, planted alike into any network's step: for the adapters beside it. A child's file."""

import gc
import time


def collect(network_class):
    """A full collection of Python's garbage in every second step, which takes 40 ms or more."""
    step = network_class.step
    gc.freeze()  # what the framework has made is not looked at
    kept, took = [], 0.0
    while took < 0.04:
        kept.append([[number] for number in range(20000)])
        began = time.perf_counter()
        gc.collect()
        took = time.perf_counter() - began

    def slow(self, x, y, span):
        self._planted = getattr(self, "_planted", 0) + 1
        if kept and self._planted % 2 == 0:
            gc.collect()
        return step(self, x, y, span)

    network_class.step = slow
