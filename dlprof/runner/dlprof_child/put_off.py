"""Work that is put off until somebody looks: what reading results takes beyond copying them, as a share of the calls' time."""

import numpy as np

from .backend import no_span
from .clock import Stopwatch

TRIES = 3  # of which the shortest times count: others may have been disturbed
PROBED = 4  # passes or steps that tell how long one takes, the shortest of them
LEAST_NS = 2000000  # below this, what reading takes says nothing
FILLED_NS = 20000000  # forward passes or training steps, where they did their work, take about this long together
FEWEST, MOST = 8, 256  # passes or steps
CALL_NS = 100000  # what reading the result of one call may cost by itself
PASS_NS = 20000  # the same of the logits of a forward pass


def of_operator(backend, function, sets):
    """Of one call on each operand set, only the last of which is waited for."""

    def once():
        with Stopwatch() as called:
            results = [function(*values) for values in sets]
            backend.finish(results[-1])
        flat = [one for result in results for one in (result if isinstance(result, list) else [result])]
        return called.wall, _reading(backend.value, [one for one in flat if one is not None], CALL_NS)

    return _least(once)


def of_passes(net, inputs):
    """Of forward passes of a network, only the last of which is waited for."""

    def once():
        with Stopwatch() as called:
            handles = [net.infer(x) for x in inputs]
            net.sync(handles[-1])
        return called.wall, _reading(net.numpy, handles, PASS_NS)

    return _least(once)


def of_steps(net, batches):
    """Of training steps: a second reading of the weights says what the first would have taken with nothing left to do."""

    def once():
        with Stopwatch() as called:
            net.sync(net.train(batches, no_span)[-1])
        with Stopwatch() as read:
            net.weights()
        with Stopwatch() as again:
            net.weights()
        return called.wall, read.wall - 3 * again.wall

    return _least(once)


def filling(once):
    """How many passes or steps fill FILLED_NS. once: makes one and waits for it."""
    walls = []
    for _ in range(PROBED):
        with Stopwatch() as watch:
            once()
        walls.append(watch.wall)
    return int(min(max(np.ceil(FILLED_NS / max(float(min(walls)), 1.0)), FEWEST), MOST))


def _reading(value, results, each_ns):
    """Time of reading the results beyond what that may take."""
    with Stopwatch() as read:
        values = [value(one) for one in results]
    with Stopwatch() as copied:
        for one in values:
            np.array(one, copy=True)
    return read.wall - 3 * copied.wall - each_ns * len(results)


def _least(once):
    """Time put off as a share of the calls' time, each the least of some tries; a try that puts nothing off is enough.

    once: gives (time of the calls, time put off).
    """
    tries = []
    for _ in range(TRIES):
        tries.append(once())
        if tries[-1][1] <= LEAST_NS:
            return 0.0
    called, late = (min(column) for column in zip(*tries))
    return float(late) / max(called, 1)
