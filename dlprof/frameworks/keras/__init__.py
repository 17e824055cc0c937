"""Keras 3: wiring of its releases and child adapter. Its modes are its backends, and each has an environment of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from dlprof.frameworks import jax, tensorflow, torch
from dlprof.frameworks.release import KERAS, Releases
from dlprof.plugin import EnvSpec, Vocabulary

HERE: Final = Path(__file__).parent
MODES: Final = ("tensorflow", "jax", "torch")


def _table(backend: str, of: Releases, module: str, release: str) -> Releases:
    """The releases of Keras on a backend: the backend's own release, threads, indexes and GPU libraries, with Keras beside it.

    module, release: of the backend, the release that Keras' lock file has and that an unlocked Keras gets as well
    """
    return Releases(
        framework="keras",
        locks=HERE / "locks",
        stem=f"keras-{backend}",
        module=f"keras,{module}",
        python={"3.15.1": "3.11"},
        requirement=dict.fromkeys(of.requirement, "keras"),
        beside={device: (f"{name}=={release}{of.build.get(device, '')}",) for device, name in of.requirement.items()},
        indexes=of.indexes,
        pins={"0": ("numpy",)},
        variables=(*of.variables, KERAS),
        cuda=of.cuda and replace(of.cuda, oldest="3.0"),
        network_modes=MODES,
        # which backend it has, Keras decides when it is imported
        environ={"KERAS_BACKEND": backend},
    )


_RELEASES: Final[Mapping[str, Releases]] = {
    "tensorflow": _table("tensorflow", tensorflow.RELEASES, "tensorflow", "2.21.0"),
    "jax": _table("jax", jax.RELEASES, "jax", "0.10.2"),
    "torch": _table("torch", torch.RELEASES, "torch", "2.13.0"),
}


@dataclass(frozen=True, slots=True)
class Keras:
    """Framework `keras` (plugin.Framework)."""

    name: str = "keras"
    label: str = "Keras"
    aliases: Sequence[str] = ("keras3",)
    default_version: str = "3.15.1"
    modes: Sequence[str] = MODES
    # what records its traces is the backend's profiler, whose vocabulary is the backend's
    producer: str = "keras"

    @property
    def versions(self) -> Sequence[str]:
        return _RELEASES[MODES[0]].locked("cpu")

    @property
    def adapter(self) -> Path:
        return HERE / "adapter" / "keras_adapter.py"

    @property
    def operators(self) -> Vocabulary:
        return {}

    def env(self, version: str, device: str) -> EnvSpec:
        first, *others = (_RELEASES[mode].env(version, device) for mode in MODES)
        return replace(first, modes=dict(zip(MODES[1:], others, strict=True)))
