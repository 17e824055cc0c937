"""PyTorch: a step ends with an optimizer's step, of several optimizers the one that steps least often; without any, with
the forward pass of the outermost module."""

import functools
import re
import sys

from dlprof_inject import packages, profilers, shapes
from dlprof_inject.chosen import Chosen, LeastOften
from dlprof_inject.jobs import now

FORWARDS = 10
"""Forward passes of one outermost module without any optimizer, after which they are taken for the steps."""

UNWEIGHTED = 100
"""The same of a module without weights, unless one with weights was called: it may be a transform of the data (torchvision's are
modules), or a layer that a script looks at before it trains (Keras' augmentation)."""

_COMPILING = ("_compile.compile_inner", "backward._backward_impl")
"""What torch.compile calls its work on a function, and on its gradient where that is put off until it is called."""

_STATE = {}


def optimizers(module, session):
    """torch.optim.optimizer was imported."""
    hook = getattr(module, "register_optimizer_step_post_hook", None)
    if hook is None:  # before PyTorch 2.0
        session.trouble("this PyTorch has no global optimizer hook: name the step with --step")
        return
    stepper = Optimizers(session)
    stepper.handle = hook(stepper.stepped)
    made = module.Optimizer.__init__

    @functools.wraps(made)
    def making(self, *args, **kwargs):
        if "modules" in _STATE:
            _STATE.pop("modules").stand_back()
        made(self, *args, **kwargs)

    module.Optimizer.__init__ = making


def modules(module, session):
    """torch.nn.modules.module was imported."""
    if hasattr(module, "register_module_forward_pre_hook"):
        _STATE["modules"] = Forwards(session, module)


class _Torch(object):
    """What both kinds of steps share."""

    framework = "pytorch"

    def __init__(self, session):
        self.session = session
        self.torch = None
        self.found = ""

    def begin(self, found, ends):
        self.torch = sys.modules["torch"]
        self.found = found
        self.session.begin(self, len(ends), ends=ends)

    def version(self):
        return str(self.torch.__version__)

    def synchronise(self, result=None):
        """Wait for the devices that the script uses."""
        torch = self.torch
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        elif hasattr(torch, "mps") and torch.backends.mps.is_available():
            torch.mps.synchronize()

    def compiled(self):
        """Graphs, seconds of that, and how many of them were compiled before for other shapes."""
        return compiled_graphs(), compile_seconds(), compiled_again()

    def profiler(self, folder, full):
        return profilers.Torch(self.torch, folder, full)

    def look(self):
        """Watch forward passes and losses until the function that is returned is called; it tells what was seen."""
        return Look(self.torch).seen

    def facts(self):
        torch = self.torch
        facts = {
            "versions": packages.versions(),
            "device": self.device(),
            "threads": torch.get_num_threads(),
            "seed": torch.initial_seed(),
            "deterministic": bool(torch.are_deterministic_algorithms_enabled()),
            "float32 products": torch.get_float32_matmul_precision(),
            "default dtype": str(torch.get_default_dtype()),
            "compiled graphs": compiled_graphs(),
        }
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            facts["cuDNN benchmark"] = bool(torch.backends.cudnn.benchmark)
            facts["TF32 in cuDNN"] = bool(torch.backends.cudnn.allow_tf32)
        facts.update(self.model())
        return facts

    def model(self):
        return {}

    def device(self):
        torch = self.torch
        if torch.cuda.is_available() and torch.cuda.is_initialized() and torch.cuda.memory_allocated():
            return "gpu:{}".format(torch.cuda.current_device())
        return "cpu:0"


class Optimizers(_Torch):
    """Steps by the global hook that PyTorch calls after each optimizer's step."""

    def __init__(self, session):
        _Torch.__init__(self, session)
        self.counts = LeastOften()
        self.chosen = Chosen()
        self.handle = None

    def stepped(self, optimizer, args, kwargs):
        """The hook."""
        chosen, session = self.chosen, self.session
        if chosen.now() is optimizer:
            chosen.missed = 0
            session.tick()
            return
        if session.stepper is self:
            if not chosen.is_over():
                return
        elif session.stepper is not None or not session.may_begin():
            return
        if "keras" in sys.modules and type(optimizer).__module__.startswith("keras"):
            return
        counted = self.counts.add(optimizer, now())
        if counted is not None:
            self._choose(*counted)

    def _choose(self, one, ends, others, more_often):
        self.chosen.choose(one, more_often if others else 0)
        kind = type(one)
        found = "each step of the optimizer {}.{} (PyTorch's global hook after it)".format(
            kind.__module__.replace("torch.optim.{}".format(kind.__name__.lower()), "torch.optim"), kind.__name__
        )
        if others:
            found += "; of {} optimizers the one that steps least often".format(others + 1)
        if self.session.stepper is self:
            self.found = found
            self.session.follows()
            return
        self.begin(found, ends)

    def model(self):
        chosen = self.chosen.now()
        if chosen is None:
            return {}
        parameters = [one for group in chosen.param_groups for one in group["params"]]
        groups = [{k: v for k, v in group.items() if k != "params"} for group in chosen.param_groups]
        return {
            "parameters": sum(one.numel() for one in parameters),
            "parameter arrays": shapes.told(parameters),
            "optimizer": type(chosen).__name__,
            "optimizer settings": {k: v for k, v in groups[0].items() if isinstance(v, (int, float, bool, str))},
        }

    def device(self):
        chosen = self.chosen.now()
        device = chosen.param_groups[0]["params"][0].device if chosen is not None else None
        if device is not None and device.type == "cuda":
            return "gpu:{}".format(device.index or 0)
        return _Torch.device(self)

    def release(self):
        if self.handle is not None:
            self.handle.remove()


