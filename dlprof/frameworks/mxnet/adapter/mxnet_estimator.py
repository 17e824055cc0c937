"""A network trained by Gluon's Estimator, MXNet's counterpart of Keras' Model.fit: mode `estimator`."""

import logging

from dlprof_child.names import INPUT
from mxnet_network import GluonNetwork


class EstimatorNetwork(GluonNetwork):
    """The hybridized Gluon network with its Trainer, driven by Estimator.fit with the metrics that it adds by itself."""

    def __init__(self, mx, context, description, weights):
        super(EstimatorNetwork, self).__init__(mx, "hybrid", context, description, weights)
        from mxnet.gluon.contrib import estimator

        self._module = estimator
        self._estimator = estimator.Estimator(net=self._net, loss=self._loss, trainer=self._trainer, context=context)
        logger = getattr(self._estimator, "logger", None)
        if logger is not None:
            logger.setLevel(logging.WARNING)  # as quiet as Keras' fit with verbose=0

    def train(self, batches, span):
        """One fit over the batches; returns the loss handles, one a step."""
        losses = _losses(self._module)
        self._estimator.fit(_loader(self._mx, self, batches, span), epochs=1, event_handlers=[losses])
        return losses.found

    def facts(self):
        return dict(
            super(EstimatorNetwork, self).facts(),
            fit="Estimator.fit is called once for each block of steps; its metrics wait for each step",
        )


def _losses(module):
    class Losses(module.BatchEnd):  # type: ignore[name-defined]
        """Keeps the mean loss of each step."""

        def __init__(self):
            self.found = []

        def batch_end(self, estimator, *args, **kwargs):
            self.found.append(kwargs["loss"][0].mean())

    return Losses()


def _loader(mx, network, batches, span):
    class Given(mx.gluon.data.DataLoader):  # type: ignore[name-defined]
        """The parent's batches in the parent's order; fit takes a DataLoader only."""

        def __init__(self):
            """Nothing of a DataLoader's own: no data set, no sampler, no workers."""

        def __iter__(self):
            for gather in batches:
                with span(INPUT):
                    batch = network.batch(*gather())
                yield batch

        def __len__(self):
            return 1

        def __del__(self):
            """A DataLoader ends its workers here; there are none."""

    return Given()
