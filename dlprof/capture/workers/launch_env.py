"""The environment variables a child gets: few inherited ones, quiet logging, the thread settings that it reads; no secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from dlprof.plugin import LIBRARIES, ThreadVariables

_INHERITED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "USER", "LOGNAME", "LD_LIBRARY_PATH"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_PATH", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES"),
)
"""What a child inherits. One that inherited all would measure the user's shell: LD_PRELOAD, PYTHONPATH, OMP_*, TF_* change
the speed."""

SETTINGS: Final = ("KERAS_HOME", "MXNET_HOME", "TORCH_HOME", "MPLCONFIGDIR", "XDG_CONFIG_HOME")
"""Variables that name the folder in which a framework, or a library below it, looks for its user's own settings
(~/.keras/keras.json: the precision, the layout of images)."""

_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "2",  # errors only
    "PYTHONNOUSERSITE": "1",  # the environment's packages, not those of the user's home
    "PYTHONUNBUFFERED": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONIOENCODING": "utf-8",
}


def child_environ(
    extra: Mapping[str, str] | None = None,
    threads: int | None = None,
    gpu: bool = False,
    variables: Iterable[ThreadVariables] = LIBRARIES,
    settings: Path | None = None,
) -> dict[str, str]:
    """Variables for a child. extra, variables: the EnvSpec's; its LD_LIBRARY_PATH goes before the user's own, where the
    driver's libcuda.so.1 may lie. threads: caps every thread pool that one of `variables` can cap. settings: an empty folder, in
    which frameworks look for their user's settings and find none.

    gpu: False hides all GPUs, so that a CUDA build asked for `cpu` cannot use one unseen. True numbers them as
    nvidia-smi does (CUDA's default is the fastest first), so that gpu:1 is the one that the manifest describes.
    """
    variables = tuple(variables)
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    env.update(thread_settings(variables))
    env.update(_QUIET)
    if settings is not None:
        env.update(dict.fromkeys(SETTINGS, str(settings)))
    if not gpu:
        env["CUDA_VISIBLE_DEVICES"] = "-1"
    else:
        env.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        # float32 is to be float32 on every side: from Ampere on, cuBLAS and cuDNN would round its products to 10 bits,
        # in some frameworks by default and in others not.
        env.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    if threads is not None:
        env.update(dict.fromkeys((cap for one in variables for cap in one.caps), str(threads)))
    inherited = env.get("LD_LIBRARY_PATH")
    env.update(extra or {})
    if inherited and extra and extra.get("LD_LIBRARY_PATH"):
        env["LD_LIBRARY_PATH"] = f"{extra['LD_LIBRARY_PATH']}:{inherited}"
    return env


def thread_settings(variables: Iterable[ThreadVariables]) -> dict[str, str]:
    """Those of the variables that are set in this process and therefore reach a child."""
    return {name: os.environ[name] for one in variables for name in one.names if name in os.environ}


def disclosures(sides: Mapping[str, Iterable[ThreadVariables]]) -> list[str]:
    """What the user's variables change, one sentence each: every variable that reaches a side, with who reads it.

    sides: what people call a side → the variables that its child gets
    """
    readers = {side: {name: one.reader for one in variables for name in one.names} for side, variables in sides.items()}
    told = {}
    for name in dict.fromkeys(name for known in readers.values() for name in known if name in os.environ):
        having = [side for side, known in readers.items() if name in known]
        who = " and ".join(dict.fromkeys(readers[side][name] for side in having))
        whom = f"{'both' if len(sides) == 2 else 'all'} sides" if len(having) == len(sides) else ", ".join(having)
        told[name] = f"{name}={os.environ[name]} is set and reaches {whom}; it is read by {who} alone"
    return list(told.values())


_NEVER: Final = re.compile(r"LD_[A-Z_]+|PYTHON[A-Z0-9]+|(?:TC|JE)?MALLOC_\w+|GLIBC_TUNABLES")
"""Variables that change what runs at all, or how memory is given out, whatever the framework."""


def withheld(variables: Iterable[ThreadVariables]) -> list[str]:
    """The variables set here that would change a run of a child that gets `variables`, and that it does not get."""
    variables = tuple(variables)
    reaching = {*_INHERITED, *(name for one in variables for name in one.names)}
    return sorted(name for name in _changing(os.environ, variables) if name not in reaching)


def changing(environ: Mapping[str, str], variables: Iterable[ThreadVariables]) -> dict[str, str]:
    """Of a process that gets all of `environ`: what of it can change its speed or its results, by name.

    variables: what any framework reads, for which one the process uses is not known
    """
    return {name: environ[name] for name in sorted(_changing(environ, tuple(variables)))}


def _changing(environ: Mapping[str, str], variables: tuple[ThreadVariables, ...]) -> Iterable[str]:
    known = {name for one in variables for name in one.names}
    beginnings = tuple(start for one in variables for start in one.kept)
    foreign = tuple(start for one in variables for start in one.foreign)
    return (
        name
        for name in environ
        if name in known or _NEVER.fullmatch(name) or (name.startswith(beginnings) and not name.startswith(foreign))
    )
