"""The environment variables a child gets: few inherited ones, quiet logging, thread settings; no secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_INHERITED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "USER", "LOGNAME", "LD_LIBRARY_PATH"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_PATH", "CUDA_HOME"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE"),
)
"""What a child inherits. One that inherited all would measure the user's shell: LD_PRELOAD, PYTHONPATH, OMP_*, TF_* change
the speed."""

_CAPS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("MXNET_CPU_WORKER_NTHREADS", "TF_NUM_INTRAOP_THREADS"),
    "NPROC",  # XLA's CPU client, as JAX makes it
)
"""Each caps one thread pool of operators."""

THREAD_VARIABLES = (
    *_CAPS,
    *("OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "GOMP_CPU_AFFINITY", "GOMP_SPINCOUNT"),
    *("KMP_AFFINITY", "KMP_BLOCKTIME"),
    *("MXNET_CPU_PRIORITY_NTHREADS", "MXNET_ENGINE_TYPE", "MXNET_SUBGRAPH_BACKEND"),
    *("TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS"),
)
"""Settings of threads and compilers. They are the user's to make, since they are part of the question asked; they reach the
child and are recorded."""

_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "2",  # errors only
    "PYTHONNOUSERSITE": "1",  # the environment's packages, not those of the user's home
    "PYTHONUNBUFFERED": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONIOENCODING": "utf-8",
}


def child_environ(
    extra: Mapping[str, str] | None = None, threads: int | None = None, gpu: bool = False
) -> dict[str, str]:
    """Variables for a child. extra: the EnvSpec's; its LD_LIBRARY_PATH goes before the user's own, where the driver's
    libcuda.so.1 may lie. threads: caps every thread pool that a variable can cap.

    gpu: False hides all GPUs, so that a CUDA build asked for `cpu` cannot use one unseen. True numbers them as
    nvidia-smi does (CUDA's default is the fastest first), so that gpu:1 is the one that the manifest describes.
    """
    env = {name: os.environ[name] for name in (*_INHERITED, *THREAD_VARIABLES) if name in os.environ}
    env.update(_QUIET)
    if not gpu:
        env["CUDA_VISIBLE_DEVICES"] = "-1"
    else:
        env.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        # float32 is to be float32 on every side: from Ampere on, cuBLAS and cuDNN would round its products to 10 bits,
        # in some frameworks by default and in others not.
        env.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    if threads is not None:
        env.update(dict.fromkeys(_CAPS, str(threads)))
    inherited = env.get("LD_LIBRARY_PATH")
    env.update(extra or {})
    if inherited and extra and extra.get("LD_LIBRARY_PATH"):
        env["LD_LIBRARY_PATH"] = f"{extra['LD_LIBRARY_PATH']}:{inherited}"
    return env


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who reads variables whose names begin alike. who: in words. frameworks: those that alone read them; none where
    libraries of all do."""

    who: str
    frameworks: tuple[str, ...] = ()


_READERS: Final = {
    "OMP_": _Reader("MXNet, PyTorch and oneDNN"),
    "KMP_": _Reader("MXNet, PyTorch and oneDNN"),
    "GOMP_": _Reader("MXNet, PyTorch and oneDNN"),
    "MXNET_": _Reader("MXNet", ("mxnet",)),
    "TF_": _Reader("TensorFlow", ("tf",)),
    "XLA_": _Reader("XLA", ("tf", "jax")),
    "NPROC": _Reader("JAX", ("jax",)),
    "OPENBLAS_": _Reader("NumPy and MXNet"),
    "MKL_": _Reader("what was built with MKL"),
}
"""Start of a variable's name → who reads it; every one of THREAD_VARIABLES has a reader."""


def _reader(name: str) -> _Reader:
    return next(reader for prefix, reader in _READERS.items() if name.startswith(prefix))


def disclosures() -> list[str]:
    """What the user's variables change, one sentence each: every variable that reaches the sides, with who reads it."""
    return [
        f"{name}={value} is set and reaches both sides; it is read by {_reader(name).who} alone"
        for name, value in thread_settings().items()
    ]


def thread_settings() -> dict[str, str]:
    """The thread variables that are set in this process and therefore reach a child."""
    return {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}


_WITHHELD: Final = re.compile(
    r"LD_PRELOAD|LD_AUDIT|PYTHON[A-Z]+|(?:OMP|GOMP|KMP|MKL|OPENBLAS|DNNL|ONEDNN|TF|XLA|MXNET|JAX|TORCH|PYTORCH)_.+"
)
"""Variables that change how fast a framework runs, or what runs at all. Those not of THREAD_VARIABLES reach no child."""


def variables(framework: str) -> dict[str, str]:
    """The thread variables that are set here and that a child of this framework reads."""
    return {
        name: value
        for name, value in thread_settings().items()
        if not _reader(name).frameworks or framework in _reader(name).frameworks
    }


def withheld() -> list[str]:
    """The variables set here that would change a run, and that no child gets."""
    return sorted(name for name in os.environ if name not in THREAD_VARIABLES and _WITHHELD.fullmatch(name))
