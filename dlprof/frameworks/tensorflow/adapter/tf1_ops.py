"""Single calls in a session of TensorFlow 1: each item a graph and a session of its own, operands fed."""

import numpy as np
from dlprof_child.backend import Calls
from dlprof_child.calls import compiled
from dlprof_child.faults import Fault, Unsupported
from tf_functions import TENSORFLOW

_ALIGNMENT = 64  # a fed array that starts at such an address is used where it lies; any other is copied


class SessionCalls(Calls):
    """Compiles and runs the calls of op workloads in mode `graph` of TensorFlow 1."""

    synchronisation = "Session.run returns when its graph has run; the result is not fetched"

    def __init__(self, tf, recorder, device, config):
        self._tf = tf
        self._recorder = recorder
        self._device = device
        self._config = config
        self._square = None

    def tensor(self, value, call=None):
        """The array at an address that the session takes without copying."""
        room = np.empty(value.nbytes + _ALIGNMENT, np.uint8)
        start = -room.ctypes.data % _ALIGNMENT
        array = room[start : start + value.nbytes].view(value.dtype).reshape(value.shape)
        array[...] = value
        return array

    def execution(self, call, creates):
        """graph. Raises Unsupported where the call itself is to make a tensor."""
        if creates:
            raise Unsupported(
                "mode graph of TensorFlow 1 makes no tensor from a value: tf.constant adds a node to a graph",
                "use mode eager",
            )
        return "graph"

    def compile_call(self, call, names, creates, constants):
        """A function of the operands; with call["gradient"] it gives the gradient by the first of them."""
        self.execution(call, creates)
        body = compiled(call, names, dict(constants, tf=self._tf), TENSORFLOW)
        by = call.get("gradient")
        results = self._differentiated(body, by)
        return _Call(self._tf, self._recorder, self._device, self._config, results, several=bool(by))

    def _differentiated(self, body, by):
        """The results as a list: that of the body, or its gradients by the operands at the positions `by`."""
        tf = self._tf
        if not by:
            return lambda *values: [body(*values)]
        return lambda *values: tf.gradients(body(*values), [values[position] for position in by])

    def variable(self, value, call):
        """Raises Unsupported: what a session changes in place is a part of its graph."""
        raise Unsupported(
            "mode graph of TensorFlow 1 feeds operands, and a fed value cannot be updated", "use mode eager"
        )

    def finish(self, result):
        """Nothing: Session.run has waited."""

    recomputes = True

    def rewrite(self, operand, value):
        """Not called: operands are NumPy arrays, which are rewritten as they are."""
        raise Fault("an operand of a session is a NumPy array, not %s" % type(operand).__name__)

    def saturate(self):
        """One product of two matrices of 1024 x 1024."""
        if self._square is None:
            ones = self.tensor(np.ones((1024, 1024), np.float32))
            call = self.compile_call({"call": "tf.matmul(a, b)"}, ["a", "b"], False, {})
            self._square = call, ones
        call, ones = self._square
        call(ones, ones)
        return True

    def value(self, result):
        """The result as a NumPy array, computed once more and fetched."""
        return result.call.fetch(result.values, result.position)

    def gradient(self, function, values, by):
        """d(sum)/d(operand) for the operands at the positions `by`."""
        return function.gradient(values, by)


class _Handle:
    """One result of a call that has run. No tuple: a tuple of results is what a call with several gives."""

    __slots__ = ("call", "position", "values")

    def __init__(self, call, values, position):
        self.call = call
        self.values = values
        self.position = position


class _Call:
    """One expression as a graph with its session, built at the first call, from the operands' types and shapes."""

    def __init__(self, tf, recorder, device, config, body, several):
        self._several = several
        self._tf = tf
        self._recorder = recorder
        self._device = device
        self._config = config
        self._body = body
        self._session = None

    def __call__(self, *values):
        """Runs it; a handle for `value`, or a list of them where it gives several results."""
        self._build(values)
        self._recorder.run(self._session, self._targets, dict(zip(self._places, values)))
        handles = [_Handle(self, values, position) for position in range(len(self._results))]
        return handles if self._several else handles[0]

    def _build(self, values):
        if self._session is not None:
            return
        tf = self._tf
        graph = tf.Graph()
        with graph.as_default(), tf.device(self._device):
            self._places = [tf.placeholder(value.dtype, value.shape) for value in values]
            self._results = self._body(*self._places)
        # fetching operators, not their results: nothing is copied out
        self._targets = [result.op for result in self._results]
        self._session = tf.Session(graph=graph, config=self._config)

    def fetch(self, values, position):
        self._build(values)
        return np.asarray(self._session.run(self._results[position], feed_dict=dict(zip(self._places, values))))

    def gradient(self, values, by):
        self._build(values)
        tf = self._tf
        with self._session.graph.as_default(), tf.device(self._device):
            found = tf.gradients(self._results[0], [self._places[position] for position in by])
            if any(gradient is None for gradient in found):
                raise Fault("TensorFlow gives no gradient for this call", "set gradient = false in the task")
            found = [tf.convert_to_tensor(gradient) for gradient in found]
        return self._session.run(found, feed_dict=dict(zip(self._places, values)))
