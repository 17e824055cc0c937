"""Programs of this machine that execution modes need (plugin.Tool), such as the C++ compiler of torch.compile."""

from __future__ import annotations

import shutil

from dlprof.errors import Unsupported
from dlprof.plugin import EnvSpec, Tool


def found(tool: Tool) -> str | None:
    """The path of the first of its programs that is on PATH, None where none is."""
    return next(filter(None, map(shutil.which, tool.programs)), None)


def require(spec: EnvSpec, mode: str) -> None:
    """Raise `Unsupported` where this machine lacks what the mode needs."""
    tool = spec.tools.get(mode)
    if tool is not None and found(tool) is None:
        raise Unsupported(
            f"mode {mode} of {spec.framework} cannot run here: {tool.why}, but there is no {' or '.join(tool.programs)} on PATH",
            hint=f"{tool.remedy}, or use another mode",
        )
