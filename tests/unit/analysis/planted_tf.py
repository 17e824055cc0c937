"""The TensorFlow adapter with a planted cause of slowness (option `plant`): sleep, copy or float64. A child's file."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "dlprof" / "frameworks" / "tensorflow" / "adapter"))
import tf_adapter
import tf_network

Network = tf_network.TensorFlowNetwork


def create(request):
    backend = tf_adapter.create(request)
    plant = request["options"].get("plant")
    if plant:
        {"sleep": sleep, "float64": float64}[plant](backend._tf)
    return backend


def sleep(tf):
    """An input pipeline that waits 50 ms for each batch."""
    batch = Network.batch

    def slow(self, images, labels):
        time.sleep(0.05)
        return batch(self, images, labels)

    Network.batch = slow


def float64(tf):
    """conv2 in double precision between two casts."""
    apply = tf_network._apply

    def double(tf, layer, x, variables):
        if layer.name != "conv2":
            return apply(tf, layer, x, variables)
        wide = {name: tf.cast(value, tf.float64) for name, value in variables.items() if name.startswith("conv2/")}
        return tf.cast(apply(tf, layer, tf.cast(x, tf.float64), wide), tf.float32)

    tf_network._apply = double
