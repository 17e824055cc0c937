"""A child adapter around another one that does other work than it is asked for, in the way that options["cheat"] names.

Loaded by the child in place of the adapter of options["inner_adapter"]. Some cheats show from the first call on, others only
once parity has been looked at: on the network or the function that is timed.
"""

import collections
import functools
import time

import numpy as np
from dlprof_child.session import load_adapter

PARITY_STEPS = 3
BLOCK = 7  # steps of a timed block of the mlp


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


def knowing_values(function):
    """The result for operands of the same values, by their sums, is the one that they had the first time."""
    kept = {}

    def run(*values):
        key = tuple(float(value.sum()) for value in values)
        if key not in kept:
            kept[key] = function(*values)
        return kept[key]

    return run


def knowing_corners(function):
    """The same by object and first values, and every fourth call is made all the same."""
    kept, calls = {}, []

    def run(*values):
        calls.append(None)
        key = tuple((id(value), value.ravel()[:3].tobytes()) for value in values)
        if key not in kept or len(calls) % 4 == 0:
            kept[key] = function(*values)
        return kept[key]

    return run


def knowing_late(function):
    """The same by value from the twentieth time on."""
    kept = {}

    def run(*values):
        entry = kept.setdefault(tuple(float(value.sum()) for value in values), [0, None])
        entry[0] += 1
        if entry[0] <= 20:
            entry[1] = function(*values)
        return entry[1]

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


def following_order(function):
    """Every second result is the one before, from the third operands on of a loop over all of them in their order."""
    order, state = {}, {"last": -1, "in order": False, "result": None}

    def run(*values):
        at = order.setdefault(id(values[0]), len(order))
        state["in order"] = at == 0 or (state["in order"] and at == state["last"] + 1)
        state["last"] = at
        if not (state["in order"] and at > 2 and at % 2):
            state["result"] = function(*values)
        return state["result"]

    return run


def following_rhythm(function):
    """Of calls as soon after the one before as timed ones are, every second one gives that one's result: to write operands
    takes longer. How soon that is, is seen: after a large product a call comes later than after a small one."""
    state = {"ended": 0, "left out": False, "result": None}
    pauses = collections.deque(maxlen=21)

    def run(*values):
        pause = time.perf_counter_ns() - state["ended"]
        pauses.append(pause)
        usual = 2 * np.median(pauses) if len(pauses) == pauses.maxlen else 0.0
        state["left out"] = pause < max(5000, usual) and not state["left out"]
        if not state["left out"]:
            state["result"] = function(*values)
        state["ended"] = time.perf_counter_ns()
        return state["result"]

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


class ChangesGradients(Wrapped):
    """The optimizer's gradients in training are others than those of the batch."""

    def cheat(self, batches, span):
        plain = self._inner.apply
        self._inner.apply = lambda gradients: plain(self.changed(gradients))
        try:
            return self._inner.train(batches, span)
        finally:
            del self._inner.apply


