"""How PyTorch executes a function in each mode: as it is (eager), or compiled by TorchInductor (torch.compile)."""

import os
import shutil

from dlprof_child.faults import Unsupported

MODES = ("eager", "compile")
_GRAPHS = (
    1024  # shapes and functions that one process compiles: beyond its limit of 8 PyTorch would silently run eagerly
)


def cache_of_this_run(mode):
    """Before PyTorch is imported: its compiled code lies beside the child's folder, where this run's children share it.

    In the user's own cache a compiler that was stopped half-way leaves a library that is cut off, and every later run would fail
    by it; nor is what the first call takes to depend on what ran here before.
    """
    if mode == "compile":
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(os.path.dirname(os.getcwd()), "torchinductor")


def make_ready(torch, mode, device):
    """Set what a mode needs before its first function. Raises Unsupported where no compiler for its code is found."""
    if mode != "compile":
        return
    if not hasattr(torch, "compile"):
        raise Unsupported("PyTorch %s has no torch.compile, which came with 2.0" % torch.__version__, "use mode eager")
    from torch._dynamo import config as limits
    from torch._inductor import config as inductor

    if device.type == "cpu":
        _check_compiler(inductor)
        # A range of the profiler around each kernel, which else no trace shows; unprofiled it costs nanoseconds.
        inductor.cpp.enable_kernel_profile = True
    for name in ("recompile_limit", "cache_size_limit", "accumulated_recompile_limit", "accumulated_cache_size_limit"):
        if hasattr(limits, name):
            setattr(limits, name, _GRAPHS)


def _check_compiler(config):
    """Raise Unsupported unless one of the C++ compilers that TorchInductor would call is on PATH."""
    names = [name for name in config.cpp.cxx if name]
    if not any(shutil.which(name) for name in names):
        raise Unsupported(
            "mode compile makes C++ code on a CPU, and no C++ compiler is found (%s)" % ", ".join(names),
            "install one (Debian, Ubuntu: apt install g++), or use mode eager",
        )


def compiled(torch, mode, function):
    """The function, or the module, as the mode executes it. A part that cannot be compiled is an error, not run eagerly."""
    if mode == "eager":
        return function
    return torch.compile(function, fullgraph=True, dynamic=False)
