"""Work that is put off until somebody looks: what reading results takes beyond copying them, as a share of the calls' time.
And work that is left out because its input, or its operands' values, were seen before.
"""

import numpy as np

from .backend import no_span
from .clock import OwnStopwatch, others_waited_ns

TRIES = 3  # in which CPU time says so, of which the shortest times count: others may have been disturbed
PATIENT = 30  # tries at most, where the clock alone says that work was put off
COPIES = 2  # of the results, of which the shorter one counts: one that was disturbed would excuse what was put off
PROBED = 4  # passes or steps that tell how long one takes, the shortest of them
HELD = 1 << 18  # bytes of results that are held at a time
LEAST_NS = 2000000  # below this, what reading takes says nothing
FILLED_NS = 20000000  # forward passes or training steps, where they did their work, take about this long together
FEWEST, MOST = 4, 256  # passes or steps
CALL_NS = 100000  # what reading the result of one call may cost by itself
PASS_NS = 20000  # the same of the logits of a forward pass
FEWEST_ROUNDS, MOST_ROUNDS = 5, 40  # of calls on known operands and on new ones
SEEN = 6  # passes over the same images, of which the last is held against the first


def of_operator(backend, function, sets):
    """Of one call on each operand set, only the last of which is waited for."""

    def once():
        with OwnStopwatch() as called:
            results = [function(*values) for values in sets]
            backend.finish(results[-1])
        flat = [one for result in results for one in (result if isinstance(result, list) else [result])]
        return (called.wall, *_reading(backend.value, [one for one in flat if one is not None], CALL_NS))

    return _least(once)


def of_passes(net, inputs):
    """Of forward passes of a network, only the last of which is waited for."""

    def once():
        with OwnStopwatch() as called:
            handles = [net.infer(x) for x in inputs]
            net.sync(handles[-1])
        return (called.wall, *_reading(net.numpy, handles, PASS_NS))

    return _least(once)


def of_steps(net, batches):
    """Of training steps: a second reading of the weights says what the first would have taken with nothing left to do."""

    def once():
        with OwnStopwatch() as called:
            net.sync(net.train(batches, no_span)[-1])
        with OwnStopwatch() as read:
            net.weights()
        with OwnStopwatch() as again:
            net.weights()
        return called.wall, read.wall - 3 * again.wall, read.cpu - 3 * again.cpu

    return _least(once)


def of_seen(net, new_images):
    """Share of forward passes' time that is saved where the images were passed just before. new_images: gives some that the
    network has not seen. The first pass over images and the last of several (what is remembered need not be so at once) lie close
    together, so that the machine's speed is the same for both, and a pass in the middle stands for all: other work on the machine
    lengthens some."""

    def once():
        first, *images = new_images()
        _pass(net, first)
        watches = [[_pass(net, one) for _ in range(SEEN)] for one in images]
        return _saved([row[0] for row in watches], [row[-1] for row in watches])

    return _least(once)


def of_known(backend, function, write, known, new):
    """Share of an operator's time that is saved on operands whose values it had in the timed rounds.

    write: operand sets with given values, written over the old ones where that can be done. known: values as they were timed.
    new: gives as many that are new. Each round writes both and calls once on each, so that the machine's speed and what its
    caches hold are the same for both: an embedding is eight times as fast where it has just read the same rows.
    """

    def loop(sets):
        with OwnStopwatch() as watch:
            result = None
            for values in sets:
                result = function(*values)
            backend.finish(result)
        return watch

    def on(values):
        sets = write(values)
        backend.finish(None)
        return sets

    first = min(loop(on(known)).wall for _ in range(2))
    rounds = int(min(max(FILLED_NS // max(first, 1), FEWEST_ROUNDS), MOST_ROUNDS))

    def once():
        fresh, seen = [], []
        for _ in range(rounds):
            values = new()
            loop(on(known))  # making values has emptied the caches, which the first call fills again
            fresh.append(loop(on(values)))
            seen.append(loop(on(known)))
        on(known)
        return _saved(fresh, seen)

    return _least(once)


def _pass(net, images):
    """Times of a forward pass over a copy of the images."""
    copy = np.array(images)
    with OwnStopwatch() as watch:
        net.sync(net.infer(net.batch(copy, None)[0]))
    return watch


def _saved(new, again):
    """(time of what is new, what is saved where it is known, the same in CPU time), of watches of as many of both."""
    walls, cpus = (
        [float(np.median([getattr(one, which) for one in some])) * len(some) for some in (new, again)]
        for which in ("wall", "cpu")
    )
    return walls[0], walls[0] - walls[1], cpus[0] - cpus[1]


def filling(once):
    """How many passes or steps fill FILLED_NS. once: makes one and waits for it."""
    walls = []
    for _ in range(PROBED):
        with OwnStopwatch() as watch:
            once()
        walls.append(watch.wall)
    return int(min(max(np.ceil(FILLED_NS / max(float(min(walls)), 1.0)), FEWEST), MOST))


def _reading(value, results, each_ns):
    """Time of reading the results beyond what that may take, by the clock and in CPU time. Only few values are held at a time: to
    fill memory that is new to the process can take ten times as long as to copy it."""
    read, copies = [], [[] for _ in range(COPIES)]
    at, count = 0, 1
    while at < len(results):
        with OwnStopwatch() as watch:
            values = [value(one) for one in results[at : at + count]]
        read.append(watch)
        for copied in copies:
            copied.append(_copied(values))
        at += count
        count = max(HELD * len(values) // max(sum(np.asarray(one).nbytes for one in values), 1), 1)
    allowed = each_ns * len(results)
    return tuple(
        sum(getattr(one, which) for one in read)
        - 3 * min(sum(getattr(one, which) for one in copied) for copied in copies)
        - allowed
        for which in ("wall", "cpu")
    )


def _copied(values):
    """Times of a copy of all of them."""
    with OwnStopwatch() as watch:
        for one in values:
            np.array(one, copy=True)
    return watch


def _least(once):
    """Time put off as a share of the calls' time, each the least of some tries; a try that puts nothing off is enough. None where
    that is not settled.

    once: gives (time of the calls, time put off by the clock, the same in CPU time of this process), without what this thread
    waited for a processor. Three tries in which CPU time says so too are enough. Where the clock alone does, work may be done
    elsewhere, which is late each time; or this thread waited for others of the process while other programs had the processors,
    which says nothing. So half of many tries must be later than those others waited.
    """
    tries, by_cpu, elsewhere = [], 0, 0
    while by_cpu < TRIES and len(tries) < PATIENT:
        before = others_waited_ns()
        called, late, late_cpu = once()
        waited = _more(before, others_waited_ns())
        tries.append((called, late))
        if late <= LEAST_NS:
            return 0.0
        by_cpu += late_cpu > LEAST_NS
        elsewhere += waited is not None and late > LEAST_NS + waited
    if by_cpu < TRIES and elsewhere < PATIENT // 2:
        return None
    called, late = (min(column) for column in zip(*tries))
    return float(late) / max(called, 1)


def _more(before, after):
    """What all threads waited between; None where the system does not tell."""
    return None if before is None or after is None else sum(ns - before.get(thread, 0) for thread, ns in after.items())
