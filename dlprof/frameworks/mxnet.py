"""MXNet: wiring of its releases, modes, child adapter and operator vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlprof.frameworks import vocabulary
from dlprof.frameworks.release import Releases
from dlprof.plugin import EnvSpec, Vocabulary

_RELEASES = Releases(
    framework="mxnet",
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
    pins={"1.0": ("numpy<1.20",), "1.9": ("numpy==1.23.5",)},
)


@dataclass(frozen=True, slots=True)
class MXNet:
    """Framework `mxnet` (plugin.Framework)."""

    name: str = "mxnet"
    label: str = "MXNet"
    aliases: Sequence[str] = ("mx",)
    default_version: str = "1.9.1"
    modes: Sequence[str] = ("hybrid", "imperative", "symbolic")
    producer: str = "mxnet"

    @property
    def versions(self) -> Sequence[str]:
        return _RELEASES.locked("cpu")

    @property
    def adapter(self) -> Path:
        return Path(__file__).parent.parent / "runner" / "adapters" / "mxnet_adapter.py"

    @property
    def operators(self) -> Vocabulary:
        return vocabulary.load("mxnet")

    def env(self, version: str, device: str) -> EnvSpec:
        return _RELEASES.env(version, device)
