"""Which framework wrote a trace of XLA's or TensorFlow's profiler, by what only that one writes."""

from __future__ import annotations

import re
from typing import Final

from dlprof.ingest.protobuf.space import Plane, Space
from dlprof.ingest.xplane.plane_names import host_op

_JAX: Final = re.compile(r".*(?:jax|py_xla|PjRt|PjitFunction).*|jit_.*|p?jit\(.*", re.DOTALL)
_TENSORFLOW: Final = re.compile(
    r"EagerLocalExecute: .*|Iterator::.*|(?:Executor|TfrtModel|SessionRun|TF_).*|.*tensorflow.*", re.DOTALL
)
_JAX_STATS: Final = frozenset({"jax_version", "jaxlib_version"})


def is_jax(text: str) -> bool:
    """Whether an event's name, or the path of its operator, is one of JAX's."""
    return _JAX.fullmatch(text) is not None


def is_tensorflow(text: str) -> bool:
    """Whether an event's name is one of TensorFlow's."""
    return _TENSORFLOW.fullmatch(text) is not None or host_op(text) is not None


def producer(space: Space) -> str:
    """jax | tensorflow | xla (whose operators may be of either framework or of none) | xplane: nothing tells who wrote it."""
    names = [event.name for plane in space.planes for event in plane.events.values()]
    if any(is_jax(name) for name in names) or any(_is_jax(plane) for plane in space.planes):
        return "jax"
    if any(is_tensorflow(name) for name in names) or any(_names_operators(plane) for plane in space.planes):
        return "tensorflow"
    return "xla" if any("hlo_op" in plane.stat_names.values() for plane in space.planes) else "xplane"


def _is_jax(plane: Plane) -> bool:
    if _JAX_STATS & {plane.stat_names.get(stat.id) for stat in plane.stats}:
        return True
    stats = (stat for event in plane.events.values() for stat in event.stats)
    texts = (*plane.stat_names.values(), *(stat.value for stat in stats if isinstance(stat.value, str)))
    return any(text.startswith(("jit(", "pjit(")) for text in texts)


def _names_operators(plane: Plane) -> bool:
    """Whether a device's events name operators in stats; if they are not JAX's, TensorFlow writes those."""
    return plane.name.startswith("/device:") and bool(
        {"tf_op", "annotation", "level 0"} & set(plane.stat_names.values())
    )
