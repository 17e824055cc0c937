"""A third party's framework as docs/adding-a-workload.md describes it: NumPy, in two modes, one of them slow on purpose.

Its folder holds all of it: this wiring, the lock file, the child's half (numpy_adapter.py, numpy_network.py, numpy_recorder.py),
the vocabulary, the calls and the reader of its traces (numpy_trace.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlprof.frameworks.release import Releases
from dlprof.frameworks.wiring import Wiring
from dlprof.plugin import ThreadVariables

HERE = Path(__file__).parent

_RELEASES = Releases(
    framework="np",
    module="numpy",
    python={"1.26.4": "3.11"},
    requirement={"cpu": "numpy"},
    locks=HERE / "locks",
    # Read when NumPy is imported, and decides which of its loops run.
    variables=(ThreadVariables("NumPy", others=("NPY_DISABLE_CPU_FEATURES",), kept=("NPY_",)),),
    call_modes=("thrice", "slow-tanh"),
)


@dataclass(frozen=True, slots=True)
class NumpyFramework(Wiring):
    """Framework `np` (plugin.Framework). Mode `thrice` makes each call three times, `slow-tanh` those of tanh twice; both have no
    networks."""

    name: str = "np"
    label: str = "NumPy"
    aliases: Sequence[str] = ("numpy",)
    default_version: str = "1.26.4"
    modes: Sequence[str] = ("plain", "thrice", "slow-tanh")
    producer: str = "numpy"
    releases: Releases = _RELEASES
    adapter: Path = HERE / "numpy_adapter.py"
    operators_file: Path = HERE / "numpy_ops.csv"
    calls_file: Path = HERE / "numpy_calls.toml"


@dataclass(frozen=True, slots=True)
class RememberingFramework(NumpyFramework):
    """Framework `cheat`: NumPy, whose calls keep their first result for the same operands (numpy_adapter.Remembering).

    Its networks leave out every second update, or do what the mode names (cheating_adapter.ON_THE_NETWORK).
    """

    name: str = "cheat"
    label: str = "Cheating NumPy"
    aliases: Sequence[str] = ()
    modes: Sequence[str] = (
        "plain",
        "bfloat16-steps",
        "bfloat16-updates",
        "decays-weights",
        "clips-gradients",
        "freezes-a-layer",
        "ends-training",
        "keeps-batches",
        "merges-blocks",
        "knows-the-feed",
        "honest-when-looked-at",
        "honest-for-a-block",
        "four-of-seven",
        "keeps-a-block",
        "bfloat16-blocks",
        "bfloat16-until-set-back",
        "skips-a-tenth",
        "freezes-a-tenth",
        "remembers-passes",
        "remembers-parts",
        "remembers-well",
        "follows-rhythm",
        "knows-images",
    )
