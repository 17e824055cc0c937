"""What a Sequential of Keras is made of, by a workload's description: in tf.keras and in Keras 3 alike. Imports neither."""

from . import layers as layer_list
from .faults import Unsupported

_ACTIVATIONS = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
}
"""ONNX operator -> Keras' name of it."""


def sequential(keras, layers, start):
    """A Sequential of these layers (layers.resolve). start: what stands for its input."""
    model = keras.Sequential([start])
    for layer in layers:
        model.add(_layer(keras.layers, layer))
    return model


def weight_names(layers):
    """Names of the arrays that get_weights gives, in its order."""
    return [layer.name + "/" + key for layer in layers for key in ("w", "b") if layer.parameters]


def _layer(layers, layer):
    activation = layer.get("activation")
    if activation is not None:
        if activation not in _ACTIVATIONS:
            raise Unsupported("no activation '%s' in Keras" % activation, "known: " + ", ".join(sorted(_ACTIVATIONS)))
        activation = _ACTIVATIONS[activation]
    if layer.op == "Flatten":
        return layers.Flatten(name=layer.name)
    if layer.op == "Gemm":
        return layers.Dense(layer.get("units"), activation=activation, name=layer.name)
    window = {"strides": layer_list.pair(layer.get("stride", 1)), "padding": layer.get("padding", "valid")}
    kernel = layer_list.pair(layer.get("kernel"))
    if layer.op == "Conv":
        return layers.Conv2D(layer.get("filters"), kernel, activation=activation, name=layer.name, **window)
    pool = {"AveragePool": layers.AveragePooling2D, "MaxPool": layers.MaxPooling2D}[layer.op]
    return pool(kernel, name=layer.name, **window)


def loss(keras, spec, reshape):
    """The loss of a `[loss]` table, a function of labels and logits. reshape: of the tensors that the model works with."""
    if spec["op"] == "SoftmaxCrossEntropyLoss":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if spec["op"] == "SigmoidCrossEntropyLoss":
        plain = keras.losses.BinaryCrossentropy(from_logits=True)
        return lambda y, logits: plain(reshape(y, [-1, 1]), logits)
    raise Unsupported(
        "no training loss '%s' in Keras" % spec["op"], "known: SoftmaxCrossEntropyLoss, SigmoidCrossEntropyLoss"
    )


def optimizer(keras, spec):
    """The optimizer of an `[optimizer]` table."""
    optimizers = keras.optimizers
    if spec["op"] == "Adam":
        return optimizers.Adam(
            learning_rate=spec["learning_rate"], beta_1=spec["beta1"], beta_2=spec["beta2"], epsilon=spec["epsilon"]
        )
    if spec["op"] == "SGD":
        return optimizers.SGD(learning_rate=spec["learning_rate"])
    raise Unsupported("no optimizer '%s' in Keras" % spec["op"], "known: Adam, SGD")
