"""PyTorch: wiring of its releases, modes, child adapter, operator vocabulary and calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof.frameworks.release import Cuda, Releases
from dlprof.frameworks.wiring import Wiring
from dlprof.plugin import ThreadVariables, Tool

CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of CPU builds: the package index has a CUDA build alone, of several GB with what it asks for."""

_COMPILER = Tool(
    programs=("g++", "clang++"),
    why="torch.compile makes C++ code on a CPU and compiles it",
    remedy="install a C++ compiler (Debian, Ubuntu: apt install g++)",
)


HERE: Final = Path(__file__).parent

RELEASES = Releases(
    framework="torch",
    locks=HERE / "locks",
    python={"2.13.0": "3.11"},
    requirement={"cpu": "torch", "gpu": "torch"},
    build={"cpu": "+cpu"},
    indexes={"cpu": (CPU_WHEELS,)},
    # its wheel does not ask for NumPy, which the child's arrays are made with
    pins={"0": ("numpy",)},
    variables=(ThreadVariables("PyTorch", kept=("TORCH_", "PYTORCH_", "TORCHINDUCTOR_")),),
    tools={"cpu": {"compile": _COMPILER}},
    since={"compile": ("2.0", "torch.compile came with 2.0")},
    # The sonames that NVIDIA's wheels of its CUDA 13 build hold (their lists of files; not installed here). CUDA 13 runs on 7.5
    # and later.
    cuda=Cuda(
        libraries=(
            "libcudart.so.13",
            "libcublas.so.13",
            "libcudnn.so.9",
            "libcufft.so.12",
            "libcusolver.so.12",
            "libcusparse.so.12",
            "libnccl.so.2",
            "libcupti.so.13",
        ),
        driver="580.65.06",
        compute=("7.5", ""),
        oldest="2.0",
    ),
)


@dataclass(frozen=True, slots=True)
class PyTorch(Wiring):
    """Framework `torch` (plugin.Framework)."""

    name: str = "torch"
    label: str = "PyTorch"
    aliases: Sequence[str] = ("pytorch",)
    default_version: str = "2.13.0"
    modes: Sequence[str] = ("eager", "compile")
    producer: str = "pytorch"
    releases: Releases = RELEASES
    adapter: Path = HERE / "adapter" / "torch_adapter.py"
    operators_file: Path = HERE / "ops.csv"
    calls_file: Path = HERE / "calls.toml"
