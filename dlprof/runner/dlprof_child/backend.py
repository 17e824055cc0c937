"""What an adapter supplies: a Backend (framework, device, profiler), its single Calls, and a Network (a model with its step)."""

from .faults import Unsupported
from .names import CALL, INPUT


class _NoSpan:
    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


_NO_SPAN = _NoSpan()


def no_span(name, step=None):
    """Marker of an untraced run: none. One shared object, so that timed steps pay next to nothing for it."""
    return _NO_SPAN


class Network:
    """One model. Weights go in and out in the canonical layout of protocol.Inputs (NHWC terms), whatever the framework's.

    Every method that computes may return before the work is done; only `sync` and `numpy` wait.
    """

    def batch(self, images, labels):
        """float32 (n, rows, columns, channels) and integer (n,) arrays -> the framework's pair of tensors."""
        raise NotImplementedError

    def step(self, x, y, span):
        """One training step; returns a handle of the mean loss. `span` marks host phases where the mode has them."""
        raise NotImplementedError

    def infer(self, x):
        """Logits, as a handle."""
        raise NotImplementedError

    def sync(self, handle):
        """Wait until everything asked for so far is done (variable updates too)."""
        raise NotImplementedError

    def numpy(self, handle):
        """Value of a handle as a NumPy array."""
        raise NotImplementedError

    def gradients(self, x, y):
        """(logits, mean loss, {"conv1/w": gradient, ...}) as NumPy arrays in canonical layout; changes no weight."""
        raise NotImplementedError

    def apply(self, gradients):
        """One optimizer update with the given gradients ({"conv1/w": float32 array, ...}, canonical layout)."""
        raise NotImplementedError

    def weights(self):
        """{"conv1/w": float32 array, ...} in canonical layout."""
        raise NotImplementedError

    def snapshot(self):
        """Weights and optimizer state, for `restore`."""
        raise NotImplementedError

    def restore(self, state):
        """Back to a snapshot, without compiling anything anew."""
        raise NotImplementedError

    def train(self, batches, span):
        """Run a step for each of `batches` without waiting; returns the loss handles, one a step.

        Each of `batches` is a function that gathers and returns (images, labels): input work, so it belongs in that span.
        A mode that owns its loop (Keras fit) overrides this.
        """
        losses = []
        for gather in batches:
            with span(INPUT):
                x, y = self.batch(*gather())
            with span(CALL):
                losses.append(self.step(x, y, span))
        return losses

    def prepare_trace(self, fidelity, steps, batch, trains=True):
        """Called once before the traced window of `steps` steps; `batch` is one (images, labels) to warm up with.

        trains: whether they are training steps, else forward passes. Must leave weights and optimizer state as they are.
        """

    def updates(self):
        """How many updates the optimizer itself has counted since the network was made; None where it does not count."""

    def close(self):
        """End threads of its own."""

    def facts(self):
        """What the parity list compares: layout, dtype, parameters, synchronisation, copy or view."""
        raise NotImplementedError

    def expected(self):
        """raw op name -> executions a training step in an exact trace, where known."""
        return {}


class Calls:
    """Single calls on a device, for workloads of operators."""

    synchronisation = ""  # how `finish` waits, in words

    def tensor(self, value, call):
        """A NumPy array as a tensor on the device; `call` is the call's description (it may ask for a kind of array), its
        `gradient` true where this operand needs one."""
        raise NotImplementedError

    def variable(self, value, call):
        """The same as something that a call may change in place."""
        return self.tensor(value, call)

    def compile_call(self, call, names, creates, constants):
        """A function of the operands `names` that executes the call in the mode asked for.

        `calls.compiled` vets and compiles its expression, or finds the user's own function. Where call["gradient"] lists
        positions it gives a list: the gradients of the sum of the result by those operands.

        creates: the call itself makes tensors from NumPy values or lists, so it cannot be part of a graph.
        constants: further names in the expression (n, dtype).
        """
        raise NotImplementedError

    def execution(self, call, creates):
        """How such a call is executed: eager, graph, imperative, …"""
        raise NotImplementedError

    def copies_for(self, count, creates):
        """How many separately compiled functions must share `count` traced calls for the trace to show them all."""
        return 1

    recomputes = False  # whether `value` executes the call once more, so that its time says nothing

    def rewrite(self, operand, value):
        """An operand with new values (a NumPy array) written over the old ones, in place wherever that can be done; else
        a new operand. What a call is given afterwards."""
        return self.tensor(value, {})

    def saturate(self):
        """Execute one matrix product, large enough to use all threads that an operator may use. False: there is none."""
        return False

    def finish(self, result):
        """Wait until all that was asked for is done."""
        raise NotImplementedError

    def value(self, result):
        """The result as a NumPy array."""
        raise NotImplementedError

    def gradient(self, function, values, by):
        """Gradients of the sum of function(*values) by the operands at the positions `by`, a list of NumPy arrays."""
        raise NotImplementedError


class Backend(Calls):
    """A framework on a device, made by an adapter's create(request)."""

    def versions(self):
        """{"tensorflow": "2.21.0", "numpy": ...}"""
        raise NotImplementedError

    def runtime(self):
        """Threads used, build features, environment variables that matter."""
        raise NotImplementedError

    def network(self, description, weights):
        """A fresh Network of the resolved workload description with the given initial weights.

        A framework without networks leaves it as it is (and names its modes in EnvSpec.call_modes).
        """
        raise Unsupported("this framework's adapter has no networks", "it runs workloads of single calls")

    def span(self, name, step=None):
        """Context manager: a marker in the framework's own trace. `step` is given for step markers."""
        raise NotImplementedError

    def start_trace(self, directory, fidelity, options):
        """Start the framework's profiler, writing below `directory`. options: of the user, for the profiler.

        fidelity `exact`: each step or call ends synchronised, and everything that can be left out or put together in the trace
        must not be (bulks, cheap kernels that the profiler skips), so that counts are exact. `native`: as the framework runs by
        itself, with only its own settings of the profiler.
        """
        raise NotImplementedError

    def stop_trace(self):
        """Stop, write, and return [(kind, path)]. The caller has synchronised."""
        raise NotImplementedError


class CallsBackend(Backend):
    """A Backend that leaves single calls to an object of its own, `_calls`."""

    _calls = Calls()

    @property
    def synchronisation(self):  # type: ignore[override]  # which device there is shows late
        return self._calls.synchronisation

    def tensor(self, value, call):
        return self._calls.tensor(value, call)

    def variable(self, value, call):
        return self._calls.variable(value, call)

    def compile_call(self, call, names, creates, constants):
        return self._calls.compile_call(call, names, creates, constants)

    def execution(self, call, creates):
        return self._calls.execution(call, creates)

    def copies_for(self, count, creates):
        return self._calls.copies_for(count, creates)

    @property
    def recomputes(self):  # type: ignore[override]
        return self._calls.recomputes

    def rewrite(self, operand, value):
        return self._calls.rewrite(operand, value)

    def saturate(self):
        return self._calls.saturate()

    def finish(self, result):
        self._calls.finish(result)

    def value(self, result):
        return self._calls.value(result)

    def gradient(self, function, values, by):
        return self._calls.gradient(function, values, by)
