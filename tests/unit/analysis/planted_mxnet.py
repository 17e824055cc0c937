"""The MXNet adapter with a planted cause of slowness (option `plant`): sleep, copy, conv, float64 or collect. A child's file."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "dlprof" / "frameworks" / "mxnet" / "adapter"))
import mxnet_adapter
import mxnet_network
import planted_python

Network = mxnet_network.GluonNetwork


def create(request):
    backend = mxnet_adapter.create(request)
    plant = request["options"].get("plant")
    if plant:
        {"sleep": sleep, "copy": copy, "conv": conv, "float64": float64, "collect": collect}[plant](backend._mx)
    return backend


def sleep(mx):
    """An input pipeline that waits 50 ms for each batch."""
    batch = Network.batch

    def slow(self, images, labels):
        time.sleep(0.05)
        return batch(self, images, labels)

    Network.batch = slow


def copy(mx):
    """Eight copies of 32 MB a step that nobody needs."""
    step = Network.step

    def more(self, x, y, span):
        if not hasattr(self, "_planted"):
            self._planted = [mx.nd.ones((8000, 1000)), mx.nd.zeros((8000, 1000))]
        loss = step(self, x, y, span)
        for _ in range(8):
            self._planted[0].copyto(self._planted[1])
        return loss

    Network.step = more


def conv(mx):
    """conv1 by a slower implementation: its kernel inside one of 15 x 15, zeros around, which computes the same."""

    class Padded(mx.gluon.nn.Conv2D):
        def hybrid_forward(self, F, x, weight, bias):  # noqa: N803  Gluon names it so
            wide = F.pad(weight, mode="constant", pad_width=(0, 0, 0, 0, 5, 5, 5, 5))
            y = F.Convolution(x, wide, bias, kernel=(15, 15), pad=(5, 5), num_filter=self._channels)
            return self.act(y)

    _replace(mx, "conv1", "Conv2D", Padded)


def float64(mx):
    """conv2 in double precision between two casts."""

    class Double(mx.gluon.nn.Conv2D):
        def hybrid_forward(self, F, x, weight, bias):  # noqa: N803  Gluon names it so
            x, weight, bias = (F.cast(value, dtype="float64") for value in (x, weight, bias))
            y = F.Convolution(x, weight, bias, kernel=(3, 3), num_filter=self._channels)
            return self.act(F.cast(y, dtype="float32"))

    _replace(mx, "conv2", "Conv2D", Double)


def collect(_):
    planted_python.collect(Network)


def _replace(mx, layer, kind, block):
    original = mxnet_network._block

    class Namespace:
        def __getattr__(self, name):
            return block if name == kind else getattr(mx.gluon.nn, name)

    mxnet_network._block = lambda nn, one: original(Namespace() if one.name == layer else nn, one)
