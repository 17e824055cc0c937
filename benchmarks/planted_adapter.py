"""A child adapter around the real one, whose network has one planted cause of slowness more: for benchmarks/planted_causes.py.

Loaded by the child in place of an adapter (so: its Python, its rules). request options: inner_adapter (path of the real
adapter), plant (a name below), stopwatch (a folder). Every cause leaves the results of a step as they are. Causes in Python
are timed where they happen, by time.perf_counter around them, and the child leaves what it counted in `stopwatch`: seconds and
steps, in all and those while the profiler was on. Causes inside a framework's graph are timed by
benchmarks/planted_stopwatch.py, plain step against planted one.
"""

import atexit
import gc
import json
import os
import time
from pathlib import Path

import numpy as np
from dlprof_child.session import load_adapter

SLEEP_S = 0.005
LOOP = 200000  # rounds of an empty loop: about as long
COLLECTED_S = 0.040
COLLECTED_EVERY = 20
COPIES = 2
COPIED = (4000, 1000)  # float32: 16 MB each
LOSS_COPIES = 500  # of the batch
NEWTON_STEPS = 20
TINY = 1e-30


def create(request):
    """The real backend, whose networks are slowed."""
    options = request["options"]
    inner = load_adapter(options["inner_adapter"]).create(request)
    plants = TENSORFLOW if request["framework"] == "tf" else MXNET
    return PlantedBackend(inner, plants[options["plant"]], options.get("stopwatch"))


class PlantedBackend:
    """Everything is the inner backend's, but for `network`; its watches are told when the profiler is on."""

    def __init__(self, inner, plant, stopwatch):
        self._inner = inner
        self._plant = plant
        self._stopwatch = stopwatch
        self._watches = []

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def network(self, description, weights):
        watch = Watch(self._stopwatch)
        self._watches.append(watch)
        return self._plant(self._inner, lambda: self._inner.network(description, weights), watch)

    def plain_network(self, description, weights):
        """For the stop-watch."""
        return self._inner.network(description, weights)

    def start_trace(self, directory, fidelity, options):
        self._inner.start_trace(directory, fidelity, options)
        for watch in self._watches:
            watch.traced = True

    def stop_trace(self):
        for watch in self._watches:
            watch.traced = False
        return self._inner.stop_trace()


class Watch:
    """Counts what a planted piece takes: in all steps of the process, and in the traced ones apart."""

    def __init__(self, folder):
        self.traced = False
        self._seconds = {False: 0.0, True: 0.0}
        self._steps = {False: 0, True: 0}
        if folder:
            atexit.register(self._write, folder)

    @property
    def steps(self):
        """Steps so far."""
        return sum(self._steps.values())

    def step(self):
        """One step more."""
        self._steps[self.traced] += 1

    def __enter__(self):
        self._began = time.perf_counter()

    def __exit__(self, *exc):
        self._seconds[self.traced] += time.perf_counter() - self._began
        return False

    def _write(self, folder):
        if self.steps:
            found = {"seconds": sum(self._seconds.values()), "steps": self.steps}
            traced = {"traced_seconds": self._seconds[True], "traced_steps": self._steps[True]}
            (Path(folder) / f"{os.getpid()}-{id(self)}.json").write_text(json.dumps(dict(found, **traced)))


# in Python, the same in both frameworks


def sleeping_input(_, make, watch):
    """An input pipeline that waits 5 ms for each batch."""
    network = make()
    plain = network.batch

    def slow(images, labels):
        with watch:
            time.sleep(SLEEP_S)
        watch.step()
        return plain(images, labels)

    network.batch = slow
    return network


def python_loop(_, make, watch):
    """A loop in Python within the step, before its first call."""
    network = make()
    plain = network.step

    def slow(x, y, span):
        with watch:
            for _ in range(LOOP):
                pass
        watch.step()
        return plain(x, y, span)

    network.step = slow
    return network


KEPT = []  # objects of the process, which each collection looks at


def grow():
    """Make as many objects as a collection of 40 ms looks at, beside those that the framework has."""
    if KEPT:
        return
    gc.freeze()
    took = 0.0
    while took < COLLECTED_S:
        KEPT.append([[number] for number in range(20000)])
        began = time.perf_counter()
        gc.collect()
        took = time.perf_counter() - began


def collecting(_, make, watch):
    """A full garbage collection of about 40 ms in every 20th step."""
    network = make()
    plain = network.step
    grow()

    def slow(x, y, span):
        watch.step()
        if watch.steps % COLLECTED_EVERY == 0:
            with watch:
                gc.collect()
        return plain(x, y, span)

    network.step = slow
    return network


# TensorFlow


