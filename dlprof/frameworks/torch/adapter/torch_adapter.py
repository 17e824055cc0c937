"""PyTorch's half of the child: device and threads. Networks are in torch_network.py, its profiler in torch_trace.py."""

import os

from dlprof_child.backend import CallsBackend
from dlprof_child.environment import settings
from dlprof_child.faults import FrameworkMissing, Unsupported
from torch_modes import MODES, cache_of_this_run, make_ready
from torch_ops import TorchCalls
from torch_trace import Tracer

ENVIRONMENT = (
    "ATEN_CPU_CAPABILITY",
    "KMP_AFFINITY",
    "MKL_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "TORCHINDUCTOR_MAX_AUTOTUNE",
    "TORCH_COMPILE_DISABLE",
)


def create(request):
    """A TorchBackend for the request. Raises FrameworkMissing, Unsupported."""
    cache_of_this_run(request["mode"])
    try:
        import torch
    except ImportError as error:
        raise FrameworkMissing(
            "PyTorch cannot be imported: %s" % error, "see the log for the environment's Python"
        ) from None
    if request["mode"] not in MODES:
        raise Unsupported("PyTorch has no mode '%s'" % request["mode"], "modes: " + ", ".join(MODES))
    return TorchBackend(torch, request)


class TorchBackend(CallsBackend):
    """PyTorch 2 on one device."""

    def __init__(self, torch, request):
        self._torch = torch
        self._mode = request["mode"]
        _take_threads(torch, request.get("threads"))
        self.device = _take_device(torch, request["device"])
        make_ready(torch, self._mode, self.device)
        self._tracer = Tracer(torch, self.device)
        self._calls = TorchCalls(torch, self._mode, self.device)
        torch.manual_seed(int(request["seed"]))
        torch.zeros(1, device=self.device).cpu()  # the device comes up here, not in the first timed call

    def versions(self):
        return {"torch": self._torch.__version__}

    def runtime(self):
        torch = self._torch
        return {
            "mode": self._mode,
            "device": str(self.device),
            "intra_op_threads": torch.get_num_threads(),
            "inter_op_threads": torch.get_num_interop_threads(),
            "environment": settings(*ENVIRONMENT),
            "build": _build(torch),
        }

    def network(self, description, weights):
        from torch_network import TorchNetwork

        return TorchNetwork(self._torch, self._mode, self.device, description, weights)

    def span(self, name, step=None):
        return self._tracer.span(name)

    def start_trace(self, directory, fidelity, options):
        self._tracer.start(directory, options)

    def stop_trace(self):
        return self._tracer.stop()


def _take_threads(torch, threads):
    """Both pools as large as asked for; that between operators cannot be changed once it has worked."""
    if threads:
        torch.set_num_threads(int(threads))
        torch.set_num_interop_threads(int(threads))


def _build(torch):
    """What PyTorch was built with: CUDA, cuDNN, oneDNN, MKL, and the instruction set that its kernels take here."""
    capability = getattr(torch.backends.cpu, "get_cpu_capability", None)
    return {
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        "mkldnn": str(torch.backends.mkldnn.is_available()),
        "mkl": str(torch.backends.mkl.is_available()),
        "cpu_capability": str(capability()) if capability else "",
    }


def _take_device(torch, device):
    """The torch.device, after checking that it is there."""
    if device["kind"] == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if device["index"] >= count:
        raise Unsupported(
            "PyTorch sees %d GPUs, not gpu:%d" % (count, device["index"]),
            "use --device cpu, or an environment with a CUDA build and a driver",
        )
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        torch.backends.cudnn.allow_tf32 = False  # kernels that PyTorch compiles itself do not read the variable
        torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda", device["index"])
