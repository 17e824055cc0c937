"""After the timing: did the objects that were timed do the work? Arrays that the parent holds against the other side's.

Parity before the timing is computed on objects of its own, so it says nothing of a side that behaves otherwise later:
one that remembers its first result, leaves out every second update or trains on its first batch again and again.
"""

import functools
import os

import numpy as np

from . import names
from .backend import no_span
from .clock import Stopwatch

REPLAYED_STEPS = 3
COUNTED = 3  # repetitions of a wall time of which the shortest counts: the others may have been disturbed
DEFERRED_NS = 2000000  # below this, what a result's reading takes says nothing about work that was put off
CALL_NS = 100000  # what reading one result may cost by itself


def network(net, initial, weights, steps, seed, feed, trains):
    """Arrays of a timed network.

    initial: its snapshot before the first timed step. weights: the canonical weights of that moment. steps: training steps
    taken since.
        run/updates        (asked for, counted by the optimizer itself; -1 where it does not count)
        run/moved          how far the weights are from where they were: the norm over all of them
        replay/losses      of REPLAYED_STEPS steps on new batches from the initial weights, in the timed object
        replay/moved/NAME  how far those steps moved each parameter array
        replay/given/NAME  the same for updates with given gradients
        replay/logits      of a forward pass over new images from the initial weights
    """
    arrays = {}
    if trains and initial is not None:
        before = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        counted = net.updates()
        arrays[names.array("run", "updates")] = np.array([steps, -1 if counted is None else counted])
        moved = _moved(net, before)
        arrays[names.array("run", "moved")] = np.sqrt(sum(np.sum(np.square(one)) for one in moved.values()))
        net.restore(initial)
        handles = net.train(_batches(feed, seed, REPLAYED_STEPS), no_span)
        net.sync(handles[-1])
        arrays[names.array("replay", "losses")] = np.array([float(net.numpy(handle)) for handle in handles])
        arrays.update((names.array("replay/moved", name), one) for name, one in _moved(net, before).items())
        net.restore(initial)
        random = np.random.RandomState(seed)
        for _ in range(REPLAYED_STEPS):
            net.apply({n: random.normal(0, 0.01, w.shape).astype(np.float32) for n, w in sorted(weights.items())})
        arrays.update((names.array("replay/given", name), one) for name, one in _moved(net, before).items())
        net.restore(initial)
    images = next(_batches(feed, seed + 1, 1))()[0]
    arrays[names.array("replay", "logits")] = np.asarray(net.numpy(net.infer(net.batch(images, None)[0])))
    return arrays


def _moved(net, before):
    """Parameter array -> where it is now less where it was, float64."""
    return {name: np.asarray(value, np.float64) - before[name] for name, value in net.weights().items()}


def _batches(feed, seed, count):
    """Functions that give batches which nobody has seen before: real ones, mixed in pairs, with labels of their own."""
    random = np.random.RandomState(seed)
    for _ in range(count):
        (left, labels), (right, _) = (feed.batch(feed.train_indices(int(random.randint(1 << 20)))) for _ in range(2))
        share = random.uniform(0.3, 0.7)
        images = (share * left + (1 - share) * right).astype(np.float32)
        yield functools.partial(_both, images, random.permutation(labels))


def _both(images, labels):
    return images, labels


def operator(backend, function, sets, fresh, in_place):
    """([value of the result on each of two operand sets], deferred share) of a timed operator; a value is a NumPy array, or
    a list of them where the call gives gradients.

    function, sets: those that were timed. fresh: NumPy values for the first and the last operand set, which are written
    over what stands there, so that a result which was remembered for an object is found out. in_place: the call changes its
    first operand, which is the result then.
    """
    found = []
    for values, new in zip((sets[0], sets[-1]), fresh):
        values = tuple(_rewritten(backend, value, one) for value, one in zip(values, new))
        result = function(*values)
        backend.finish(result)
        result = values[0] if in_place else result
        # read at once: a call with static memory writes its next result over this one
        several = isinstance(result, (list, tuple))
        found.append([backend.value(one) for one in result] if several else np.array(backend.value(result)))
    return found, 0.0 if backend.recomputes else min(_deferred(backend, function, sets) for _ in range(COUNTED))


def _rewritten(backend, old, new):
    """The operand with new values; a NumPy array or a list, of which the call itself makes a tensor, keeps its identity."""
    if isinstance(old, list):
        if isinstance(new[0], np.ndarray):  # a list of one row
            old[0][...] = new[0]
        else:
            old[:] = new
        return old
    if isinstance(old, np.ndarray):
        old.flags.writeable = True  # MXNet's from_numpy takes the right to write away
        old[...] = new
        return old
    return backend.rewrite(old, new)


def _deferred(backend, function, sets):
    """Time that reading the results took beyond copying them, as a share of the calls' own time: work that was put off."""
    with Stopwatch() as called:
        results = [function(*values) for values in sets]
        backend.finish(results[-1])
    flat = [one for result in results for one in (result if isinstance(result, list) else [result]) if one is not None]
    with Stopwatch() as read:
        values = [backend.value(one) for one in flat]
    with Stopwatch() as copied:
        for value in values:
            np.array(value, copy=True)
    put_off = read.wall - 3 * copied.wall - CALL_NS * len(flat)
    return float(put_off) / max(called.wall, 1) if put_off > DEFERRED_NS else 0.0


def busy_threads(backend, windows=3, products=6):
    """How many threads share a large matrix product: all threads' CPU time over that of the busiest one, at most of some
    windows. Not CPU time per wall time: other work on the machine would take cores away and be taken for a setting.

    None where the backend has no such product, or the system does not tell threads apart.
    """
    found = []
    for _ in range(windows):
        before = _thread_ns()
        if before is None or not all(backend.saturate() for _ in range(products)):
            return None
        spent = [ns - before.get(thread, 0) for thread, ns in _thread_ns().items()]
        found.append(sum(spent) / float(max(*spent, 1)))
    return max(found)


def _thread_ns():
    """Thread id -> CPU time so far, of all threads of this process; None where the system does not tell."""
    found = {}
    try:
        for thread in os.listdir("/proc/self/task"):
            with open("/proc/self/task/%s/schedstat" % thread) as stream:
                found[thread] = int(stream.read().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return found
