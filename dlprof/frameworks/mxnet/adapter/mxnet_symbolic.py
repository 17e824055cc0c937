"""A network in MXNet's symbolic interface: a bound Executor, as Module uses it; mode `symbolic`."""

from dlprof_child.names import BACKWARD, FORWARD, OPTIMIZER
from mxnet_network import GluonNetwork, optimizer_arguments


class SymbolicNetwork(GluonNetwork):
    """The Gluon network's symbol, bound once a batch size; forward, backward and an updater for each parameter."""

    def __init__(self, mx, context, description, weights):
        super().__init__(mx, "imperative", context, description, weights)
        data, label = mx.sym.var("data"), mx.sym.var("label")
        logits = self._net(data)
        mean = mx.sym.mean(self._loss(logits, label))
        # The loss drives the gradient; logits are an output without one.
        self._symbol = mx.sym.Group([mx.sym.BlockGrad(logits), mx.sym.MakeLoss(mean)])
        self._inference = logits
        self._arguments = {p.name: p.data(context) for p in self._parameters.values()}
        self._gradients = {p.name: mx.nd.zeros(p.shape, ctx=context) for p in self._parameters.values()}
        self._input = tuple(description["model"]["input"])
        self._bound = {}
        name, arguments = optimizer_arguments(description["optimizer"])
        self._plain_updater = mx.optimizer.get_updater(mx.optimizer.create(name, **arguments))

    def _executor(self, size, training):
        key = (size, training)
        if key not in self._bound:
            mx, context = self._mx, self._context
            shape = self._input if len(self._input) == 1 else (self._input[2], self._input[0], self._input[1])
            inputs = {"data": mx.nd.zeros((size, *shape), ctx=context)}
            if training:
                inputs["label"] = mx.nd.zeros((size,), ctx=context)
            requests = dict.fromkeys(self._arguments, "write" if training else "null")
            requests.update(dict.fromkeys(inputs, "null"))
            self._bound[key] = (self._symbol if training else self._inference).bind(
                context, dict(self._arguments, **inputs), args_grad=dict(self._gradients), grad_req=requests
            )
        return self._bound[key]

    def _forward_backward(self, x, y, span):
        executor = self._executor(x.shape[0], True)
        with span(FORWARD):
            logits, mean = executor.forward(is_train=True, data=x, label=y)
        with span(BACKWARD):
            executor.backward()
        return logits, mean

    def step(self, x, y, span):
        mean = self._forward_backward(x, y, span)[1]
        loss = mean.copy()  # the executor writes its outputs anew in the next step
        with span(OPTIMIZER):
            self._update(self._gradients)
        return loss

    def _update(self, gradients):
        self._forget_inference()
        for index, name in enumerate(self._arguments):
            self._plain_updater(index, gradients[name], self._arguments[name])

    def _forget_inference(self):
        """Inference executors keep reordered copies of the weights (oneDNN subgraphs): bind anew once weights change."""
        for key in [key for key in self._bound if not key[1]]:
            del self._bound[key]

    def restore(self, state):
        self._forget_inference()
        super().restore(state)

    def infer(self, x):
        return self._executor(x.shape[0], False).forward(is_train=False, data=x)[0].copy()

    def gradients(self, x, y):
        from dlprof_child.backend import no_span

        logits, mean = self._forward_backward(x, y, no_span)
        found = {n: self._layout.canonical(n, self._gradients[p.name].asnumpy()) for n, p in self._parameters.items()}
        return logits.asnumpy(), mean.asnumpy().reshape(()), found

    def apply(self, gradients):
        mx = self._mx
        self._update(
            {
                p.name: mx.nd.array(self._layout.turned(n, gradients[n]), ctx=self._context)
                for n, p in self._parameters.items()
            }
        )

    def _updater(self):
        return self._plain_updater

    def _optimizer_object(self):
        return self._plain_updater.optimizer

    def expected(self):
        # The executor bulks its segments in spite of aggregate_stats, so how often an operator ran cannot be counted.
        return {}

    def facts(self):
        return dict(
            super().facts(),
            input="gathered and scaled by NumPy in every step, mx.nd.array copies, copied on bind",
            bulking="the symbolic executor bulks operators in exact traces too: a bulk is one row",
        )
