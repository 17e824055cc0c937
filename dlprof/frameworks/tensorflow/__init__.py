"""TensorFlow: wiring of its releases, modes, child adapter and operator vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof.frameworks.release import CUDA_12, CUDA_12_DRIVER, KERAS, XLA, Cuda, Releases
from dlprof.frameworks.wiring import Wiring
from dlprof.plugin import ThreadVariables

HERE: Final = Path(__file__).parent

RELEASES = Releases(
    framework="tf",
    locks=HERE / "locks",
    module="tensorflow",
    python={"2.21.0": "3.11", "2.15.1": "3.11", "2.10.1": "3.10", "2.1.0": "3.7", "2.0.0": "3.7", "1.12.2": "3.6"},
    requirement={"cpu": "tensorflow-cpu", "gpu": "tensorflow[and-cuda]"},
    # What the old releases do not say of themselves: they break with later protobuf and NumPy.
    pins={
        "1.12": ("protobuf<3.20", "numpy<1.17"),
        "2.0": ("protobuf<3.21", "numpy<1.20"),
        "2.4": ("protobuf<3.21",),
        "2.10": ("numpy<2",),
        "2.18": (),
    },
    variables=(
        ThreadVariables(
            "TensorFlow",
            caps=("TF_NUM_INTRAOP_THREADS",),
            others=("TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS"),
            kept=("TF_",),
            foreign=(  # Terraform's, and Azure Pipelines' TF_BUILD
                *(
                    "TF_BUILD",
                    "TF_CLI_",
                    "TF_DATA_DIR",
                    "TF_IN_AUTOMATION",
                    "TF_INPUT",
                    "TF_PLUGIN_CACHE_DIR",
                    "TF_REGISTRY_",
                ),
                *("TF_TOKEN_", "TF_VAR_", "TF_WORKSPACE"),
            ),
        ),
        XLA,
        KERAS,
    ),
    network_modes=("keras",),
    since={
        "xla": ("2.1", "it came with 2.1"),  # tf.function(experimental_compile=…); 2.0 does not know the argument
        "keras": ("2.0", "dlprof runs Keras' fit from 2.0 on; before, fit hides the sessions that would be traced"),
    },
    # The sonames that [and-cuda] brings. The import succeeds without them, and then TensorFlow sees no GPU.
    # build_info of 2.21.0: sm_60 to sm_89 and compute_90, which later GPUs translate.
    cuda=Cuda(
        libraries=CUDA_12,
        driver=CUDA_12_DRIVER,
        compute=("6.0", ""),
        oldest="2.14",
    ),
)


@dataclass(frozen=True, slots=True)
class TensorFlow(Wiring):
    """Framework `tf` (plugin.Framework)."""

    name: str = "tf"
    label: str = "TensorFlow"
    aliases: Sequence[str] = ("tensorflow",)
    default_version: str = "2.21.0"
    modes: Sequence[str] = ("graph", "eager", "xla", "keras")
    producer: str = "tensorflow"
    releases: Releases = RELEASES
    adapter: Path = HERE / "adapter" / "tf_adapter.py"
    operators_file: Path = HERE / "ops.csv"
    calls_file: Path = HERE / "calls.toml"
