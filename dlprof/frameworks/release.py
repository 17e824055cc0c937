"""Releases of a framework: which versions have a lock file, and the environment of any version a user may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from dlprof.errors import Unsupported, UsageError
from dlprof.plugin import LIBRARIES, EnvSpec, ThreadVariables, Tool

CUDA_12: Final = (
    "libcudart.so.12",
    "libcublas.so.12",
    "libcublasLt.so.12",
    "libcudnn.so.9",
    "libcufft.so.11",
    "libcusolver.so.11",
    "libcusparse.so.12",
    "libnvJitLink.so.12",
    "libnccl.so.2",
    "libcupti.so.12",
)
"""The sonames of NVIDIA's wheels of CUDA 12, which TensorFlow's [and-cuda] and JAX's [cuda12] bring."""

CUDA_12_DRIVER: Final = "525.60.13"
"""The oldest driver that runs them."""


XLA: Final = ThreadVariables("XLA", others=("XLA_FLAGS",), kept=("XLA_",))
KERAS: Final = ThreadVariables("Keras", kept=("KERAS_",))


@dataclass(frozen=True, slots=True)
class Cuda:
    """The CUDA build of a framework, whose libraries come from NVIDIA's wheels.

    requirements: further pip names, where the framework's own wheel does not ask for them
    oldest: first release that can be installed so
    libraries, driver, compute: of the locked release, as in EnvSpec
    """

    libraries: tuple[str, ...]
    driver: str
    compute: tuple[str, str]
    oldest: str
    requirements: tuple[str, ...] = ()

    @property
    def environ(self) -> Mapping[str, str]:
        """The wheels put each library into a folder of its own, where the loader does not look by itself."""
        return {"LD_LIBRARY_PATH": "{site}/nvidia/*/lib"}


@dataclass(frozen=True, slots=True)
class Releases:
    """The release table of one framework.

    locks: the folder of its lock files
    python: version → Python that it runs on
    requirement: device → pip name
    beside: device → further requirements of releases without a lock file, such as a framework below it
    stem: what environments and lock files are called before their version; '' = as `framework`
    build: device → local version label of its build (+cpu), '' where there is none
    indexes: device → as in EnvSpec
    module: as in EnvSpec
    pins: release from which on they hold → what its wheel does not ask for
    tools: device → as in EnvSpec
    cuda: the GPU build of its newest releases, None where it has none
    since: mode → (first release that has it, why earlier ones have not)
    network_modes, call_modes: as in EnvSpec
    variables: as in EnvSpec, beside those of libraries
    environ: as in EnvSpec, beside those of the GPU build
    """

    framework: str
    locks: Path
    python: Mapping[str, str]
    requirement: Mapping[str, str]
    build: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stem: str = ""
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    module: str | None = None
    pins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cuda: Cuda | None = None
    since: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    network_modes: tuple[str, ...] = ()
    call_modes: tuple[str, ...] = ()
    tools: Mapping[str, Mapping[str, Tool]] = field(default_factory=dict)
    variables: tuple[ThreadVariables, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    def locked(self, device: str) -> list[str]:
        return [version for version in self.python if self._lock(version, device).is_file()]

    def env(self, version: str, device: str) -> EnvSpec:
        """Environment of `version`, which may be a prefix (2.21). One outside the table is resolved on the fly.

        Raises `Unsupported` for a device that the framework has no build for.
        """
        if device not in self.requirement:
            raise Unsupported(
                f"{self.framework} has no build for {device}", hint=f"use --device {next(iter(self.requirement))}"
            )
        if not version or not version[0].isdigit():
            raise UsageError(
                f"not a version of {self.framework}: {version!r}",
                hint=f"write it like {self.framework}@{next(iter(self.python))}",
            )
        known = next((v for v in self.python if v == version or v.startswith(version + ".")), None)
        full = known or version
        lock = self._lock(full, device)
        requirement = f"{self.requirement[device]}=={self._pinned(full, known is not None, device)}"
        cuda = self._cuda(full) if device == "gpu" else None
        further = cuda.requirements if cuda else ()
        checked = cuda if lock.is_file() else None
        spec = EnvSpec(
            name=f"{self.stem or self.framework}-{full}-{device}",
            framework=self.framework,
            version=full,
            device=device,
            python=self.python.get(full) or self._guess_python(full),
            requirements=lock if lock.is_file() else None,
            resolve=() if lock.is_file() else (requirement, *self.beside.get(device, ()), *further, *self._pins(full)),
            indexes=self.indexes.get(device, ()),
            module=self.module,
            variables=(*self.variables, *LIBRARIES),
            environ={**self.environ, **(cuda.environ if cuda else {})},
            libraries=checked.libraries if checked else (),
            driver=checked.driver if checked else "",
            compute=checked.compute if checked else None,
            lacks={mode: why for mode, (first, why) in self.since.items() if _key(full) < _key(first)},
            network_modes=self.network_modes,
            call_modes=self.call_modes,
            tools=self.tools.get(device, {}),
        )
        return replace(spec, alternatives=tuple(self._alternatives(spec)))

    def _pinned(self, version: str, known: bool, device: str) -> str:
        """What stands behind `==`: the version, or `2.12.*` of one that is a prefix. Raises `UsageError` for a prefix of a
        release whose build has a label, which pip cannot match."""
        build = self.build.get(device, "")
        if known or version.count(".") > 1:
            return version + build
        if build:
            raise UsageError(
                f"not a whole version of {self.framework}: {version!r}",
                hint=f"write it like {self.framework}@{version}.0",
            )
        return f"{version}.*"

    def _alternatives(self, spec: EnvSpec) -> Iterator[EnvSpec]:
        """The release on the other Pythons that it has a lock file for (NAME-py3.7.txt), newest first."""
        locks = {lock.stem.rpartition("-py")[2]: lock for lock in self.locks.glob(f"{spec.name}-py*.txt")}
        for python in sorted(locks, key=_key, reverse=True):
            yield replace(spec, name=locks[python].stem, python=python, requirements=locks[python])

    def _cuda(self, version: str) -> Cuda:
        if self.cuda is None or _key(version) < _key(self.cuda.oldest):
            have = self.cuda.oldest if self.cuda else "none"
            raise Unsupported(
                f"{self.framework} {version} has no GPU build whose CUDA libraries come as wheels",
                hint=f"use {self.framework} {have} or later, or an environment of your own with --python",
            )
        return self.cuda

    def _lock(self, version: str, device: str) -> Path:
        return self.locks / f"{self.stem or self.framework}-{version}-{device}.txt"

    def _guess_python(self, version: str) -> str:
        """The Python of the nearest older release in the table; of the oldest if there is none."""
        ordered = sorted(self.python, key=_key)
        older = [v for v in ordered if _key(v) <= _key(version)]
        return self.python[older[-1] if older else ordered[0]]

    def _pins(self, version: str) -> tuple[str, ...]:
        older = [v for v in sorted(self.pins, key=_key) if _key(v) <= _key(version)]
        return tuple(self.pins[older[-1]]) if older else ()


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
