"""The canonical layout (NHWC terms) in that of frameworks whose channels come first, and back: MXNet, PyTorch.

Convolutions: (rows, columns, in, out) -> (out, in, rows, columns). Dense layers: (in, out) -> (out, in).
"""

import numpy as np

from . import layers as layer_list
from .faults import Unsupported


class Weights:
    """Permutes the parameters of a list of layers, by name (conv1/w)."""

    def __init__(self, layers):
        self._layers = layers

    def _layer(self, name):
        index = [layer.name for layer in self._layers].index(name.split("/")[0])
        return index, self._layers[index]

    def turned(self, name, value):
        """From the canonical layout."""
        index, layer = self._layer(name)
        if name.endswith("/b"):
            return value
        if layer.op == "Conv":
            return value.transpose(3, 2, 0, 1)
        spatial = layer_list.spatial_before(self._layers, index)
        if spatial:  # rows of w follow the flattened input: (h, w, c) canonically, (c, h, w) here
            value = value.reshape((*spatial, -1)).transpose(2, 0, 1, 3).reshape(value.shape)
        return np.ascontiguousarray(value.T)

    def canonical(self, name, value):
        """Back to the canonical layout."""
        index, layer = self._layer(name)
        if name.endswith("/b"):
            return value
        if layer.op == "Conv":
            return value.transpose(2, 3, 1, 0)
        value = value.T
        spatial = layer_list.spatial_before(self._layers, index)
        if spatial:
            rows, columns, channels = spatial
            value = value.reshape((channels, rows, columns, -1)).transpose(1, 2, 0, 3).reshape(value.shape)
        return np.ascontiguousarray(value)


def images(batch):
    """(n, rows, columns, channels) -> (n, channels, rows, columns); of one channel a view, for both are the same bytes."""
    if batch.ndim != 4:
        return batch
    n, rows, columns, channels = batch.shape
    return batch.reshape(n, 1, rows, columns) if channels == 1 else batch.transpose(0, 3, 1, 2)


def padding(layer, label):
    """The symmetric padding of a layer that equals TensorFlow's SAME or VALID; raises Unsupported where there is none: only
    odd windows with stride 1 have one. label: the framework's name for people."""
    if layer.get("padding", "valid") != "same":
        return (0, 0)
    rows, columns = layer_list.pair(layer.get("kernel"))
    if rows % 2 == 0 or columns % 2 == 0 or layer_list.pair(layer.get("stride", 1)) != (1, 1):
        raise Unsupported(
            "layer '%s': %s has no asymmetric padding" % (layer.name, label), "use an odd kernel with stride 1"
        )
    return (rows // 2, columns // 2)
