"""What a long job tells about itself while it runs; the command line shows it, a notebook may keep silent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol


class Progress(Protocol):
    """Where a job reports to (`Stages`, as `cli.terminal.Progress` shows them)."""

    def plan(self, stages: dict[str, float]) -> None:
        """The stages to come with their estimated seconds."""

    def stage(self, name: str, estimate_s: float | None = None) -> None:
        """A stage begins; the one before is done."""

    def expect(self, remaining_s: float) -> None:
        """Seconds that the stage under way still needs."""

    def detail(self, text: str) -> None:
        """What happens right now."""

    def say(self, text: str) -> None:
        """A line that stays."""


class Stages:
    """The stages of a job with a time estimate: `plan`, then `stage("trials", 120)`, `say("…")`, `detail("…")`.

    The estimate is honest about being one: it is the sum of the stages' estimates not yet used up. What is said is shown by
    `shown`, which the command line overrides; here it goes nowhere.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._left: dict[str, float] = {}
        self._stage = ""
        self._stage_started = self._started
        self._detail = ""

    def plan(self, stages: dict[str, float]) -> None:
        """Announce the stages to come with their estimated seconds."""
        self._left = dict(stages)

    def stage(self, name: str, estimate_s: float | None = None) -> None:
        """Enter a stage; the one before is done."""
        self._left.pop(self._stage, None)
        self._stage, self._stage_started, self._detail = name, time.monotonic(), ""
        if estimate_s is not None:
            self._left[name] = estimate_s
        self.entered(name)

    def entered(self, name: str) -> None:
        """A stage has begun, as it is told."""
        self.say(name)

    def expect(self, remaining_s: float) -> None:
        """Correct the estimate of the stage under way: seconds that it still needs."""
        self._left[self._stage] = time.monotonic() - self._stage_started + remaining_s

    def detail(self, text: str) -> None:
        """What happens right now."""
        self._detail = text

    def say(self, text: str) -> None:
        """A line that stays, with the time since the start."""
        self.shown(f"[{time.monotonic() - self._started:6.1f} s] {text}")

    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def remaining_s(self) -> float:
        """Estimated seconds left over all announced stages."""
        spent = time.monotonic() - self._stage_started
        return sum(max(0.0, s - spent) if name == self._stage else s for name, s in self._left.items())

    def standing(self) -> str:
        """Where the job is, in one line."""
        elapsed = time.monotonic() - self._started
        detail = f" · {self._detail}" if self._detail else ""
        return f"{_clock(elapsed)} · {self._stage}{detail} · about {_clock(self.remaining_s())} left"

    def shown(self, line: str) -> None:
        """What is said, on its way to a person."""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


@dataclass(slots=True)
class Warnings:
    """What a job warned of: each said at once, and kept for the manifest."""

    progress: Progress
    said: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """A warning; the same one is said once."""
        if text not in self.said:
            self.said.append(text)
            self.progress.say(f"warning: {text}")
