"""What a long job tells about itself while it runs; the command line shows it, a notebook may keep silent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Progress(Protocol):
    """Where a job reports to (`cli.terminal.Progress`)."""

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
