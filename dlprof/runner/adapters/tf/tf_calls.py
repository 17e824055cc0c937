"""What the backends of TensorFlow 1 and 2 share: single calls, which both hand to their kind of ops."""

from typing import Any

from dlprof_child.backend import Backend


class TensorFlowCalls(Backend):
    """A Backend whose `_tf` is the module and whose `_ops` (TensorFlowOps or SessionOps) makes and runs the calls."""

    _tf: Any = None
    _ops: Any = None

    def versions(self):
        return {"tensorflow": self._tf.__version__}

    @property
    def synchronisation(self):  # type: ignore[override]  # which ops there are shows late
        return self._ops.synchronisation

    def tensor(self, value, call):
        return self._ops.tensor(value)

    def variable(self, value, call):
        return self._ops.variable(value)

    def compile_call(self, call, names, creates, constants):
        return self._ops.compile_call(call, names, creates, constants)

    def execution(self, call, creates):
        return self._ops.execution(creates)

    def copies_for(self, count, creates):
        return self._ops.copies_for(count, creates)

    def finish(self, result):
        self._ops.finish(result)

    @property
    def recomputes(self):  # type: ignore[override]  # which ops there are shows late
        return self._ops.recomputes

    def rewrite(self, operand, value):
        return self._ops.rewrite(operand, value)

    def saturate(self):
        self._ops.saturate()
        return True

    def value(self, result):
        return self._ops.value(result)

    def gradient(self, function, values, by):
        return self._ops.gradient(function, values, by)