class Forwards(_Torch):
    """Steps of inference: forward passes of the outermost module, for as long as no optimizer is made."""

    def __init__(self, session, module):
        _Torch.__init__(self, session)
        self.depth = 0
        self.calls = {}
        self.handles = [module.register_module_forward_pre_hook(self._before), self._after_hook(module)]

    def _after_hook(self, module):
        try:
            return module.register_module_forward_hook(self._after, always_call=True)
        except TypeError:  # before PyTorch 2.1
            return module.register_module_forward_hook(self._after)

    def _before(self, module, inputs):
        self.depth += 1

    def _after(self, module, inputs, result):
        self.depth = max(self.depth - 1, 0)
        if self.depth or self.session.stepper is not None or not self.session.may_begin():
            return
        if result is None:  # the forward pass failed
            return
        if id(module) not in self.calls:
            self.calls[id(module)] = [], _has_weights(module)
        ends, weighted = self.calls[id(module)]
        ends.append(now())
        if len(ends) < (FORWARDS if weighted else UNWEIGHTED):
            return
        if not weighted and any(other for _, other in self.calls.values()):
            return
        self.stand_back()
        self.module = module
        self.handles = [module.register_forward_hook(lambda module, inputs, result: self.session.tick(result))]
        self.begin("each forward pass of the outermost module, {} (no optimizer was made)".format(_name(module)), ends)

    def stand_back(self):
        """An optimizer is made: the script trains."""
        for handle in self.handles:
            handle.remove()
        self.handles = []

    def model(self):
        parameters = list(self.module.parameters())
        return {"parameters": sum(p.numel() for p in parameters), "parameter arrays": shapes.told(parameters)}

    release = stand_back


class Look(object):
    """What two steps show: inputs of forward passes, and losses."""

    def __init__(self, torch):
        self.torch = torch
        self.depth = 0
        self.forwards = []
        self.losses = []
        self.autocast = set()
        module = torch.nn.modules.module
        self.handles = [module.register_module_forward_pre_hook(self._before), self._after_hook(module)]
        self.backward = torch.Tensor.backward
        look = self

        def backward(tensor, *args, **kwargs):
            if tensor.numel() == 1:
                look.losses.append(float(tensor.detach()))
            return look.backward(tensor, *args, **kwargs)

        torch.Tensor.backward = backward

    def _after_hook(self, module):
        try:
            return module.register_module_forward_hook(self._after, with_kwargs=True, always_call=True)
        except TypeError:  # before PyTorch 2.1
            return module.register_module_forward_hook(lambda one, inputs, result: self._after(one, inputs, {}, result))

    def _before(self, module, inputs):
        if self.depth == 0:
            self.autocast.add(_autocast(self.torch))
        self.depth += 1

    def _after(self, module, inputs, named, result):
        self.depth = max(self.depth - 1, 0)
        if self.depth == 0:
            self.forwards.append((_name(module), [shapes.of(one) for one in shapes.arrays([inputs, named])]))

    def seen(self):
        """End it; what was seen."""
        self.torch.Tensor.backward = self.backward
        for handle in self.handles:
            handle.remove()
        outermost = self.forwards[0][0] if self.forwards else None
        return {
            "batch": shapes.together(told[0] for name, told in self.forwards if told and name == outermost),
            "forward passes": len(self.forwards) / 2.0,
            "backward passes": len(self.losses) / 2.0,
            "losses": self.losses,
            "autocast": sorted(self.autocast),
        }


def _autocast(torch):
    found = []
    if hasattr(torch, "get_autocast_dtype"):
        for word, device in (("gpu", "cuda"), ("cpu", "cpu")):
            if torch.is_autocast_enabled(device):
                found.append("{} {}".format(word, torch.get_autocast_dtype(device)))
    else:  # before PyTorch 2.4
        if torch.is_autocast_enabled():
            found.append("gpu " + str(torch.get_autocast_gpu_dtype()))
        if hasattr(torch, "is_autocast_cpu_enabled") and torch.is_autocast_cpu_enabled():
            found.append("cpu " + str(torch.get_autocast_cpu_dtype()))
    return ", ".join(found).replace("torch.", "") or "off"


def _name(module):
    return type(module).__name__


def _has_weights(module):
    """Whether a module has any: numbers of its own (the state of a random generator is of integers), or packed ones of quantized
    layers."""
    for each in module.modules():
        if hasattr(each, "_packed_params"):
            return True
        for tensor in [*each.parameters(recurse=False), *each.buffers(recurse=False)]:
            if tensor.is_floating_point() or tensor.is_complex():
                return True
    return False


def compiled_graphs():
    """Graphs that torch.compile has made so far."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    try:
        return int(dynamo.counters["stats"].get("unique_graphs", 0)) if dynamo else 0
    except (AttributeError, KeyError, TypeError):
        return 0


def compile_seconds():
    """Seconds that torch.compile has taken so far, forward and backward; None where it does not tell."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    times = getattr(dynamo, "compilation_time_metrics", None)
    if not isinstance(times, dict):
        return None
    return float(sum(sum(times.get(name, ())) for name in _COMPILING))


def compiled_again():
    """Of the graphs, or of the last 64, those of a function that was compiled before; None where that is not told."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    told = getattr(dynamo, "get_compilation_metrics", None)
    if told is None:
        return None
    found = [str(getattr(one, "compile_id", None)) for one in told() if getattr(one, "is_forward", None) is not False]
    return sum(bool(re.search(r"/[1-9]\d*(_\d+)?$", one)) for one in set(found))
