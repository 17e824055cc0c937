"""The frameworks dlprof knows: built-ins in an explicit dict, third parties by the entry-point group `dlprof.frameworks`."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dlprof import plugin
from dlprof.errors import Unsupported, UsageError
from dlprof.frameworks import vocabulary
from dlprof.plugin import LIBRARIES, Framework, ThreadVariables, Vocabulary

if TYPE_CHECKING:
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
_OPERATORS: Final = {"tensorflow": "tensorflow", "mxnet": "mxnet", "pytorch": "torch", "jax": "jax", "xla": "jax"}
"""Producer of a trace → folder of the framework whose `ops.csv` has its operators; those of XLA are JAX's, which all are compiled
by it. Stands here for readers of traces, which need nothing else of a framework."""


@cache
def registry() -> Mapping[str, Framework]:
    """Short name → framework. A third party's name never replaces a built-in."""
    from dlprof.frameworks.jax import Jax
    from dlprof.frameworks.keras import Keras
    from dlprof.frameworks.mxnet import MXNet
    from dlprof.frameworks.tensorflow import TensorFlow
    from dlprof.frameworks.torch import PyTorch

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
    """Producer of a trace → operator vocabulary. A third party's producer never replaces a built-in."""
    return _Vocabularies()


class _Vocabularies(Mapping[str, Vocabulary]):
    """Those of all producers, each read when it is asked for: a trace is mostly of one. For a built-in one no framework is
    loaded."""

    def __getitem__(self, producer: str) -> Vocabulary:
        if producer in _OPERATORS:
            return vocabulary.read(Path(__file__).with_name(_OPERATORS[producer]) / "ops.csv")
        return self._others()[producer].operators

    def __contains__(self, producer: object) -> bool:
        return producer in _OPERATORS or producer in self._others()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*_OPERATORS, *self._others())))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _others(self) -> Mapping[str, Framework]:
        return {one.producer: one for one in registry().values()}


def with_calls(workload: Workload, names: Iterable[str]) -> Workload:
    """An op workload with the calls of these frameworks that follow from its operators."""
    from dlprof.frameworks import call_table

    return call_table.with_calls(workload, {name: get(name) for name in sorted(names)})


def own_calls(workload: Workload, name: str) -> Workload:
    """An op workload without the calls of other frameworks than this one."""
    from dlprof.frameworks import call_table

    return call_table.own_calls(workload, name)
