"""A network in Keras 3: the same Sequential on each backend, trained by `train_on_batch`, Keras' own compiled step.

Not by `fit`: on JAX it fetches two batches before it runs a step, so that no single step can be asked for.
"""

import numpy as np
from dlprof_child import keras_parts
from dlprof_child import layers as layer_list
from dlprof_child.backend import Network, no_span
from dlprof_child.names import FORWARD, LOSS, OPTIMIZER


class KerasNetwork(Network):
    """What does not depend on the backend. Layouts are NHWC, as Keras' default is on every backend."""

    def __init__(self, keras, device, description, weights):
        self._keras, self._device = keras, device
        layers = layer_list.resolve(description["model"])
        self._model = keras_parts.sequential(keras, layers, keras.Input(tuple(description["model"]["input"])))
        self._loss = keras_parts.loss(keras, description["loss"], keras.ops.reshape)
        self._model.compile(optimizer=keras_parts.optimizer(keras, description["optimizer"]), loss=self._loss)
        self._names = keras_parts.weight_names(layers)
        self._model.set_weights([weights[name] for name in self._names])
        # Its variables are made now, so that a snapshot before the first step holds them.
        self._model.optimizer.build(self._model.trainable_variables)

    # what depends on the backend

    def _differentiated(self, x, y):
        """(logits, loss, gradients by the trainable variables), of the backend."""
        raise NotImplementedError

    def _applied(self, gradients):
        """One update with these NumPy arrays."""
        convert = self._keras.ops.convert_to_tensor
        self._model.optimizer.apply([convert(one) for one in gradients], self._model.trainable_variables)

    # Network

    def batch(self, images, labels):
        return images, labels

    def step(self, x, y, span):
        return self._model.train_on_batch(x, y)

    def infer(self, x):
        return self._model.predict_on_batch(x)

    def sync(self, handle):
        """Nothing: `train_on_batch` and `predict_on_batch` give NumPy values."""

    def numpy(self, handle):
        return np.asarray(handle)

    def gradients(self, x, y):
        values = self._keras.ops.convert_to_numpy
        logits, loss, found = self._differentiated(x, y)
        return values(logits), values(loss), dict(zip(self._names, [values(one) for one in found]))

    def apply(self, gradients):
        self._applied([gradients[name] for name in self._names])

    def weights(self):
        return {name: np.array(value) for name, value in zip(self._names, self._model.get_weights())}

    def snapshot(self):
        values = self._keras.ops.convert_to_numpy
        return self._model.get_weights(), [np.array(values(one)) for one in self._model.optimizer.variables]

    def restore(self, state):
        self._model.set_weights(state[0])
        for variable, value in zip(self._model.optimizer.variables, state[1]):
            variable.assign(value)

    def updates(self):
        return int(self._keras.ops.convert_to_numpy(self._model.optimizer.iterations))

    def facts(self):
        return {
            "layout": "NHWC",
            "dtype": sorted({str(one.dtype) for one in self._model.trainable_variables}),
            "input": "gathered and scaled by NumPy in every step, given to train_on_batch",
            "synchronisation": "none needed: train_on_batch returns the loss as a number",
            "loss": "mean over the batch, computed in every step",
            "jit_compile": str(self._model.jit_compile),
        }


class OnTensorFlow(KerasNetwork):
    """The step is a tf.function, compiled by XLA where Keras finds that the model can be."""

    def _differentiated(self, x, y):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            logits = self._model(x, training=True)
            loss = self._loss(tf.convert_to_tensor(y), logits)
        return logits, loss, tape.gradient(loss, [one.value for one in self._model.trainable_variables])

    def prepare_trace(self, fidelity, steps, batch, trains=True):
        """For exact counts: a function of its own, that has not learnt yet how cheap its kernels are (tf_network.py)."""
        if fidelity != "exact" or not trains:
            return
        state = self.snapshot()
        self._model.train_function = None
        self._model.train_on_batch(*batch)
        self.restore(state)


class OnJax(KerasNetwork):
    """The step is one jitted program of the model's state."""

    def _differentiated(self, x, y):
        import jax

        model, others = self._model, [one.value for one in self._model.non_trainable_variables]

        def both(trainable):
            logits, _ = model.stateless_call(trainable, others, x, training=True)
            return self._loss(jax.numpy.asarray(y), logits), logits

        (loss, logits), found = jax.value_and_grad(both, has_aux=True)([one.value for one in model.trainable_variables])
        return logits, loss, found


class OnTorch(KerasNetwork):
    """The step is executed eagerly. While it is traced, the parts of the step and the layers run in ranges of their names."""

    def _differentiated(self, x, y):
        import torch

        logits = self._model(x, training=True)
        loss = self._loss(self._keras.ops.convert_to_tensor(y), logits)
        return logits, loss, torch.autograd.grad(loss, [one.value for one in self._model.trainable_variables])

    def _applied(self, gradients):
        import torch

        with torch.no_grad():
            super()._applied(gradients)

    def step(self, x, y, span):
        if span is no_span:
            return self._model.train_on_batch(x, y)
        with _Ranges(self._model, span):
            return self._model.train_on_batch(x, y)


class _Ranges:
    """For the duration of a traced step: forward, loss, update and each layer of a model in a range of the trace."""

    def __init__(self, model, span):
        self._model, self._span = model, span
        self._wrapped = []

    def __enter__(self):
        model = self._model
        self._wrap(model, "call", FORWARD)
        self._wrap(model, "_compute_loss", LOSS)
        self._wrap(model.optimizer, "apply", OPTIMIZER)
        for layer in model.layers:
            self._wrap(layer, "call", layer.name)
        return self

    def __exit__(self, *exc):
        for owner, name in self._wrapped:
            del owner.__dict__[name]
        return False

    def _wrap(self, owner, name, marker):
        inner, span = getattr(owner, name), self._span

        def ranged(*values, **named):
            with span(marker):
                return inner(*values, **named)

        owner.__dict__[name] = ranged
        self._wrapped.append((owner, name))


NETWORKS = {"tensorflow": OnTensorFlow, "jax": OnJax, "torch": OnTorch}
