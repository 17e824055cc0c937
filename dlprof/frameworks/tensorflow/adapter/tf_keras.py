"""A network in Keras, trained by Model.fit: mode `keras`.

fit runs in a thread of its own over a generator that waits for batches, so that a few steps at a time can be asked for
without paying fit's start at each of them, and nothing runs in between.
"""

import inspect
import queue
import threading

from dlprof_child import keras_parts
from dlprof_child import layers as layer_list
from dlprof_child.backend import Network, no_span
from dlprof_child.faults import Fault
from dlprof_child.names import INPUT

_ENDLESS = 10**9  # steps of the one epoch that fit believes in
_PATIENCE_S = 300


class KerasNetwork(Network):
    """tf.keras.Sequential, compiled with Keras' own optimizer and loss."""

    def __init__(self, tf, device, description, weights):
        self._tf = tf
        self._layers = layer_list.resolve(description["model"])
        with tf.device(device):
            start = tf.keras.layers.InputLayer(tuple(description["model"]["input"]))
            self._model = keras_parts.sequential(tf.keras, self._layers, start)
            loss = keras_parts.loss(tf.keras, description["loss"], tf.reshape)
            self._model.compile(optimizer=keras_parts.optimizer(tf.keras, description["optimizer"]), loss=loss)
            self._names = keras_parts.weight_names(self._layers)
            self._model.set_weights([weights[name] for name in self._names])
            _build_optimizer(self._model)
        self._input = tuple(description["model"]["input"])
        self._queue = queue.Queue(maxsize=2)
        self._ended = queue.Queue()
        # Waiting for data alone is not enough: the graph of the next step would already have read the weights and
        # counted itself, so that a restore of the weights came too late.
        self._permits = threading.Semaphore(0)
        self._mean, self._count = 0.0, 0
        self._reports_mean = tuple(int(n) for n in tf.__version__.split(".")[:2]) >= (2, 2)
        self._thread = None

    # fit

    def _batches(self):
        while True:
            batch = self._queue.get()
            if batch is None:
                return
            yield batch

    def _dataset(self):
        """A data set over the generator. fit given the bare generator would first draw some batches to learn their type."""
        tf = self._tf
        shapes = ((None, *self._input), (None,))
        types = (tf.float32, tf.int32)
        if (
            hasattr(tf, "TensorSpec")
            and "output_signature" in inspect.signature(tf.data.Dataset.from_generator).parameters
        ):
            signature = tuple(tf.TensorSpec(shape, kind) for shape, kind in zip(shapes, types))
            return tf.data.Dataset.from_generator(self._batches, output_signature=signature)
        options = tf.data.Options()
        # TensorFlow of that time runs the generator on the threads of its ops: while it waits for a batch, none may be left
        # for the step, and both wait for each other.
        options.experimental_threading.private_threadpool_size = 2
        return tf.data.Dataset.from_generator(self._batches, types, shapes).with_options(options)

    def _fit(self):
        notify = self._tf.keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: self._permits.acquire(),
            on_train_batch_end=lambda batch, logs: self._ended.put(float(logs["loss"])),
        )
        try:
            self._model.fit(
                self._dataset(), steps_per_epoch=_ENDLESS, epochs=1, verbose=0, shuffle=False, callbacks=[notify]
            )
        except Exception as error:  # noqa: BLE001 - crosses to the main thread, which raises it
            self._ended.put(error)

    def train(self, batches, span):
        """Feed the batches to the running fit and wait for as many ends of steps; returns each step's loss."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._fit, daemon=True)
            self._thread.start()
        fed = 0
        for gather in batches:
            with span(INPUT):
                batch = gather()
                self._permits.release()
                self._queue.put(batch)
            fed += 1
        return [self._step_loss() for _ in range(fed)]

    def _step_loss(self):
        """The loss of the step that ended next. Since 2.2 Keras reports the mean since fit began: taken apart here."""
        try:
            mean = self._ended.get(timeout=_PATIENCE_S)
        except queue.Empty:
            raise Fault("Keras fit ended no step within %d s" % _PATIENCE_S, "see the log") from None
        if isinstance(mean, Exception):
            raise Fault("Keras fit failed: %s: %s" % (type(mean).__name__, mean))
        if not self._reports_mean:
            return mean
        total = self._mean * self._count
        self._count += 1
        self._mean = mean
        return mean * self._count - total

    def close(self):
        if self._thread is not None:
            self._permits.release()
            self._queue.put(None)
            self._thread.join(_PATIENCE_S)

    # Network

    def prepare_trace(self, fidelity, steps, batch, trains=True):
        """For exact counts: a fit of its own, with a graph that has not learnt yet how cheap its kernels are (tf_network.py)."""
        if fidelity != "exact" or not trains or self._thread is None:
            return
        state = self.snapshot()
        self.close()
        self._thread, self._queue, self._ended = None, queue.Queue(maxsize=2), queue.Queue()
        self._permits, self._mean, self._count = threading.Semaphore(0), 0.0, 0
        self._model.train_function = None  # fit makes it anew
        self.train([lambda: batch], no_span)
        self.restore(state)

    def batch(self, images, labels):
        return images, labels

    def infer(self, x):
        return self._model.predict_on_batch(x)

    def sync(self, handle):
        """Nothing: `train` waits for the end of its last step."""

    def numpy(self, handle):
        return handle

    def gradients(self, x, y):
        tf = self._tf
        with tf.GradientTape() as tape:
            logits = self._model(x, training=True)
            loss = self._model.loss(y, logits)
        found = tape.gradient(loss, self._model.trainable_variables)
        return logits.numpy(), loss.numpy(), dict(zip(self._names, [gradient.numpy() for gradient in found]))

    def apply(self, gradients):
        values = [self._tf.convert_to_tensor(gradients[name]) for name in self._names]
        self._model.optimizer.apply_gradients(zip(values, self._model.trainable_variables))

    def weights(self):
        return dict(zip(self._names, self._model.get_weights()))

    def snapshot(self):
        return self._model.get_weights(), [v.numpy() for v in _optimizer_variables(self._model)]

    def restore(self, state):
        self._model.set_weights(state[0])
        for variable, value in zip(_optimizer_variables(self._model), state[1]):
            variable.assign(value)
        if hasattr(self._model, "reset_metrics"):
            # fit waits for its next batch meanwhile: its mean begins anew, and so does the rounding of what is taken from it
            self._model.reset_metrics()
            self._mean, self._count = 0.0, 0

    def updates(self):
        return int(self._model.optimizer.iterations.numpy())

    def facts(self):
        return {
            "layout": "NHWC",
            "dtype": sorted({str(w.dtype) for w in self._model.get_weights()}),
            "input": "gathered and scaled by NumPy in every step, fed to fit through a tf.data generator",
            "synchronisation": "the end of a step as fit reports it to a callback",
            "loss": "mean over the batch, computed in every step",
            "loss_reading": "taken apart from the running mean of fit, exact to about 1e-7 times the number of steps",
        }


def _build_optimizer(model):
    """Make the optimizer's variables now, so that a snapshot before the first step holds them."""
    optimizer, variables = model.optimizer, model.trainable_variables
    if hasattr(optimizer, "build"):
        optimizer.build(variables)
    elif hasattr(optimizer, "_create_all_weights"):  # up to 2.10
        optimizer._create_all_weights(variables)
    else:  # 2.0, 2.1
        _ = optimizer.iterations
        optimizer._create_hypers()
        optimizer._create_slots(variables)


def _optimizer_variables(model):
    """The optimizer's state: an attribute in Keras 3, a method before."""
    variables = model.optimizer.variables
    return list(variables() if callable(variables) else variables)
