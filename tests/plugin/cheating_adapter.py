"""A child adapter around another one that does other work than it is asked for, in the way that options["cheat"] names.

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
        self._compiled = set()

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def network(self, description, weights):
        network = self._inner.network(description, weights)
        if self._cheat in IN_THE_NETWORK:
            import tensorflow as tf

            IN_THE_NETWORK[self._cheat](tf, network)
            return network
        return ON_THE_NETWORK[self._cheat](network)

    def compile_call(self, call, names, creates, constants):
        known = call["call"], constants["n"]
        if self._cheat in IN_THE_CALL and known in self._compiled:
            return IN_THE_CALL[self._cheat](self._inner, call, names, creates, constants)
        self._compiled.add(known)
        function = self._inner.compile_call(call, names, creates, constants)
        return ON_A_CALL.get(self._cheat, lambda same: same)(function)

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


def remembering_between(function):
    """The same, but for the first and the last operands of a round, which are those that are the easiest to look at."""
    kept, order = {}, []

    def run(*values):
        key = tuple(id(value) for value in values)
        if key not in kept:
            order.append(key)
            kept[key] = function(*values)
        return function(*values) if key in (order[0], order[-1]) else kept[key]

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


class SkipsFew(Wrapped):
    """Every twentieth step is left out, which changes how far the weights move by less than rounding may."""

    def cheat(self, batches, span):
        handles, first = [], self._steps - len(batches)
        for number, batch in enumerate(batches, first):
            handles.append(handles[-1] if handles and not number % 20 else self._inner.train([batch], span)[-1])
        return handles


class PutsStepsOff(Wrapped):
    """Steps wait until somebody asks for more than that they are done."""

    def __init__(self, inner):
        super().__init__(inner)
        self._waiting, self._losses = [], []

    def cheat(self, batches, span):
        self._waiting += [(batch, span) for batch in batches]
        return [functools.partial(self._loss_of, at) for at in range(-len(batches), 0)]

    def _loss_of(self, at):
        return self._caught_up()[at]

    def _caught_up(self):
        if self._waiting:
            self._losses = [self._inner.train([batch], span)[-1] for batch, span in self._waiting]
            self._waiting = []
        return self._losses

    def sync(self, handle):
        if not callable(handle):
            self._inner.sync(handle)

    def numpy(self, handle):
        return self._inner.numpy(handle() if callable(handle) else handle)

    def weights(self):
        self._caught_up()
        return self._inner.weights()

    def updates(self):
        self._caught_up()
        return self._inner.updates()

    def snapshot(self):
        self._caught_up()
        return self._inner.snapshot()


class Pass:
    """A forward pass that has yet to be made."""

    def __init__(self, net, x):
        self._net, self._x, self._logits = net, x, None

    def made(self):
        if self._logits is None:
            self._logits = self._net.infer(self._x)
        return self._logits


class PutsPassesOff(Wrapped):
    """A forward pass is made once its own logits are asked for or waited for: of a block the last one."""

    def infer(self, x):
        return Pass(self._inner, x)

    def sync(self, handle):
        self._inner.sync(handle.made() if isinstance(handle, Pass) else handle)

    def numpy(self, handle):
        return self._inner.numpy(handle.made() if isinstance(handle, Pass) else handle)


class KnowsItsWeights(PutsPassesOff):
    """The same, but that what is left is made before weights change: its logits are right."""

    def __init__(self, inner):
        super().__init__(inner)
        self._left = []

    def infer(self, x):
        self._left.append(Pass(self._inner, x))
        return self._left[-1]

    def apply(self, gradients):
        for one in self._left:
            one.made()
        self._left = []
        self._inner.apply(gradients)


class DropsPasses(Wrapped):
    """Every second forward pass gives the logits of the one before."""

    def __init__(self, inner):
        super().__init__(inner)
        self._logits = None

    def infer(self, x):
        self._logits, before = (self._inner.infer(x), None) if self._logits is None else (None, self._logits)
        return self._logits if before is None else before


# operators: the function that is compiled for parity is honest, the next one is not


def inference_mode(inner, call, names, creates, constants):
    """A batch normalisation by a mean and a variance that are given, not by those of the batch."""
    given = call["call"].replace("is_training=True", "mean=m, variance=v, is_training=False")
    return inner.compile_call(dict(call, call=given), names, creates, constants)


def dead_code(inner, call, names, creates, constants):
    """The result is used for nothing inside a program that XLA compiles, which leaves such work out."""
    import tensorflow as tf

    function = inner.compile_call(call, names, creates, constants)

    def unused(a, b):
        function(a, b)
        return a + b

    compiled = tf.function(unused, autograph=False, jit_compile=True)
    ones = tf.ones((constants["n"], constants["n"]))
    program = compiled.experimental_get_compiler_ir(ones, ones)(stage="optimized_hlo")
    assert "add" in program
    assert "dot" not in program, f"XLA left it in: {program}"
    return compiled


IN_THE_CALL = {"inference mode": inference_mode, "dead code": dead_code}
ON_A_CALL = {
    "remembers": remembering,
    "remembers between": remembering_between,
    "lazy": putting_off,
    "drops": dropping,
}
IN_THE_NETWORK = {
    "learning rate": other_learning_rate,
    "label smoothing": label_smoothing,
    "dropout": dropout,
    "lower precision": lower_precision,
    "other padding": other_padding,
}
ON_THE_NETWORK = {
    "skips updates": SkipsUpdates,
    "skips few": SkipsFew,
    "first batch": FirstBatch,
    "puts steps off": PutsStepsOff,
    "puts passes off": PutsPassesOff,
    "knows its weights": KnowsItsWeights,
    "drops passes": DropsPasses,
}
