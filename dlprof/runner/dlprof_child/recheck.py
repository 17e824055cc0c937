"""After the timing: do the functions that were timed do the work? Arrays that the parent holds against the other side's.

Parity before the timing is computed on objects of its own, so it says nothing of a side that behaves otherwise later:
one that remembers its first result, or drops work that nobody looks at. Of networks: replay.py.
"""

import os

import numpy as np

DRAWN_BYTES = 16 << 20  # of operand sets between the first and the last, which are written over as well
MOST_DRAWN = 64
KNOWN_BYTES = 4 << 20  # operand sets that are written over again and again, to see whether known values save time
THIN = 4096  # values of a result that are kept of each of those


def drawn(count, set_bytes, seed, most_bytes=DRAWN_BYTES):
    """Positions of operand sets between the first and the last that are checked as well, another choice for each seed: as many
    as most_bytes hold, one at least and MOST_DRAWN at most."""
    many = min(max(most_bytes // max(set_bytes, 1), 1), MOST_DRAWN)
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
    between = dict(zip(positions, fresh[2:]))
    return found + _in_a_row(backend, item, function, sets, between, _part_of(found[0], fresh[0]))


def _in_a_row(backend, item, function, sets, fresh, part):
    """Values of results as a timed loop leaves them: all sets in their order, one call after the other with nothing in between,
    of which the last alone is waited for. fresh: position of a set -> its new values, which are written before the first call.

    They are read once the operands are others, which a call that was left for later is computed with; not where the result may
    lie in the operands' own memory (part), or where to read it is to call once more.
    """
    if not fresh:
        return []
    operands = {at: rewritten(backend, sets[at], new) for at, new in fresh.items()}
    calls = [(operands.get(at, values), at in fresh) for at, values in enumerate(sets)]
    backend.finish(None)
    kept, result = [], None
    for values, wanted in calls:
        result = function(*values)
        if wanted:
            kept.append(result)
    backend.finish(result)
    in_place = item.task.get("in_place")
    results = {at: operands[at][0] if in_place else one for at, one in zip(sorted(fresh), kept)}
    if not (part or item.creates or in_place or backend.recomputes):
        for at, new in fresh.items():
            for operand, one in zip(operands[at], new):
                _rewritten(backend, operand, _other(one))
    return [_value(backend, results[at]) for at in fresh]


def contents(backend, operands):
    """Copies of an operand set's values, as `rewritten` takes them."""
    return tuple(_content(backend, operand) for operand in operands)


def _content(backend, operand):
    if isinstance(operand, list):
        return [np.array(operand[0])] if isinstance(operand[0], np.ndarray) else list(operand)
    return np.array(operand if isinstance(operand, np.ndarray) else backend.value(operand))


def rewritten(backend, operands, values):
    """The operand set with new values, in place wherever that can be done."""
    return tuple(_rewritten(backend, operand, one) for operand, one in zip(operands, values))


def _result(backend, item, function, operands, new):
    """What the function makes of the operands, once they have new values; of a call that changes its first operand: that one."""
    values = rewritten(backend, operands, new)
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
