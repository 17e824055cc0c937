"""A child adapter around TensorFlow's own that does other work than it is asked for, in the way that options["cheat"] names.

Loaded by the child in place of the adapter of options["inner_adapter"]. Some cheats show from the first call on, others only
once parity has been looked at: on the network or the function that is timed.
"""

import functools

import numpy as np
from dlprof_child.session import load_adapter

PARITY_STEPS = 3


def create(request):
    """The real backend, cheating."""
    options = request["options"]
    inner = load_adapter(options["inner_adapter"]).create(request)
    return CheatingBackend(inner, options["cheat"])


class CheatingBackend:
    """Everything is the inner backend's, but for `network`, `compile_call` and, of a lazy one, `value`."""

    def __init__(self, inner, cheat):
        self._inner = inner
        self._cheat = cheat

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def network(self, description, weights):
        import tensorflow as tf

        network = self._inner.network(description, weights)
        if self._cheat in IN_THE_NETWORK:
            IN_THE_NETWORK[self._cheat](tf, network)
            return network
        return ON_THE_NETWORK[self._cheat](network)

    def compile_call(self, call, names, creates, constants):
        function = self._inner.compile_call(call, names, creates, constants)
        return {"remembers": remembering, "lazy": putting_off, "drops": dropping}[self._cheat](function)

    def value(self, result):
        return self._inner.value(result() if callable(result) else result)


# operators


def remembering(function):
    """The first result for each operand object is kept, and given ever after."""
    kept = {}

    def run(*values):
        key = tuple(id(value) for value in values)
        if key not in kept:
            kept[key] = function(*values)
        return kept[key]

    return run


def putting_off(function):
    """Nothing is computed before its result is read."""
    return lambda *values: functools.partial(function, *values)


def dropping(function):
    """From the third call on, the result of the second: all other work is dropped."""
    results = []

    def run(*values):
        if len(results) < 2:
            results.append(function(*values))
        return results[-1]

    return run


# networks: from the first step on


def other_learning_rate(tf, network):
    """1 % more."""
    network._optimizer._rate = np.float32(network._optimizer._rate * 1.01)


def label_smoothing(tf, network):
    plain = network._loss

    def smoothed(logits, labels):
        return 0.98 * plain(logits, labels) + 0.02 * plain(logits, 1 - labels)

    network._loss = smoothed


def dropout(tf, network):
    """Active in training alone."""
    plain = network._loss
    network._loss = lambda logits, labels: plain(tf.nn.dropout(logits, 0.2), labels)


def lower_precision(tf, network):
    """14 bits of 24: an error of 3e-5, within what sums in another order are allowed."""
    plain = network._logits

    def rounded(x):
        bits = tf.bitwise.bitwise_and(tf.bitcast(x, tf.int32), tf.constant(-1024, tf.int32))
        return plain(tf.bitcast(bits, tf.float32))

    network._logits = rounded


def other_padding(tf, network):
    """The input is shifted by one place, with a zero coming in."""
    plain = network._logits
    network._logits = lambda x: plain(tf.pad(x, [[0, 0], [1, 0]])[:, :-1])


# networks: once parity has been looked at


class Wrapped:
    """Everything is the inner network's, but for `train`, which is honest for its first steps."""

    def __init__(self, inner):
        self._inner = inner
        self._steps = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def train(self, batches, span):
        batches = list(batches)
        before, self._steps = self._steps, self._steps + len(batches)
        return self._inner.train(batches, span) if before < PARITY_STEPS else self.cheat(batches, span)


class SkipsUpdates(Wrapped):
    """Every second step is left out; its loss is that of the step before."""

    def cheat(self, batches, span):
        handles = []
        for number, batch in enumerate(batches):
            handles.append(handles[-1] if number % 2 else self._inner.train([batch], span)[-1])
        return handles


class FirstBatch(Wrapped):
    """Trains on the first batch that it gets, again and again."""

    kept = None

    def cheat(self, batches, span):
        self.kept = self.kept or batches[0]
        return self._inner.train([self.kept] * len(batches), span)


IN_THE_NETWORK = {
    "learning rate": other_learning_rate,
    "label smoothing": label_smoothing,
    "dropout": dropout,
    "lower precision": lower_precision,
    "other padding": other_padding,
}
ON_THE_NETWORK = {"skips updates": SkipsUpdates, "first batch": FirstBatch}