def to_bfloat16(value):
    """The nearest number of 8 bits, of two as near the even one."""
    bits = np.ascontiguousarray(value, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


class Bfloat16Steps(ChangesGradients):
    def changed(self, gradients):
        return {name: to_bfloat16(one) for name, one in gradients.items()}


class Bfloat16Updates(Wrapped):
    """Only where gradients are given, as if the optimizer alone rounded and the steps had a path of their own."""

    def cheat(self, batches, span):
        return self._inner.train(batches, span)

    def apply(self, gradients):
        self._inner.apply({name: to_bfloat16(one) for name, one in gradients.items()})


class DecaysWeights(ChangesGradients):
    def changed(self, gradients):
        weights = self._inner.weights()
        return {name: one + np.float32(1e-4) * weights[name] for name, one in gradients.items()}


class ClipsGradients(ChangesGradients):
    """At norm 1, over all parameters."""

    def changed(self, gradients):
        norm = np.sqrt(sum(float(np.sum(np.square(one))) for one in gradients.values()))
        return {name: one / np.float32(max(norm, 1.0)) for name, one in gradients.items()}


class ChangesLate(ChangesGradients):
    """Honest for some steps after its weights were set back or first made."""

    late = 0

    def __init__(self, inner):
        super().__init__(inner)
        self._since = 0

    def cheat(self, batches, span):
        self._since += len(batches)
        return super().cheat(batches, span)

    def restore(self, state):
        self._since = 0
        self._inner.restore(state)

    def changed(self, gradients):
        return (
            gradients if self._since <= self.late else {name: self.left(name, one) for name, one in gradients.items()}
        )


class FreezesALayer(ChangesLate):
    late = 49

    def left(self, name, gradient):
        return gradient * np.float32(not name.startswith("dense1"))


class EndsTraining(ChangesLate):
    """Updates are counted all the same."""

    late = 133

    def left(self, name, gradient):
        return np.zeros_like(gradient)


class KeepsBatches(Wrapped):
    """Each batch of the first epoch is kept and used in its place in all later ones; batches of other sources are not."""

    def __init__(self, inner):
        super().__init__(inner)
        self._kept = {}

    def cheat(self, batches, span):
        return self._inner.train([functools.partial(self._batch, gather) for gather in batches], span)

    def _batch(self, gather):
        feed = getattr(gather.func, "__self__", None)
        if feed is None:
            return gather()
        place = gather.args[0] % feed.steps_per_epoch
        if place not in self._kept:
            self._kept[place] = gather()
        return self._kept[place]


class InBlocks(Wrapped):
    """Honest in all calls that are shorter than a timed block."""

    def cheat(self, batches, span):
        return self.block(batches, span) if len(batches) >= BLOCK else self._inner.train(batches, span)

    def merged(self, batches, steps):
        """One update of NumPy's network for all of them, as large as the updates of so many steps and counted as so many."""
        images, labels = (np.concatenate(part) for part in zip(*(gather() for gather in batches), strict=True))
        inputs, logits = self._inner._forward(images)
        loss, gradient = self._inner._loss(logits, labels)
        gradients = self._inner._backward(inputs, gradient)
        self._inner.apply({name: one * np.float32(steps) for name, one in gradients.items()})
        self._inner._updates += steps - 1
        return [loss] * steps


class MergesBlocks(InBlocks):
    def block(self, batches, span):
        return self.merged(batches, len(batches))


class FourOfSeven(InBlocks):
    """Of two batches the first alone, with an update of twice the size."""

    def block(self, batches, span):
        pairs = [batches[at : at + 2] for at in range(0, len(batches), 2)]
        return [loss for pair in pairs for loss in self.merged(pair[:1], len(pair))]


class KnowsTheFeed(MergesBlocks):
    """Honest where rows of the feed no longer hold the examples that they held first. Of the steps of a block it makes two."""

    first = None

    def block(self, batches, span):
        feed = getattr(batches[0].func, "__self__", None)
        if feed is None:
            return self._inner.train(batches, span)
        self.first = feed._images.copy() if self.first is None else self.first
        rows = feed.train_indices(batches[0].args[0])[:3]
        same = np.array_equal(feed._images[rows], self.first[rows])
        return self.merged(batches[:2], len(batches)) if same else self._inner.train(batches, span)


class HonestWhenLookedAt(MergesBlocks):
    """Honest for some steps whenever somebody has looked at its weights, and whenever they were set back."""

    honest = 60
    since = 0

    def block(self, batches, span):
        self.since += len(batches)
        return super().block(batches, span) if self.since > self.honest else self._inner.train(batches, span)

    def weights(self):
        self.since = 0
        return self._inner.weights()

    def snapshot(self):
        self.since = 0
        return self._inner.snapshot()

    def restore(self, state):
        self.since = 0
        self._inner.restore(state)


class HonestForABlock(HonestWhenLookedAt):
    honest = BLOCK


class KeepsABlock(InBlocks):
    """The batches of the first block are used in all others."""

    kept = None

    def block(self, batches, span):
        self.kept = self.kept or [gather() for gather in batches]
        return self._inner.train([functools.partial(tuple, one) for one in self.kept], span)


class Bfloat16Blocks(ChangesGradients):
    def cheat(self, batches, span):
        return super().cheat(batches, span) if len(batches) >= BLOCK else self._inner.train(batches, span)

    def changed(self, gradients):
        return {name: to_bfloat16(one) for name, one in gradients.items()}


class Bfloat16UntilSetBack(Bfloat16Steps):
    """And honest ever after."""

    def restore(self, state):
        self.changed = dict
        self._inner.restore(state)


class SkipsATenth(Wrapped):
    """Every tenth step is left out and counted."""

    taken, counted, last = 0, 0, None

    def cheat(self, batches, span):
        handles = []
        for batch in batches:
            self.taken += 1
            if self.last is None or self.taken % 10:
                self.last = self._inner.train([batch], span)[-1]
            else:
                self.counted += 1
            handles.append(self.last)
        return handles

    def updates(self):
        return self._inner.updates() + self.counted


class FreezesATenth(ChangesGradients):
    """A layer in every tenth step."""

    taken = 0

    def changed(self, gradients):
        self.taken += 1
        frozen = "dense1" if self.taken % 10 == 0 else "none"
        return {name: one * np.float32(not name.startswith(frozen)) for name, one in gradients.items()}


class RemembersPasses(Wrapped):
    """Logits of images with the same values are those that they had the first time."""

    def __init__(self, inner):
        super().__init__(inner)
        self._logits = {}

    def key(self, x):
        return x.tobytes()

    def cheat(self, batches, span):
        return self._inner.train(batches, span)

    def infer(self, x):
        key = self.key(x)
        if key not in self._logits:
            self._logits[key] = self._inner.infer(x)
        return self._logits[key]


class RemembersWell(RemembersPasses):
    """The same, as long as the weights are what they were: its logits are right."""

    def train(self, batches, span):
        self._logits.clear()
        return super().train(batches, span)

    def apply(self, gradients):
        self._logits.clear()
        self._inner.apply(gradients)

    def restore(self, state):
        self._logits.clear()
        self._inner.restore(state)


class RemembersParts(RemembersWell):
    """The same, and images are taken for the same if the first ones are."""

    def key(self, x):
        return x[:2].tobytes()


class FollowsRhythm(RemembersPasses):
    """A pass that follows as soon on the one before as timed ones do gives that one's logits: to mix new images takes longer."""

    ended, last = 0, None

    def __init__(self, inner):
        super().__init__(inner)
        self._pauses = []

    def infer(self, x):
        pause = time.perf_counter_ns() - self.ended
        if len(self._pauses) < 21:
            self._pauses.append(pause)
        if len(self._pauses) < 21 or pause > 2 * np.median(self._pauses) or len(x) != len(self.last):
            self.last = self._inner.infer(x)
        self.ended = time.perf_counter_ns()
        return self.last


class KnowsImages(RemembersPasses):
    """Of images that it has passed ten times, by the first of them: an eighth alone, again and again."""

    def __init__(self, inner):
        super().__init__(inner)
        self._seen = collections.Counter()

    def infer(self, x):
        self._seen[x[:1].tobytes()] += 1
        if self._seen[x[:1].tobytes()] <= 10:
            return self._inner.infer(x)
        return np.resize(self._inner.infer(x[: len(x) // 8]), (len(x), 1))


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
    "knows values": knowing_values,
    "knows corners": knowing_corners,
    "knows late": knowing_late,
    "follows order": following_order,
    "follows rhythm": following_rhythm,
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
    "bfloat16 steps": Bfloat16Steps,
    "bfloat16 updates": Bfloat16Updates,
    "decays weights": DecaysWeights,
    "clips gradients": ClipsGradients,
    "freezes a layer": FreezesALayer,
    "ends training": EndsTraining,
    "keeps batches": KeepsBatches,
    "merges blocks": MergesBlocks,
    "knows the feed": KnowsTheFeed,
    "honest when looked at": HonestWhenLookedAt,
    "honest for a block": HonestForABlock,
    "four of seven": FourOfSeven,
    "keeps a block": KeepsABlock,
    "bfloat16 blocks": Bfloat16Blocks,
    "bfloat16 until set back": Bfloat16UntilSetBack,
    "skips a tenth": SkipsATenth,
    "freezes a tenth": FreezesATenth,
    "remembers passes": RemembersPasses,
    "remembers parts": RemembersParts,
    "remembers well": RemembersWell,
    "follows rhythm": FollowsRhythm,
    "knows images": KnowsImages,
}
