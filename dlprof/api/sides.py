"""SIDE = framework[@version][:mode][/device], parsed and resolved against the framework registry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dlprof import frameworks
from dlprof.errors import UsageError
from dlprof.plugin import EnvSpec, Framework

_SIDE = re.compile(r"(?P<framework>[A-Za-z][\w-]*)(?:@(?P<version>[\w.]+))?(?::(?P<mode>[\w-]+))?(?:/(?P<device>.+))?")


@dataclass(frozen=True, slots=True)
class SideSpec:
    """One side as asked for: which framework release, in which mode, on which device, in which environment."""

    framework: Framework
    env: EnvSpec
    mode: str
    device: str
    index: int

    @property
    def label(self) -> str:
        """`TensorFlow 2.21.0 (graph)`; a GPU is named: `TensorFlow 2.21.0 (graph, gpu:0)`."""
        where = f", gpu:{self.index}" if self.device == "gpu" else ""
        return f"{self.framework.label} {self.env.version} ({self.mode}{where})"

    @property
    def slug(self) -> str:
        """`tf-2.21.0-graph`, for file names."""
        where = f"-gpu{self.index}" if self.device == "gpu" else ""
        return f"{self.framework.name}-{self.env.version}-{self.mode}{where}"


def parse_side(text: str, *, device: str = "cpu", mode: str | None = None) -> SideSpec:
    """A side from its text; `mode` and `device` are used where the text names none. Raises `UsageError` naming what exists."""
    match = _SIDE.fullmatch(text.strip())
    if not match:
        raise UsageError(
            f"not a side: {text!r}", hint="write it like tf, tf@2.21, tf:graph, mxnet@1.9.1:hybrid or tf:graph/gpu"
        )
    framework = frameworks.get(match["framework"])
    chosen = match["mode"] or mode or framework.modes[0]
    if chosen not in framework.modes:
        raise UsageError(f"{framework.label} has no mode {chosen!r}", hint=f"its modes: {', '.join(framework.modes)}")
    kind, index = parse_device(match["device"] or device)
    spec = framework.env(match["version"] or framework.default_version, kind)
    spec = spec.modes.get(chosen, spec)
    if chosen in spec.lacks:
        having = [name for name in framework.modes if name not in spec.lacks]
        raise UsageError(
            f"{framework.label} {spec.version} has no mode {chosen!r}: {spec.lacks[chosen]}",
            hint=f"its modes: {', '.join(having)}",
        )
    return SideSpec(framework=framework, env=spec, mode=chosen, device=kind, index=index)


def on_one_python(sides: Sequence[SideSpec]) -> tuple[SideSpec, ...]:
    """All sides on the same Python where there is one for all, the nearest to what each would get alone; else as given."""
    choices = [{one.python: one for one in (*side.env.alternatives[::-1], side.env)} for side in sides]
    pythons = [python for python in reversed(choices[0]) if all(python in of for of in choices)]

    def moved(python: str) -> int:
        return sum(of[python] is not side.env for of, side in zip(choices, sides, strict=True))

    if not pythons:
        return tuple(sides)
    chosen = min(pythons, key=moved)
    return tuple(replace(side, env=of[chosen]) for of, side in zip(choices, sides, strict=True))


def parse_device(text: str) -> tuple[str, int]:
    """`cpu`, `gpu` or `gpu:1` → (kind, index)."""
    match = re.fullmatch(r"(cpu|gpu)(?::([0-9]+))?", text)
    if not match or (match[1] == "cpu" and match[2] not in (None, "0")):
        raise UsageError(f"not a device: {text!r}", hint="cpu, gpu or gpu:1")
    return match[1], int(match[2] or 0)
