"""The environment of the original study: MXNet 1.5.1 and TensorFlow 2.1.0 together in one Python 3.7, as it measured them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dlprof.plugin import EnvSpec

TENSORFLOW: Final = "2.1.0"
MXNET: Final = "1.5.1"
SIDES: Final = {"a": f"tf@{TENSORFLOW}:eager", "b": f"mxnet@{MXNET}:imperative"}

ENVIRONMENT: Final = EnvSpec(
    name=f"published-tf-{TENSORFLOW}-mxnet-{MXNET}-cpu",
    framework="published",
    version=f"{TENSORFLOW}+{MXNET}",
    device="cpu",
    python="3.7",
    requirements=Path(__file__).parent / f"published-tf-{TENSORFLOW}-mxnet-{MXNET}-cpu.txt",
    module="mxnet,tensorflow",  # in this order: MXNet imported after TensorFlow dies of SIGBUS
)
