"""TensorBoard with its profile plugin: an environment of its own, made like a framework's when it is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from dlprof.capture.environments.cache import Progress, silent
from dlprof.capture.environments.env_store import EnvStore
from dlprof.plugin import EnvSpec

_VERSION: Final = "2.21.0"
SPEC: Final = EnvSpec(
    name=f"tensorboard-{_VERSION}",
    framework="tensorboard",
    version=_VERSION,
    device="cpu",
    python="3.11",
    requirements=Path(__file__).with_name(f"tensorboard-{_VERSION}.txt"),
    module="tensorboard.main,xprof",
)


def python(
    on_progress: Progress = silent, announce: Progress = silent, has: Callable[[str], object] = find_spec
) -> Path:
    """A Python with TensorBoard and the plugin: this one where both are installed beside dlprof, else the environment's.

    has: whether a module can be imported here. Raises `EnvironmentFailed`.
    """
    if has("tensorboard") and has("xprof"):
        return Path(sys.executable)
    return EnvStore().ensure(SPEC, on_progress, announce=announce).python
