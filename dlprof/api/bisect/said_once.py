"""What the comparisons of a search say of their sides, once: they are the same script on other revisions, dozens of times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from dlprof.api.progress import Progress

_OF_SIDES: Final = ("warning: ", "  A: ", "  B: ")
"""Beginnings of lines that tell of the sides, and not of what happens now."""


@dataclass(slots=True)
class SaidOnce:
    """A `Progress` that passes everything on but what was said of the sides before."""

    to: Progress
    _said: set[str] = field(default_factory=set)

    def plan(self, stages: dict[str, float]) -> None:
        self.to.plan(stages)

    def stage(self, name: str, estimate_s: float | None = None) -> None:
        self.to.stage(name, estimate_s)

    def expect(self, remaining_s: float) -> None:
        self.to.expect(remaining_s)

    def detail(self, text: str) -> None:
        self.to.detail(text)

    def say(self, text: str) -> None:
        if text.startswith(_OF_SIDES):
            if text in self._said:
                return
            self._said.add(text)
        self.to.say(text)
