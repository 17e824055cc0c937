"""A side as it was asked for, before any trace says what it was: for reports and for the manifest."""

from __future__ import annotations

from dlprof.analysis.model import Side
from dlprof.api.sides import SideSpec
from dlprof.capture.workers import launch_env


def asked_side(spec: SideSpec) -> Side:
    """A side without a capture (none was wanted, or the run was stopped before)."""
    return Side(
        framework=spec.framework.name,
        version=spec.env.version,
        device=f"{spec.device}:{spec.index}",
        mode=spec.mode,
        python=spec.env.python,
        label=spec.label,
    )


def side_facts(spec: SideSpec) -> dict[str, str]:
    """A side as asked for, for the manifest. variables: those of the shell that reach it and change its threads, where any is
    set; trials with other ones cannot be one comparison."""
    variables = " ".join(f"{name}={value}" for name, value in launch_env.thread_settings(spec.env.variables).items())
    return {
        **({"variables": variables} if variables else {}),
        "framework": spec.framework.name,
        "version": spec.env.version,
        "mode": spec.mode,
        "device": f"{spec.device}:{spec.index}",
        "environment": spec.env.name,
    }
