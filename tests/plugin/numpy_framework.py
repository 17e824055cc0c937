"""A third party's framework as docs/adding-a-workload.md describes it: NumPy, in two modes, one of them slow on purpose.

Its folder holds all of it: this wiring, the lock file, the child's half (numpy_adapter.py, numpy_network.py, numpy_recorder.py),
the vocabulary, the calls and the reader of its traces (numpy_trace.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlprof.frameworks import call_table, vocabulary
from dlprof.frameworks.release import Releases
from dlprof.plugin import CallTable, EnvSpec, ThreadVariables, Vocabulary

HERE = Path(__file__).parent

_RELEASES = Releases(
    framework="np",
    module="numpy",
    python={"1.26.4": "3.11"},
    requirement={"cpu": "numpy"},
    locks=HERE / "locks",
    # Read when NumPy is imported, and decides which of its loops run.
    variables=(ThreadVariables("NumPy", others=("NPY_DISABLE_CPU_FEATURES",), kept=("NPY_",)),),
    call_modes=("thrice",),
)


@dataclass(frozen=True, slots=True)
class NumpyFramework:
    """Framework `np` (plugin.Framework). Mode `thrice` makes each call three times, and has no networks."""

    name: str = "np"
    label: str = "NumPy"
    aliases: Sequence[str] = ("numpy",)
    default_version: str = "1.26.4"
    modes: Sequence[str] = ("plain", "thrice")
    producer: str = "numpy"

    @property
    def versions(self) -> Sequence[str]:
        return _RELEASES.locked("cpu")

    @property
    def adapter(self) -> Path:
        return HERE / "numpy_adapter.py"

    @property
    def operators(self) -> Vocabulary:
        return vocabulary.read(HERE / "numpy_ops.csv")

    @property
    def calls(self) -> CallTable:
        return call_table.read(HERE / "numpy_calls.toml")

    def env(self, version: str, device: str) -> EnvSpec:
        return _RELEASES.env(version, device)


@dataclass(frozen=True, slots=True)
class RememberingFramework(NumpyFramework):
    """Framework `cheat`: NumPy, whose calls keep their first result for the same operands (numpy_adapter.Remembering)."""

    name: str = "cheat"
    label: str = "Cheating NumPy"
    aliases: Sequence[str] = ()
    modes: Sequence[str] = ("plain",)
