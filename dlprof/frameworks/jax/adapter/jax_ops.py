"""Single calls in JAX: each a jitted program of its own, or executed operator by operator."""

import ctypes

import numpy as np
from dlprof_child.backend import Calls
from dlprof_child.calls import compiled
from dlprof_child.faults import Fault
from jax_functions import JAX

_PRODUCTS = 4


class Variable:
    """Something that a call may change: JAX's arrays cannot be, so this holds the one that stands for it now."""

    __slots__ = ("array",)

    def __init__(self, array):
        self.array = array


class JaxCalls(Calls):
    """Compiles and runs the calls of op workloads.

    Calls return before they are done, and those that do not need each other may end in any order, so what was asked for since
    the last wait is kept until then.
    """

    synchronisation = "jax.block_until_ready on all results since the last time"

    def __init__(self, jax, mode, device):
        self._jax = jax
        self._mode = mode
        self._device = device
        self._pending = []
        self._product = None

    def tensor(self, value, call=None):
        """A NumPy array as an array on the device, there when this returns. A copy: JAX would else share aligned memory."""
        return self._jax.device_put(np.array(value), self._device).block_until_ready()

    def variable(self, value, call):
        """The same as something that a call may change."""
        return Variable(self.tensor(value, call))

    def execution(self, call, creates):
        """jit | op-by-op. A call that makes an array of NumPy values or a list cannot be part of a program."""
        return "op-by-op" if creates else self._mode

    def compile_call(self, call, names, creates, constants):
        """A function of the operands; with call["gradient"] it gives the gradients by the operands at those positions."""
        import jax_optimizers

        jax = self._jax
        scope = dict(constants, jax=jax, jnp=jax.numpy, optimizers=jax_optimizers)
        body = compiled(call, names, scope, JAX)
        if call.get("gradient"):
            body = self._differentiated(body, call["gradient"])
        jitted = self.execution(call, creates) == "jit"
        if call.get("in_place"):
            return self._updating(body, jitted)
        function = jax.jit(body) if jitted else body
        keep = self._pending.append

        def run(*values):
            result = function(*values)
            keep(result)
            return result

        return run

    def _differentiated(self, body, by):
        """Forward and backward: d(sum of the result)/d(operand), a list."""
        gradient = self._jax.grad(lambda *values: body(*values).sum(), argnums=tuple(by))
        return lambda *values: list(gradient(*values))

    def _updating(self, body, jitted):
        """A call that gives the new values of its variables, in their order; jitted, the old ones are donated to it."""
        jax = self._jax
        functions = {}

        def run(*values):
            places = tuple(at for at, value in enumerate(values) if isinstance(value, Variable))
            if places not in functions:
                functions[places] = jax.jit(body, donate_argnums=places) if jitted else body
            result = functions[places](*(value.array if at in places else value for at, value in enumerate(values)))
            arrays = result if isinstance(result, tuple) else (result,)
            for at, array in zip(places, arrays):
                values[at].array = array
            self._pending.append(arrays)

        return run

    def finish(self, result):
        """Wait for all that was asked for."""
        if self._pending:
            # What was donated to a later update is gone; that one's own arrays tell when it is done.
            self._jax.block_until_ready([one for one in self._pending if not self._gone(one)])
            self._pending.clear()

    @staticmethod
    def _gone(result):
        return isinstance(result, tuple) and result[0].is_deleted()

    def value(self, result):
        """The result as a NumPy array."""
        return np.asarray(result.array if isinstance(result, Variable) else result)

    def rewrite(self, operand, value):
        """The operand with new values: a variable gets a new array, an array in memory that can be reached is written over.

        JAX forbids it, which is the point: a timed function that keeps results by operand believes the operand unchanged.
        """
        if isinstance(operand, Variable):
            operand.array = self.tensor(value)
            return operand
        source = np.ascontiguousarray(value)
        if self._device.platform != "cpu" or operand.shape != source.shape or operand.dtype != source.dtype:
            return self.tensor(value)
        ctypes.memmove(operand.unsafe_buffer_pointer(), source.ctypes.data, source.nbytes)
        return operand if np.array_equal(np.asarray(operand), source) else self.tensor(value)

    def saturate(self):
        """Products of two matrices of 1024 x 1024, one after the other in one program."""
        jax = self._jax
        if self._product is None:
            square = self.tensor(np.full((1024, 1024), 1 / 1024.0, np.float32))

            def products(start):
                return jax.lax.fori_loop(0, _PRODUCTS, lambda _, x: x @ square, start)

            self._product = jax.jit(products), square
        function, square = self._product
        function(square).block_until_ready()
        return True

    def gradient(self, function, values, by):
        """d(sum)/d(operand) for the operands at the positions `by`."""
        values = [value.array if isinstance(value, Variable) else value for value in values]
        try:
            found = self._jax.grad(lambda *given: function(*given).sum(), argnums=tuple(by))(*values)
        except TypeError as error:
            raise Fault("JAX gives no gradient for this call: %s" % error, "set gradient = false in the task") from None
        finally:
            self._pending.clear()  # what was kept while it was traced is no array
        return [np.asarray(gradient) for gradient in found]