def tf_layer(changed):
    """A plant that computes some layers in another way: changed(tf, plain, layer, x, variables) -> the layer's output."""

    def plant(_, make, __):
        import tf_network

        network = make()
        logits = network._logits

        def other(x):
            plain = tf_network._apply
            tf_network._apply = lambda tf, layer, x, variables: changed(tf, plain, layer, x, variables)
            try:
                return logits(x)
            finally:
                tf_network._apply = plain

        network._logits = other
        return network

    return plant


def tf_wide_kernel(tf, plain, layer, x, variables):
    """conv1 by a kernel of 15 x 15 that holds its own 5 x 5 and zeros around, which computes the same."""
    if layer.name != "conv1":
        return plain(tf, layer, x, variables)
    wide = tf.pad(variables["conv1/w"], [[5, 5], [5, 5], [0, 0], [0, 0]])
    x = tf.nn.conv2d(x, wide, [1, 1, 1, 1], [[0, 0], [5, 5], [5, 5], [0, 0]])
    return tf.nn.relu(tf.nn.bias_add(x, variables["conv1/b"]))


def tf_double(tf, plain, layer, x, variables):
    """conv2 in double precision between two casts."""
    if layer.name != "conv2":
        return plain(tf, layer, x, variables)
    wide = {name: tf.cast(value, tf.float64) for name, value in variables.items() if name.startswith("conv2/")}
    return tf.cast(plain(tf, layer, tf.cast(x, tf.float64), wide), tf.float32)


def tf_copies(backend, make, _):
    """Copies of 16 MB a step that nobody needs, one after the other before the forward pass."""
    tf = backend._tf
    network = make()
    plain = network._step_body
    source = tf.Variable(tf.ones(COPIED), name="source")

    def more(x, y, *span):
        copy = source.read_value()
        for _ in range(COPIES):
            copy = tf.raw_ops.DeepCopy(x=copy)
        with tf.control_dependencies([copy]):
            x = tf.identity(x)
        return plain(x, y, *span)

    network._step_body = more
    network._step = network._compiled(more)
    return network


def tf_unfused_adam(backend, make, _):
    """Adam's formula in small operators in the place of one fused kernel, its square root by Newton's method: TensorFlow runs
    the formula's dozen operators a parameter as fast as the kernel, within a fiftieth of a step."""
    tf = backend._tf
    network = make()
    adam = network._optimizer

    def apply(gradients):
        spec = adam._spec
        power1, power2 = adam._power1.read_value(), adam._power2.read_value()
        rate = spec["learning_rate"] * tf.sqrt(1 - power2) / (1 - power1)
        for name, variable in adam._variables.items():
            with tf.name_scope(name):
                gradient, m, v = gradients[name], adam._m[name], adam._v[name]
                mean = spec["beta1"] * m + (1 - spec["beta1"]) * gradient
                square = spec["beta2"] * v + (1 - spec["beta2"]) * gradient * gradient
                m.assign(mean)
                v.assign(square)
                root = tf.sqrt(square)
                for _ in range(NEWTON_STEPS):  # of the square root, which is its fixed point
                    root = 0.5 * (root + square / (root + TINY))
                variable.assign(variable - rate * mean / (root + spec["epsilon"]))
        adam._power1.assign(power1 * spec["beta1"])
        adam._power2.assign(power2 * spec["beta2"])

    adam.apply = apply
    network.expected = lambda: dict(network._loss_kernel)
    return network


def tf_long_loss(backend, make, _):
    """The mean loss over many copies of the batch's logits, which is the same mean."""
    tf = backend._tf
    network = make()
    plain = network._loss
    network._loss = lambda logits, labels: plain(tf.tile(logits, [LOSS_COPIES, 1]), tf.tile(labels, [LOSS_COPIES]))
    return network


def tf_reading(_, make, __):
    """All weights and moments are read after each step, as for a log of theirs: each read waits for the step."""
    network = make()
    plain = network.step

    def slow(x, y, span):
        loss = plain(x, y, span)
        for _ in range(5):
            for variable in network._state():
                variable.numpy()
        return loss

    network.step = slow
    return network


# MXNet


def mx_copies(backend, make, _):
    """Copies of 16 MB a step that nobody needs, one after the other before the forward pass."""
    mx = backend._mx
    network = make()
    plain = network.step
    arrays = [mx.nd.ones(COPIED), mx.nd.zeros(COPIED)]

    def more(x, y, span):
        for number in range(COPIES):
            arrays[number % 2].copyto(arrays[1 - number % 2])
        x = x * arrays[COPIES % 2][0, 0]  # which is 1: the engine starts the pass when the copies are there
        return plain(x, y, span)

    network.step = more
    return network


