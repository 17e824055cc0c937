"""Single calls in MXNet 1.x: imperative, hybridized, or as a bound symbol.

A call written with `F` has a symbolic form (F is mx.nd or mx.sym); one written with `mx` is executed imperatively in
every mode, and the facts say so.
"""

import re

from dlprof_child.faults import Unsupported

SYNCHRONISATION = "mx.nd.waitall()"


class MXNetOps:
    """Compiles and runs the calls of op workloads."""

    def __init__(self, mx, mode, context):
        self._mx = mx
        self._mode = mode
        self._context = context

    def tensor(self, value, kind):
        """A NumPy array as an array on the device; kind `np` gives mx.np.ndarray."""
        array = self._mx.nd.array(value, ctx=self._context, dtype=value.dtype)
        return array.as_np_ndarray() if kind == "np" else array

    def execution(self, call, creates):
        """imperative | hybrid | hybrid-static | symbolic."""
        symbolic = not creates and not re.search(r"\bmx\.", call)
        return self._mode if symbolic else "imperative"

    def compile_call(self, call, names, creates, constants):
        """A function of the operands. Raises Unsupported where this release lacks what the call names."""
        mx = self._mx
        code = compile("lambda F, %s: %s" % (", ".join(names), call), "<call>", "eval")
        body = eval(code, dict(constants, mx=mx))
        execution = self.execution(call, creates)
        if execution == "imperative":
            return self._imperative(call, body)
        block = _block(mx, body)  # mode symbolic too: a hybridized block is an executor of its symbol
        block.hybridize(**({"static_alloc": True, "static_shape": True} if execution == "hybrid-static" else {}))
        return block

    def _imperative(self, call, body):
        mx, context = self._mx, self._context

        def run(*values):
            try:
                with context:
                    return body(mx.nd, *values)
            except AttributeError as error:
                raise Unsupported(
                    "MXNet %s cannot execute `%s`: %s" % (mx.__version__, call, error), "try another --set variant="
                ) from None

        return run

    def finish(self):
        """Wait for the engine."""
        self._mx.nd.waitall()

    def value(self, result):
        """The result as a NumPy array."""
        return result.asnumpy()

    def gradient(self, function, values):
        """d(sum)/d(first operand)."""
        first = values[0]
        first.attach_grad()
        with self._mx.autograd.record():
            result = function(*values)
        result.backward()  # from ones, that is of the sum
        return first.grad.asnumpy()


def _block(mx, body):
    class Call(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, *values):  # noqa: N803 - MXNet's name
            return body(F, *values)

    return Call()
