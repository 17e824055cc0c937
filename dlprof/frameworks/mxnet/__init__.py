"""MXNet: wiring of its releases, modes, child adapter and operator vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof.frameworks.release import Cuda, Releases
from dlprof.frameworks.wiring import Wiring
from dlprof.plugin import ThreadVariables

HERE: Final = Path(__file__).parent

_RELEASES = Releases(
    framework="mxnet",
    locks=HERE / "locks",
    # 1.9.1 is the last release; its wheel is Python-version-neutral, and np.bool ties it to NumPy < 1.24.
    python={
        "1.9.1": "3.11",
        "1.8.0.post0": "3.8",
        "1.7.0.post2": "3.8",
        "1.6.0": "3.8",
        "1.5.1": "3.7",
        "1.4.1": "3.7",
    },
    requirement={"cpu": "mxnet", "gpu": "mxnet-cu117"},
    variables=(
        ThreadVariables(
            "MXNet",
            caps=("MXNET_CPU_WORKER_NTHREADS",),
            others=("MXNET_CPU_PRIORITY_NTHREADS", "MXNET_ENGINE_TYPE", "MXNET_SUBGRAPH_BACKEND"),
            kept=("MXNET_",),
        ),
    ),
    network_modes=("estimator",),
    since={"estimator": ("1.5", "it came with 1.5")},
    pins={"1.0": ("numpy<1.20",), "1.9": ("numpy==1.23.5",)},
    # What libmxnet.so of mxnet-cu117 1.9.1 links (readelf -d), but for the driver's libcuda.so.1; its wheel asks for none
    # of it. Its machine code is for 5.0, 6.0, 7.0, 8.0 and 8.6, with no PTX: nothing for 9.0 and later to translate.
    cuda=Cuda(
        libraries=(
            "libcudart.so.11.0",
            "libcublas.so.11",
            "libcudnn.so.8",
            "libcufft.so.10",
            "libcurand.so.10",
            "libcusolver.so.11",
            "libcusparse.so.11",
            "libnccl.so.2",
            "libnvrtc.so.11.2",
            "libnvToolsExt.so.1",
        ),
        driver="450.80.02",
        compute=("5.0", "8.9"),
        oldest="1.9.1",
        requirements=(
            "nvidia-cuda-runtime-cu11",
            "nvidia-cublas-cu11",
            "nvidia-cudnn-cu11<9",
            "nvidia-cufft-cu11",
            "nvidia-curand-cu11",
            "nvidia-cusolver-cu11",
            "nvidia-cusparse-cu11",
            "nvidia-nccl-cu11",
            "nvidia-cuda-nvrtc-cu11",
            "nvidia-nvtx-cu11",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class MXNet(Wiring):
    """Framework `mxnet` (plugin.Framework)."""

    name: str = "mxnet"
    label: str = "MXNet"
    aliases: Sequence[str] = ("mx",)
    default_version: str = "1.9.1"
    modes: Sequence[str] = ("hybrid", "hybrid-static", "imperative", "symbolic", "estimator")
    producer: str = "mxnet"
    releases: Releases = _RELEASES
    adapter: Path = HERE / "adapter" / "mxnet_adapter.py"
    operators_file: Path = HERE / "ops.csv"
    calls_file: Path = HERE / "calls.toml"
