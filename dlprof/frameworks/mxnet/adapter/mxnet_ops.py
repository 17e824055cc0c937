"""Single calls in MXNet 1.x: imperative, hybridized, or as a bound symbol.

A call written with `F` has a symbolic form (F is mx.nd or mx.sym); one written with `mx` is executed imperatively in
every mode, and the facts say so.
"""

import functools

from dlprof_child.backend import Calls
from dlprof_child.calls import compiled, takes
from dlprof_child.faults import OTHER_CALL, Unsupported
from mxnet_functions import MXNET


class MXNetCalls(Calls):
    """Compiles and runs the calls of op workloads."""

    synchronisation = "mx.nd.waitall()"

    def __init__(self, mx, mode, context):
        self._mx = mx
        self._mode = mode
        self._context = context
        self._square = None

    def tensor(self, value, call):
        """A NumPy array as an array on the device; the call may ask for mx.np.ndarray, or that it keeps a gradient."""
        array = self._mx.nd.array(value, ctx=self._context, dtype=value.dtype)
        if call.get("array") == "np":
            if not hasattr(array, "as_np_ndarray"):
                raise Unsupported("MXNet %s has no mx.np, which came with 1.6" % self._mx.__version__, OTHER_CALL)
            array = array.as_np_ndarray()
        if call.get("gradient"):
            array.attach_grad()
        return array

    def execution(self, call, creates):
        """imperative | hybrid | hybrid-static | symbolic."""
        symbolic = not creates and not takes(call, "mx")
        return self._mode if symbolic else "imperative"

    def compile_call(self, call, names, creates, constants):
        """A function of the operands; with call["gradient"] it gives the gradient by the first of them."""
        mx = self._mx
        body = compiled(call, names, dict(constants, mx=mx), MXNET, first=["F"])
        execution = self.execution(call, creates)
        if execution == "imperative":
            function = self._imperative(body)
        else:  # mode symbolic too: a hybridized block is an executor of its symbol
            function = _block(mx, body)
            static = {"static_alloc": True, "static_shape": True} if execution == "hybrid-static" else {}
            function.hybridize(**static)
        return self._differentiated(function, call["gradient"]) if call.get("gradient") else function

    def _imperative(self, body):
        mx, context = self._mx, self._context
        if context == mx.cpu(0):  # the default: a context scope would add nothing but its own cost
            return functools.partial(body, mx.nd)

        def run(*values):
            with context:
                return body(mx.nd, *values)

        return run

    def _differentiated(self, function, by):
        """Forward and backward: d(sum of the result)/d(operand) for the operands at the positions `by`."""
        autograd = self._mx.autograd

        def run(*values):
            with autograd.record():
                result = function(*values)
            result.backward()
            return [values[position].grad for position in by]

        return run

    def finish(self, result):
        """Wait for the engine."""
        self._mx.nd.waitall()

    def rewrite(self, operand, value):
        """The operand, with new values copied into it: an assignment fails where oneDNN has given it a layout of its own."""
        target = operand.as_nd_ndarray() if hasattr(operand, "as_nd_ndarray") else operand  # mx.np came with 1.6
        self._mx.nd.array(value, ctx=self._context, dtype=value.dtype).copyto(target)
        return operand

    def saturate(self):
        """A dense layer of 1024 x 1024 over as many rows: `dot` would not do, whose BLAS is built for a single thread."""
        nd = self._mx.nd
        if self._square is None:
            self._square = nd.ones((1024, 1024), ctx=self._context)
        nd.FullyConnected(self._square, self._square, num_hidden=1024, no_bias=True).wait_to_read()
        return True

    def value(self, result):
        """The result as a NumPy array."""
        return result.asnumpy()

    def gradient(self, function, values, by):
        """d(sum)/d(operand) for the operands at the positions `by`."""
        wanted = [values[position] for position in by]
        for value in wanted:
            value.attach_grad()
        with self._mx.autograd.record():
            result = function(*values)
        result.backward()  # from ones, that is of the sum
        return [value.grad.asnumpy() for value in wanted]


def _block(mx, body):
    class Call(mx.gluon.HybridBlock):  # type: ignore[name-defined]
        def hybrid_forward(self, F, *values):  # noqa: N803 - MXNet's name
            return body(F, *values)

    return Call()
