"""A script that took no step: what was looked for, and what was there instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlprof.capture.script.link import NoStep

LOOKED_FOR: Final = (
    "an optimizer of PyTorch, a jitted function of JAX, Keras's fit, a tf.function or session of TensorFlow, a Trainer or "
    "Module of MXNet"
)
"""What dlprof knows as steps, for errors."""

HINT: Final = (
    "name the function that is one step: --step module:function (`__main__:train_step` for one of the script itself); a script "
    "whose Python runs with -I, -E or -S, or without the variables of its caller (env -i, sudo), cannot be watched"
)


def waited_for(step: str | None) -> str:
    """What is said of a script that runs and has taken no step yet."""
    if step is not None:
        return f"{step} has not been called yet"
    return f"looked for: {LOOKED_FOR}; else name the function that is one step: --step module:function"


def words(told: Sequence[NoStep], step: str | None) -> str:
    """What follows `no training step was seen`. told: by each of its processes that says so. step: as --step names it."""
    if step is not None:
        states = {one.named for one in told}
        if "found" in states:
            return f"; {step} is there and was never called"
        return (
            f"; looked for calls of {step}, which {'is not there' if states else 'no Python that could be watched has'}"
        )
    looked = f"; looked for: {LOOKED_FOR}"
    with_frameworks = [one for one in told if one.frameworks]
    if not with_frameworks:
        return f": none of these frameworks was imported by a Python that could be watched{looked}"
    first = with_frameworks[0]
    named = ", ".join(f"{name} {version}".strip() for name, version in first.frameworks.items())
    troubles = "".join(f"; {text}" for text in first.troubles)
    return f", though {named} was imported by {first.executable} (Python {first.python}){troubles}{looked}"
