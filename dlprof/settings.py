"""The `--set` keys of a workload: what each may be, and its typed value from a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from dlprof.errors import UsageError

MAX_SWEEP = 1_000


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `--set` key.

    path: where its value goes in the description, dotted
    type: of its value; `sizes` is a list of int, written `50`, `50,100` or `50..550/50`
    low, high: inclusive bounds
    """

    path: str
    type: Literal["int", "float", "str", "bool", "sizes"]
    meaning: str
    name: str = ""
    low: float | None = None
    high: float | None = None
    choices: list[str] | None = None

    def describe(self) -> str:
        """One line for people: `batch_size=…  examples in a step (whole number, 1 ≤ value ≤ 60000)`."""
        return f"{self.name}=…  {self.meaning} ({self.bounds()})"

    def bounds(self) -> str:
        """What values are allowed, for people."""
        if self.choices:
            return " | ".join(self.choices)
        if self.type == "bool":
            return "true | false"
        kind = {"int": "whole number", "float": "number", "str": "text", "sizes": "N, N,M or FROM..TO/STEP"}[self.type]
        if self.low is None and self.high is None:
            return kind
        low = "" if self.low is None else f"{self.low:g} ≤ "
        return f"{kind}, {low}value{'' if self.high is None else f' ≤ {self.high:.10g}'}"


_RUN = {
    "batch_size": Setting(path="run.batch_size", type="int", low=1, high=60_000, meaning="examples in a step"),
    "epochs": Setting(path="run.epochs", type="int", low=1, high=1000, meaning="passes over the training data"),
    "block_steps": Setting(
        path="run.block_steps", type="int", low=1, high=1000, meaning="steps in one timed iteration"
    ),
    "learning_rate": Setting(
        path="optimizer.learning_rate", type="float", low=1e-9, high=10.0, meaning="of the optimizer"
    ),
    "train": Setting(path="data.train", type="int", low=1, high=10_000_000, meaning="training examples"),
    "validation": Setting(path="data.validation", type="int", low=1, high=10_000_000, meaning="validation examples"),
    "task": Setting(path="task", type="str", choices=["train", "infer"], meaning="train, or forward passes alone"),
}
_OP = {
    "sizes": Setting(path="run.sizes", type="sizes", low=1, high=1e9, meaning="sizes to sweep"),
    "size": Setting(path="run.sizes", type="sizes", low=1, high=1e9, meaning="one size"),
    "count": Setting(path="run.count", type="int", low=1, high=100_000, meaning="items of each size"),
    "dtype": Setting(path="run.dtype", type="str", choices=["float16", "float32", "float64"], meaning="element type"),
}
OF_KIND: Mapping[str, Mapping[str, Setting]] = {"network": _RUN, "op": _OP}
"""The `--set` keys of a kind. One counts where the description has its path; [settings.NAME] in a TOML adds more."""


def parse_value(key: str, text: str, setting: Setting) -> Any:
    """The typed value of `--set key=text`. Raises `UsageError` saying what is allowed."""
    try:
        value = _convert(text.strip(), setting)
    except ValueError as failure:
        why = f" ({failure})" if setting.type == "sizes" else ""
        raise UsageError(f"--set {key}={text}: not allowed{why}", hint=f"{key}: {setting.bounds()}") from None
    numbers = value if isinstance(value, list) else [value] if isinstance(value, int | float) else []
    for number in numbers:
        below = setting.low is not None and number < setting.low
        if below or (setting.high is not None and number > setting.high) or number != number:
            raise UsageError(f"--set {key}={text}: {number} is out of bounds", hint=f"{key}: {setting.bounds()}")
    return value


def _convert(text: str, setting: Setting) -> Any:
    if setting.type == "sizes":
        return _sizes(text)
    if setting.type == "bool":
        return {"true": True, "false": False}[text] if text in ("true", "false") else _refuse(text)
    if setting.choices is not None:
        return text if text in setting.choices else _refuse(text)
    return {"int": int, "float": float, "str": str}[setting.type](text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _sizes(text: str) -> list[int]:
    """`50`, `50,100` or `50..550/50` (both ends included where the step reaches them)."""
    if ".." in text:
        ends, _, step = text.partition("/")
        low, _, high = ends.partition("..")
        first, last, stride = int(low), int(high), int(step or 1)
        if stride < 1 or last < first:
            raise ValueError("FROM must not exceed TO, and STEP must be at least 1")
        if (last - first) // stride >= MAX_SWEEP:
            raise ValueError(f"over {MAX_SWEEP} sizes")
        return list(range(first, last + 1, stride))
    return [int(part) for part in text.split(",")]
