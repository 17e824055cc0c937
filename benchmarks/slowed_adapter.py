"""A child adapter around the real one, whose training takes a known share longer: real slow-downs for the calibration.

Loaded by the child in place of an adapter (so: its Python, its rules). request options: inner_adapter (path of the real
adapter), extra_share (0.1 = 10 %). The extra work is a fixed number of small NumPy operations on one thread, done after
each synchronisation, so that it adds to the wall time of the block and speeds up and slows down with the machine. The
number is found in the child itself: base time of a block over synchronisations 4 to 11, time of the operation measured
in between. What it really added is not taken on trust: the report estimates it from all trials.
"""

import time

import numpy as np
from dlprof_child.session import load_adapter

FIRST, LAST = 4, 11  # synchronisations that give the base time; all lie within the warm-up of at least 12 iterations
PROBE = 200


def create(request):
    """The real backend, with slowed networks."""
    options = request["options"]
    inner = load_adapter(options["inner_adapter"]).create(request)
    return SlowedBackend(inner, float(options["extra_share"]))


class SlowedBackend:
    """Everything is the inner backend's, but for `network`."""

    def __init__(self, inner, share):
        self._inner = inner
        self._share = share

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def network(self, description, weights):
        return SlowedNetwork(self._inner.network(description, weights), self._share)


class SlowedNetwork:
    """Everything is the inner network's; `sync` ends with the extra work once its amount is known."""

    def __init__(self, inner, share):
        self._inner = inner
        self._share = share
        self._began = None
        self._bases = []
        self._units = []
        self._seen = 0
        self._count = 0
        self._vector = np.linspace(0.0, 1.0, 4096)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def train(self, batches, span):
        self._began = time.perf_counter()
        return self._inner.train(batches, span)

    def sync(self, handle):
        self._inner.sync(handle)
        if self._began is None:
            return
        base, self._began = time.perf_counter() - self._began, None
        if self._count:
            self._work(self._count)
        elif FIRST <= self._seen <= LAST:
            self._bases.append(base)
            self._units.append(self._probe())
            if self._seen == LAST:
                self._count = max(1, int(round(self._share * np.median(self._bases) / np.median(self._units))))  # noqa: RUF046  (NumPy 1.16 rounds to a float)
        self._seen += 1

    def _probe(self):
        """Seconds of one unit of extra work."""
        began = time.perf_counter()
        self._work(PROBE)
        return (time.perf_counter() - began) / PROBE

    def _work(self, count):
        for _ in range(count):
            np.sqrt(self._vector)
