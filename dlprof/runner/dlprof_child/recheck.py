"""After the timing: did the objects that were timed do the work? Arrays that the parent holds against the other side's.

Parity before the timing is computed on objects of its own, so it says nothing of a side that behaves otherwise later:
one that remembers its first result, leaves out every second update or trains on its first batch again and again.
"""

import functools
import os

import numpy as np

from . import names, put_off
from .backend import no_span

REPLAYED_STEPS = 3
DRAWN_BYTES = 16 << 20  # of operand sets between the first and the last, which are written over as well
MOST_DRAWN = 64
THIN = 4096  # values of a result that are kept of each of those
# Of the gradients of one update before the replayed steps. From a fresh state Adam divides a gradient by its own size, so that
# one which is nothing but rounding becomes a whole step, on either side another one: with this much in its second moment it
# becomes none, and honest sides stay together to 1e-5, where 3 of 45 replays were .2 to 3 % apart.
SETTLING = 1e-3
DISTURBANCE = 10.0  # scale of the gradients that change the weights before forward passes are read


def network(net, initial, weights, steps, seed, feed, trains, block):
    """(arrays, {item: share of its time that was put off}) of a timed network.

    initial: its snapshot before the first timed step. weights: the canonical weights of that moment. steps: training steps
    taken since. block: steps or forward passes of a timed iteration.
        run/updates        (asked for, counted by the optimizer itself; -1 where it does not count)
        run/moved          how far the weights are from where they were: the norm over all of them
        replay/losses      of REPLAYED_STEPS steps on new batches, in the timed object, from the initial weights and one update
                           with small given gradients (SETTLING)
        replay/moved/NAME  how far that update and those steps moved each parameter array
        replay/given/NAME  the same for updates with given gradients
        replay/logits      of a block of forward passes over new images from the initial weights
    """
    arrays, deferred = {}, {}
    if trains and initial is not None:
        before = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        counted = net.updates()
        arrays[names.array("run", "updates")] = np.array([steps, -1 if counted is None else counted])
        moved = _moved(net, before)
        arrays[names.array("run", "moved")] = np.sqrt(sum(np.sum(np.square(one)) for one in moved.values()))
        net.restore(initial)
        _apply(net, weights, seed, 1, SETTLING)
        handles = net.train(_batches(feed, seed, REPLAYED_STEPS), no_span)
        net.sync(handles[-1])
        arrays[names.array("replay", "losses")] = np.array([float(net.numpy(handle)) for handle in handles])
        arrays.update((names.array("replay/moved", name), one) for name, one in _moved(net, before).items())
        net.restore(initial)
        _apply(net, weights, seed, REPLAYED_STEPS, 0.01)
        arrays.update((names.array("replay/given", name), one) for name, one in _moved(net, before).items())
        net.restore(initial)
        one = list(_batches(feed, seed, 1))
        count = put_off.filling(lambda: net.sync(net.train(one, no_span)[-1]))
        deferred["train_block"] = put_off.of_steps(net, list(_batches(feed, seed, count)))
        net.restore(initial)
    arrays[names.array("replay", "logits")], deferred["infer_block"] = _passes(net, weights, feed, seed + 1, block)
    return arrays, deferred


def _passes(net, weights, feed, seed, count):
    """(logits of all passes of a block, share of the passes' time that was put off).

    As in a timed block the last pass alone is waited for. All are read once the weights are others: a pass that was left
    for later is computed with those.
    """
    handles = [net.infer(net.batch(gather()[0], None)[0]) for gather in _batches(feed, seed, count)]
    net.sync(handles[-1])
    state = net.snapshot()
    _apply(net, weights, seed, 1, DISTURBANCE)
    logits = [np.asarray(net.numpy(handle)) for handle in handles]
    net.restore(state)
    one = net.batch(next(_batches(feed, seed, 1))()[0], None)[0]
    more = put_off.filling(lambda: net.sync(net.infer(one)))
    inputs = [net.batch(gather()[0], None)[0] for gather in _batches(feed, seed, more)]
    return np.stack(logits), put_off.of_passes(net, inputs)


def _apply(net, weights, seed, count, scale):
    """Updates with gradients that follow from the seed alone."""
    random = np.random.RandomState(seed)
    for _ in range(count):
        net.apply({n: random.normal(0, scale, w.shape).astype(np.float32) for n, w in sorted(weights.items())})


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


def drawn(count, set_bytes, seed):
    """Positions of operand sets between the first and the last that are checked as well, another choice for each seed: as many
    as DRAWN_BYTES hold, one at least and MOST_DRAWN at most."""
    many = min(max(DRAWN_BYTES // max(set_bytes, 1), 1), MOST_DRAWN)
    return [int(one) + 1 for one in np.sort(np.random.RandomState(seed).permutation(max(count - 2, 0))[:many])]


def operator(backend, item, function, sets, fresh, positions):
    """[value of the result on the first operand set, on the last, on those at the positions] of a timed operator; a value is a
    NumPy array, or a list of them where the call gives gradients.

    function, sets: those that were timed. fresh: NumPy values for those operand sets, which are written over what stands there,
    so that a result which was remembered for an object is found out.
    """
    found = []
    for values, new in zip((sets[0], sets[-1]), fresh):
        result = _result(backend, item, function, values, new)
        backend.finish(result)
        found.append(_value(backend, result))
    return found + _in_a_row(
        backend, item, function, [sets[at] for at in positions], fresh[2:], _part_of(found[0], fresh[0])
    )


def _in_a_row(backend, item, function, sets, fresh, part):
    """Values of results as a timed loop leaves them: the last call alone is waited for. They are read once the operands are
    others, which a call that was left for later is computed with; not where the result may lie in the operands' own memory
    (part), or where to read it is to call once more."""
    results = [_result(backend, item, function, operands, new) for operands, new in zip(sets, fresh)]
    backend.finish(results[-1] if results else None)
    if not (part or item.creates or item.task.get("in_place") or backend.recomputes):
        for operands, new in zip(sets, fresh):
            for operand, one in zip(operands, new):
                _rewritten(backend, operand, _other(one))
    return [_value(backend, result) for result in results]


def _result(backend, item, function, operands, new):
    """What the function makes of the operands, once they have new values; of a call that changes its first operand: that one."""
    values = tuple(_rewritten(backend, operand, one) for operand, one in zip(operands, new))
    result = function(*values)
    return values[0] if item.task.get("in_place") else result


def _value(backend, result):
    several = isinstance(result, (list, tuple))
    return [backend.value(one) for one in result] if several else np.array(backend.value(result))


def _part_of(value, operands):
    """Whether a result is nothing but values of its operands, as that of a reshape is: it may share their memory then."""
    known = np.concatenate([np.ravel(one) for one in operands])
    return any(np.isin(thin(one), known).all() for one in (value if isinstance(value, list) else [value]))


def _other(value):
    """Other values of the same kind: numbers of elements stay what they are, so that they still name one."""
    turned = np.ascontiguousarray(np.ravel(value)[::-1].reshape(np.shape(value)))
    return turned * turned.dtype.type(0.5) if turned.dtype.kind == "f" else turned


def thin(value):
    """At most about THIN values of an array, evenly spread."""
    flat = np.ravel(value)
    return flat[:: -(-max(flat.size, 1) // THIN)]


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
