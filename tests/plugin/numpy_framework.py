"""A third party's framework as docs/adding-a-workload.md describes it: NumPy, in two modes, one of them slow on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlprof.errors import Unsupported
from dlprof.plugin import CallTable, EnvSpec, Operator, Vocabulary


@dataclass(frozen=True, slots=True)
class NumpyFramework:
    """Framework `np` (plugin.Framework)."""

    name: str = "np"
    label: str = "NumPy"
    aliases: Sequence[str] = ("numpy",)
    default_version: str = "1.26.4"
    versions: Sequence[str] = ("1.26.4",)
    modes: Sequence[str] = ("plain", "thrice")
    producer: str = "numpy"

    @property
    def adapter(self) -> Path:
        return Path(__file__).with_name("numpy_adapter.py")

    @property
    def operators(self) -> Vocabulary:
        return {"np.clip": Operator("Clip"), "np.maximum": Operator("Relu")}

    @property
    def calls(self) -> CallTable:
        """Of the operators that shipped workloads name, as far as this framework has them (plugin.Calls)."""
        return {"Relu(x)": "np.maximum({x}, 0)"}

    def env(self, version: str, device: str) -> EnvSpec:
        if device != "cpu":
            raise Unsupported("NumPy runs on the CPU alone", hint="use --device cpu")
        return EnvSpec(
            name=f"np-{version}-cpu",
            framework="np",
            version=version,
            device=device,
            python="3.11",
            requirements=None,
            resolve=(f"numpy=={version}",),
            module="numpy",
            call_modes=("plain", "thrice"),
        )


@dataclass(frozen=True, slots=True)
class RememberingFramework(NumpyFramework):
    """Framework `cheat`: NumPy, whose calls keep their first result for the same operands (numpy_adapter.Remembering)."""

    name: str = "cheat"
    label: str = "Cheating NumPy"
    aliases: Sequence[str] = ()
    modes: Sequence[str] = ("plain",)
