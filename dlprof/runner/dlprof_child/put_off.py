"""Work that is put off until somebody looks: what reading results takes beyond copying them, as a share of the calls' time."""

import numpy as np

from .backend import no_span
from .clock import Stopwatch

TRIES = 3  # of which the least counts: others may have been disturbed
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
        return _share(called.wall, *_reading(backend.value, [one for one in flat if one is not None], CALL_NS))

    return _least(once)


def of_passes(net, inputs):
    """Of forward passes of a network, only the last of which is waited for."""

    def once():
        with Stopwatch() as called:
            handles = [net.infer(x) for x in inputs]
            net.sync(handles[-1])
        return _share(called.wall, *_reading(net.numpy, handles, PASS_NS))

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
        return _share(called.wall, read.wall, 3 * again.wall)

    return _least(once)


def filling(wall_ns, count):
    """How many passes or steps fill FILLED_NS, where `count` of them took `wall_ns`."""
    each = max(float(wall_ns) / count, 1.0)
    return int(min(max(np.ceil(FILLED_NS / each), FEWEST), MOST))


def _reading(value, results, each_ns):
    """(time of reading the results, time that reading may take)."""
    with Stopwatch() as read:
        values = [value(one) for one in results]
    with Stopwatch() as copied:
        for one in values:
            np.array(one, copy=True)
    return read.wall, 3 * copied.wall + each_ns * len(results)


def _share(called_ns, read_ns, allowed_ns):
    late = read_ns - allowed_ns
    return float(late) / max(called_ns, 1) if late > LEAST_NS else 0.0


def _least(once):
    """The least of some tries; one that shows nothing is enough."""
    found = once()
    for _ in range(TRIES - 1):
        found = min(found, once()) if found else found
    return found
