"""JAX: wiring of its releases, modes, child adapter, operator vocabulary and calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlprof.frameworks import call_table, vocabulary
from dlprof.frameworks.release import CUDA_12, CUDA_12_DRIVER, XLA, Cuda, Releases
from dlprof.plugin import CallTable, EnvSpec, ThreadVariables, Vocabulary

RELEASES = Releases(
    framework="jax",
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
class Jax:
    """Framework `jax` (plugin.Framework)."""

    name: str = "jax"
    label: str = "JAX"
    aliases: Sequence[str] = ()
    default_version: str = "0.10.2"
    modes: Sequence[str] = ("jit", "op-by-op")
    producer: str = "jax"

    @property
    def versions(self) -> Sequence[str]:
        return RELEASES.locked("cpu")

    @property
    def adapter(self) -> Path:
        return Path(__file__).parent.parent / "runner" / "adapters" / "jax" / "jax_adapter.py"

    @property
    def operators(self) -> Vocabulary:
        return vocabulary.load("jax")

    @property
    def calls(self) -> CallTable:
        return call_table.load("jax")

    def env(self, version: str, device: str) -> EnvSpec:
        return RELEASES.env(version, device)
