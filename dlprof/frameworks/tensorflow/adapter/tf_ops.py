"""Single calls in TensorFlow 2: eager, as a tf.function, or compiled with XLA."""

import ctypes

import numpy as np
from dlprof_child.backend import Calls
from dlprof_child.calls import compiled as compiled_call
from dlprof_child.faults import Fault
from tf_functions import TENSORFLOW
from tf_modes import CALLS_WITH_ALL_KERNELS, check_mode, compiled


class TensorFlowCalls(Calls):
    """Compiles and runs the calls of op workloads."""

    def __init__(self, tf, mode, device):
        self._tf = tf
        self._mode = mode
        self._device = device
        self._gpu = "GPU" in device
        self._square = None
        self.synchronisation = (
            "tf.test.experimental.sync_devices()"
            if self._gpu
            else "none needed: on a CPU a call returns when it is done"
        )

    def tensor(self, value, call=None):
        """A NumPy array as a tensor on the device."""
        with self._tf.device(self._device):
            return self._tf.identity(self._tf.convert_to_tensor(value))

    def variable(self, value, call):
        """The same as a variable."""
        with self._tf.device(self._device):
            return self._tf.Variable(value)

    def execution(self, call, creates):
        """eager | graph | xla. Raises Unsupported for a mode that has no single calls."""
        check_mode(self._mode)
        return "eager" if creates else self._mode

    def copies_for(self, count, creates):
        """Graph kernels vanish from traces after 90 calls, so each copy gets at most 64; eager ones do not."""
        return -(-count // CALLS_WITH_ALL_KERNELS) if self.execution(None, creates) == "graph" else 1

    def compile_call(self, call, names, creates, constants):
        """A function of the operands; with call["gradient"] it gives the gradient by the first of them."""
        tf, device = self._tf, self._device
        body = compiled_call(call, names, dict(constants, tf=tf), TENSORFLOW)
        if call.get("gradient"):
            body = self._differentiated(body, call["gradient"])
        elif call.get("in_place"):
            body = _without_result(body)
        function = compiled(tf, self.execution(call, creates), body)
        if not self._gpu:
            return function  # a device scope would add nothing but its own cost to a call of a few microseconds

        def run(*values):
            with tf.device(device):
                return function(*values)

        return run

    def _differentiated(self, body, by):
        """Forward and backward: d(sum of the result)/d(operand) for the operands at the positions `by`."""
        tf = self._tf

        def run(*values):
            wanted = [values[position] for position in by]
            with tf.GradientTape() as tape:
                tape.watch(wanted)
                result = body(*values)
            return tape.gradient(result, wanted)

        return run

    def finish(self, result):
        """Wait for the device."""
        if not self._gpu:
            return
        if hasattr(self._tf.test, "experimental") and hasattr(self._tf.test.experimental, "sync_devices"):
            self._tf.test.experimental.sync_devices()
        elif result is not None:
            (result[-1] if isinstance(result, list) else result).numpy()

    def value(self, result):
        """The result as a NumPy array."""
        return result.numpy()

    def rewrite(self, operand, value):
        """The operand with new values: a variable is assigned, a tensor in memory that can be reached is written over."""
        if hasattr(operand, "assign"):
            operand.assign(value)
            return operand
        return operand if not self._gpu and _written_over(operand, value) else self.tensor(value)

    def saturate(self):
        """One product of two matrices of 1024 x 1024."""
        tf = self._tf
        if self._square is None:
            self._square = self.tensor(np.ones((1024, 1024), np.float32))
        with tf.device(self._device):
            tf.matmul(self._square, self._square).numpy()
        return True

    def gradient(self, function, values, by):
        """d(sum)/d(operand) for the operands at the positions `by`."""
        tf = self._tf
        wanted = [values[position] for position in by]
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            total = tf.reduce_sum(function(*values))
        found = tape.gradient(total, wanted)
        if any(gradient is None for gradient in found):
            raise Fault("TensorFlow gives no gradient for this call", "set gradient = false in the task")
        return [tf.convert_to_tensor(gradient).numpy() for gradient in found]  # a gather's gradient is sparse


def _written_over(tensor, value):
    """Whether the values of an eager tensor in the CPU's memory could be replaced, the tensor staying the same object.

    TensorFlow forbids it, which is the point: a timed function that keeps results by operand believes the operand unchanged.
    """
    try:
        view = np.asarray(memoryview(tensor))
    except (TypeError, ValueError, BufferError):
        return False
    if view.dtype != value.dtype or view.shape != value.shape or not view.flags.c_contiguous:
        return False
    source = np.ascontiguousarray(value)
    ctypes.memmove(view.ctypes.data, source.ctypes.data, source.nbytes)
    return bool(np.array_equal(tensor.numpy(), source))


def _without_result(body):
    """An update gives an Operation while a tf.function is traced, which that may not return; it is run all the same."""

    def run(*values):
        body(*values)

    return run
