"""The frameworks dlprof knows: built-ins in an explicit dict, third parties by the entry-point group `dlprof.frameworks`."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from dlprof import plugin
from dlprof.errors import Unsupported, UsageError
from dlprof.frameworks import call_table
from dlprof.frameworks.jax import Jax
from dlprof.frameworks.keras import Keras
from dlprof.frameworks.mxnet import MXNet
from dlprof.frameworks.tensorflow import TensorFlow
from dlprof.frameworks.torch import PyTorch
from dlprof.plugin import LIBRARIES, Framework, ThreadVariables, Vocabulary
from dlprof.workload import Workload

ENTRY_POINTS = "dlprof.frameworks"
_NO_FRAMEWORKS: Final = {
    "xla": "XLA",
    "xplane": "XPlane trace",
    "chrome": "Chrome trace",
    "perfetto": "Perfetto trace",
    "nsys": "Nsight Systems",
    "rocprofv3": "rocprofv3",
}
"""Producers of traces that dlprof reads and no framework of its own stands behind."""


@cache
def registry() -> Mapping[str, Framework]:
    """Short name → framework. A third party's name never replaces a built-in."""
    own: tuple[Framework, ...] = (TensorFlow(), MXNet(), PyTorch(), Jax(), Keras())
    known = {framework.name: framework for framework in own}
    for framework in plugin.supplied(ENTRY_POINTS, Framework):  # type: ignore[type-abstract]  # checked at runtime
        known.setdefault(framework.name, framework)
    return known


def get(name: str) -> Framework:
    """The framework of that name or alias. Raises `UsageError` naming those that exist."""
    for framework in registry().values():
        if name == framework.name or name in framework.aliases:
            return framework
    names = sorted(registry())
    near = difflib.get_close_matches(
        name, [*names, *(other for one in registry().values() for other in one.aliases)], n=1
    )
    raise UsageError(
        f"unknown framework {name!r}", hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    )


def label_of(producer: str) -> str:
    """What people call the producer of a trace, or the framework of that name or alias."""
    for framework in registry().values():
        if producer in (framework.producer, framework.name, *framework.aliases):
            return framework.label
    return _NO_FRAMEWORKS.get(producer, producer)


@cache
def thread_variables() -> tuple[ThreadVariables, ...]:
    """What every known framework reads, for runs of which it is not known which framework they are of."""
    found = list(LIBRARIES)
    for framework in registry().values():
        for device in ("cpu", "gpu"):
            with contextlib.suppress(Unsupported):
                found += framework.env(framework.default_version, device).variables
    return tuple(dict.fromkeys(found))


def vocabularies() -> Mapping[str, Vocabulary]:
    """Producer of a trace → operator vocabulary. That of `xla` is JAX's, whose operators are all compiled by XLA."""
    return _Vocabularies({"xla": registry()["jax"], **{one.producer: one for one in registry().values()}})


class _Vocabularies(Mapping[str, Vocabulary]):
    """Those of several producers, each read when it is asked for: a trace is mostly of one."""

    def __init__(self, of: Mapping[str, Framework]) -> None:
        self._of = of

    def __getitem__(self, producer: str) -> Vocabulary:
        return self._of[producer].operators

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


def with_calls(workload: Workload, names: Iterable[str]) -> Workload:
    """An op workload with the calls of these frameworks that follow from its operators."""
    return call_table.with_calls(workload, {name: get(name) for name in sorted(names)})


def own_calls(workload: Workload, name: str) -> Workload:
    """An op workload without the calls of other frameworks than this one."""
    return call_table.own_calls(workload, name)
