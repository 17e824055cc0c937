"""JAX: wiring of its releases, modes, child adapter, operator vocabulary and calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof.frameworks.release import CUDA_12, CUDA_12_DRIVER, XLA, Cuda, Releases
from dlprof.frameworks.wiring import Wiring
from dlprof.plugin import ThreadVariables

HERE: Final = Path(__file__).parent

RELEASES = Releases(
    framework="jax",
    locks=HERE / "locks",
    python={"0.10.2": "3.11"},
    requirement={"cpu": "jax", "gpu": "jax[cuda12]"},
    # NPROC is what XLA's CPU client, as JAX makes it, reads for the size of its pools
    variables=(ThreadVariables("JAX", caps=("NPROC",), kept=("JAX_",)), XLA),
    # The sonames that [cuda12] brings (NVIDIA's wheels of CUDA 12). jax-cuda12-plugin finds them by itself.
    cuda=Cuda(
        libraries=CUDA_12,
        driver=CUDA_12_DRIVER,
        compute=("5.2", ""),
        oldest="0.4.30",
    ),
)


@dataclass(frozen=True, slots=True)
class Jax(Wiring):
    """Framework `jax` (plugin.Framework)."""

    name: str = "jax"
    label: str = "JAX"
    aliases: Sequence[str] = ()
    default_version: str = "0.10.2"
    modes: Sequence[str] = ("jit", "op-by-op")
    producer: str = "jax"
    releases: Releases = RELEASES
    adapter: Path = HERE / "adapter" / "jax_adapter.py"
    operators_file: Path = HERE / "ops.csv"
    calls_file: Path = HERE / "calls.toml"