def mx_layer(name, make_block):
    """A plant that has another block in the place of a layer's Conv2D."""

    def plant(backend, make, _):
        import mxnet_network

        mx, plain = backend._mx, mxnet_network._block
        block = make_block(mx)

        class Others:
            def __getattr__(self, kind):
                return block if kind == "Conv2D" else getattr(mx.gluon.nn, kind)

        mxnet_network._block = lambda nn, layer: plain(Others() if layer.name == name else nn, layer)
        try:
            return make()
        finally:
            mxnet_network._block = plain

    return plant


def mx_wide_kernel(mx):
    """conv1 by a kernel of 15 x 15 that holds its own 5 x 5 and zeros around, which computes the same."""

    class Padded(mx.gluon.nn.Conv2D):
        def hybrid_forward(self, F, x, weight, bias):  # noqa: N803  Gluon names it so
            wide = F.pad(weight, mode="constant", pad_width=(0, 0, 0, 0, 5, 5, 5, 5))
            y = F.Convolution(x, wide, bias, kernel=(15, 15), pad=(5, 5), num_filter=self._channels)
            return self.act(y)

    return Padded


def mx_double(mx):
    """conv2 in double precision between two casts."""

    class Double(mx.gluon.nn.Conv2D):
        def hybrid_forward(self, F, x, weight, bias):  # noqa: N803  Gluon names it so
            x, weight, bias = (F.cast(value, dtype="float64") for value in (x, weight, bias))
            y = F.Convolution(x, weight, bias, kernel=(3, 3), num_filter=self._channels)
            return self.act(F.cast(y, dtype="float32"))

    return Double


def mx_unfused_adam(backend, make, _):
    """Adam's formula in small operators, a dozen a parameter, in the place of one fused kernel."""
    mx = backend._mx

    class Unfused(mx.optimizer.Adam):
        def update(self, index, weight, grad, state):
            self._update_count(index)
            count = self._index_update_count[index]
            rate = self._get_lr(index) * np.sqrt(1.0 - self.beta2**count) / (1.0 - self.beta1**count)
            grad = grad * self.rescale_grad
            mean, square = state
            mean[:] = self.beta1 * mean + (1.0 - self.beta1) * grad
            square[:] = self.beta2 * square + (1.0 - self.beta2) * grad * grad
            weight[:] = weight - rate * mean / (mx.nd.sqrt(square) + self.epsilon)

    network = make()
    old = network._optimizer_object()
    optimizer = Unfused(learning_rate=old.learning_rate, beta1=old.beta1, beta2=old.beta2, epsilon=old.epsilon)
    network._trainer = mx.gluon.Trainer(network._net.collect_params(), optimizer)
    network._optimizer = "adam in small operators"
    return network


def mx_long_loss(backend, make, _):
    """The mean loss over many copies of the batch's logits, which is the same mean."""
    mx = backend._mx
    plain = mx.gluon.loss.SoftmaxCrossEntropyLoss

    class Long(plain):
        def hybrid_forward(self, F, pred, label):  # noqa: N803  Gluon names it so
            many = F.tile(pred, reps=(LOSS_COPIES, 1)), F.tile(label, reps=(LOSS_COPIES,))
            losses = plain.hybrid_forward(self, F, *many)
            return F.mean(F.reshape(losses, shape=(LOSS_COPIES, -1)), axis=0)

    network = make()
    network._loss = Long()
    if network._mode != "imperative":
        network._loss.hybridize()
    return network


def mx_waiting(backend, make, _):
    """The engine is waited for after each of a step's parts and each parameter's update, as printing a value there would."""
    mx = backend._mx
    network = make()

    class Waiting:
        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def __call__(self, *values):
            mx.nd.waitall()
            result = self._inner(*values)
            mx.nd.waitall()
            return result

    network._loss = Waiting(network._loss)
    optimizer = network._optimizer_object()
    update = optimizer.update

    def waiting(index, weight, grad, state):
        update(index, weight, grad, state)
        mx.nd.waitall()

    optimizer.update = waiting
    return network


SHARED = {"sleeping input": sleeping_input, "Python loop": python_loop, "garbage collection": collecting}
TENSORFLOW = dict(
    SHARED,
    **{
        "extra copy": tf_copies,
        "slower convolution": tf_layer(tf_wide_kernel),
        "float64 layer": tf_layer(tf_double),
        "slower optimizer": tf_unfused_adam,
        "slower loss": tf_long_loss,
        "extra synchronisation": tf_reading,
    },
)
MXNET = dict(
    SHARED,
    **{
        "extra copy": mx_copies,
        "slower convolution": mx_layer("conv1", mx_wide_kernel),
        "float64 layer": mx_layer("conv2", mx_double),
        "slower optimizer": mx_unfused_adam,
        "slower loss": mx_long_loss,
        "extra synchronisation": mx_waiting,
    },
)
