"""Single calls in TensorFlow 2: eager, as a tf.function, or compiled with XLA."""

from dlprof_child.faults import Fault, Unsupported
from tf_modes import CALLS_WITH_ALL_KERNELS, compiled


class TensorFlowOps:
    """Compiles and runs the calls of op workloads."""

    def __init__(self, tf, mode, device):
        self._tf = tf
        self._mode = mode
        self._device = device
        self._gpu = "GPU" in device
        self.synchronisation = (
            "tf.test.experimental.sync_devices()"
            if self._gpu
            else "none needed: on a CPU a call returns when it is done"
        )

    def tensor(self, value):
        """A NumPy array as a tensor on the device."""
        with self._tf.device(self._device):
            return self._tf.identity(self._tf.convert_to_tensor(value))

    def execution(self, creates):
        """eager | graph | xla."""
        return "eager" if creates else self._mode

    def copies_for(self, count, creates):
        """Graph kernels vanish from traces after 90 calls, so each copy gets at most 64; eager ones do not."""
        return -(-count // CALLS_WITH_ALL_KERNELS) if self.execution(creates) == "graph" else 1

    def compile_call(self, call, names, creates, constants):
        """A function of the operands. Raises Unsupported where this release lacks what the call names."""
        tf = self._tf
        scope = dict(constants, tf=tf)
        body = eval(compile("lambda %s: %s" % (", ".join(names), call), "<call>", "eval"), scope)
        function = compiled(tf, self.execution(creates), body)
        device = self._device

        def run(*values):
            try:
                with tf.device(device):
                    return function(*values)
            except AttributeError as error:
                raise Unsupported(
                    "TensorFlow %s cannot execute `%s`: %s" % (tf.__version__, call, error),
                    "try another --set variant=",
                ) from None

        # on a CPU the device scope adds nothing but its own cost to a call of a few microseconds
        return run if self._gpu else function

    def finish(self, result):
        """Wait for the device."""
        if not self._gpu:
            return
        if hasattr(self._tf.test, "experimental") and hasattr(self._tf.test.experimental, "sync_devices"):
            self._tf.test.experimental.sync_devices()
        elif result is not None:
            result.numpy()

    def value(self, result):
        """The result as a NumPy array."""
        return result.numpy()

    def gradient(self, function, values):
        """d(sum)/d(first operand)."""
        tf = self._tf
        with tf.GradientTape() as tape:
            tape.watch(values[0])
            total = tf.reduce_sum(function(*values))
        gradient = tape.gradient(total, values[0])
        if gradient is None:
            raise Fault("TensorFlow gives no gradient for this call", "set gradient = false in the task")
        return gradient.numpy()
