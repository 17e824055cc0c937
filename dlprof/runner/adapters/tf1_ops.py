"""Single calls in a session of TensorFlow 1: each item a graph and a session of its own, operands fed."""

import numpy as np
from dlprof_child.faults import Fault, Unsupported

_ALIGNMENT = 64  # a fed array that starts at such an address is used where it lies; any other is copied


class SessionOps:
    """Compiles and runs the calls of op workloads in mode `graph` of TensorFlow 1."""

    synchronisation = "Session.run returns when its graph has run; the result is not fetched"

    def __init__(self, tf, recorder, device, config):
        self._tf = tf
        self._recorder = recorder
        self._device = device
        self._config = config

    def tensor(self, value):
        """The array at an address that the session takes without copying."""
        room = np.empty(value.nbytes + _ALIGNMENT, np.uint8)
        start = -room.ctypes.data % _ALIGNMENT
        array = room[start : start + value.nbytes].view(value.dtype).reshape(value.shape)
        array[...] = value
        return array

    def execution(self, creates):
        """graph. Raises Unsupported where the call itself is to make a tensor."""
        if creates:
            raise Unsupported(
                "mode graph of TensorFlow 1 makes no tensor from a value: tf.constant adds a node to a graph",
                "use mode eager",
            )
        return "graph"

    def copies_for(self, count, creates):
        """A session under FULL_TRACE records every kernel, however cheap."""
        return 1

    def compile_call(self, call, names, creates, constants):
        """A function of the operands; with call["gradient"] it gives the gradient by the first of them."""
        self.execution(creates)
        code = compile("lambda %s: %s" % (", ".join(names), call["call"]), "<call>", "eval")
        body = eval(code, dict(constants, tf=self._tf))
        if call.get("gradient"):
            return _Call(self._tf, self._recorder, self._device, self._config, self._differentiated(body))
        return _Call(self._tf, self._recorder, self._device, self._config, body)

    def _differentiated(self, body):
        tf = self._tf
        return lambda *values: tf.gradients(body(*values), values[0])[0]

    def finish(self, result):
        """Nothing: Session.run has waited."""

    def value(self, result):
        """The result as a NumPy array, computed once more and fetched."""
        call, values = result
        return call.fetch(values)

    def gradient(self, function, values):
        """d(sum)/d(first operand)."""
        return function.gradient(values)


class _Call:
    """One expression as a graph with its session, built at the first call, from the operands' types and shapes."""

    def __init__(self, tf, recorder, device, config, body):
        self._tf = tf
        self._recorder = recorder
        self._device = device
        self._config = config
        self._body = body
        self._session = None

    def __call__(self, *values):
        if self._session is None:
            self._build(values)
        self._recorder.run(self._session, self._target, dict(zip(self._places, values)))
        return self, values

    def _build(self, values):
        tf = self._tf
        graph = tf.Graph()
        with graph.as_default(), tf.device(self._device):
            self._places = [tf.placeholder(value.dtype, value.shape) for value in values]
            self._result = self._body(*self._places)
        self._target = self._result.op  # fetching the operator, not its result: nothing is copied out
        self._session = tf.Session(graph=graph, config=self._config)

    def fetch(self, values):
        if self._session is None:
            self._build(values)
        return np.asarray(self._session.run(self._result, feed_dict=dict(zip(self._places, values))))

    def gradient(self, values):
        if self._session is None:
            self._build(values)
        tf = self._tf
        with self._session.graph.as_default(), tf.device(self._device):
            (gradient,) = tf.gradients(self._result, self._places[:1])
        if gradient is None:
            raise Fault("TensorFlow gives no gradient for this call", "set gradient = false in the task")
        return self._session.run(gradient, feed_dict=dict(zip(self._places, values)))
