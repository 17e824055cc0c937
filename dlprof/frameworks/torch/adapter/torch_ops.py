"""Single calls in PyTorch 2: eager, or compiled with torch.compile."""

import numpy as np
from dlprof_child.backend import Calls
from dlprof_child.calls import compiled as compiled_call
from dlprof_child.faults import Fault
from torch_functions import TORCH
from torch_modes import compiled


class TorchCalls(Calls):
    """Compiles and runs the calls of op workloads."""

    def __init__(self, torch, mode, device):
        self._torch = torch
        self._mode = mode
        self._device = device
        self._cuda = device.type == "cuda"
        self._square = None
        self.synchronisation = (
            "torch.cuda.synchronize()" if self._cuda else "none needed: on a CPU a call returns when it is done"
        )

    def tensor(self, value, call):
        """A copy of a NumPy array on the device; autograd follows it where the call asks for a gradient."""
        tensor = self._torch.tensor(value, device=self._device)
        return tensor.requires_grad_() if call.get("gradient") else tensor

    def execution(self, call, creates):
        """eager | compile. What makes a tensor, and PyTorch's own fused updates, torch.compile (2.13) cannot compile."""
        return "eager" if creates or "torch._fused_" in call["call"] else self._mode

    def compile_call(self, call, names, creates, constants):
        """A function of the operands; where call["gradient"] lists positions it gives the gradients by those."""
        torch = self._torch
        scope = dict(constants, torch=torch, F=torch.nn.functional)
        scope["dtype"] = getattr(torch, str(constants["dtype"]))
        body = compiled_call(call, names, scope, TORCH)
        # The body alone is compiled: a wrapper would be the same code for all calls, compiled anew for each.
        body = compiled(torch, self.execution(call, creates), body)
        body = self._placed(body) if self._cuda and creates else body
        return self._differentiated(body, call["gradient"]) if call.get("gradient") else body

    def _placed(self, body):
        """What the call creates lies on the GPU. For such calls alone: the scope costs microseconds."""
        device = self._device

        def run(*values):
            with device:
                return body(*values)

        return run

    def _differentiated(self, body, by):
        """Forward and backward: d(sum of the result)/d(operand) for the operands at the positions `by`."""
        torch = self._torch

        def run(*values):
            result = body(*values)
            return list(torch.autograd.grad(result, [values[position] for position in by], torch.ones_like(result)))

        return run

    def finish(self, result):
        """Wait for the device."""
        if self._cuda:
            self._torch.cuda.synchronize(self._device)

    def rewrite(self, operand, value):
        """The operand, with new values copied into it."""
        with self._torch.no_grad():
            operand.copy_(self._torch.from_numpy(np.ascontiguousarray(value)))
        return operand

    def saturate(self):
        """One product of two matrices of 1024 x 1024."""
        torch = self._torch
        if self._square is None:
            self._square = torch.ones((1024, 1024), device=self._device)
        torch.matmul(self._square, self._square)
        self.finish(None)
        return True

    def value(self, result):
        """The result as a NumPy array."""
        return result.detach().cpu().numpy()

    def gradient(self, function, values, by):
        """d(sum)/d(operand) for the operands at the positions `by`."""
        torch = self._torch
        values = [value.detach() for value in values]
        for position in by:
            values[position].requires_grad_()
        result = function(*values)
        if not result.requires_grad:
            raise Fault("PyTorch gives no gradient for this call", "set gradient = false in the task")
        found = torch.autograd.grad(result, [values[position] for position in by], torch.ones_like(result))
        return [gradient.cpu().numpy() for gradient in found]
