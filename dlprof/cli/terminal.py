"""What a person sees while dlprof works: lines on standard output and error, a live progress line on a terminal only.

Names in them come from others: their control characters are written out.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dlprof.report.text.layout import neutral

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live


def line(text: object) -> None:
    """A line on standard output."""
    print(neutral(str(text)), flush=True)  # noqa: T201


def say(text: str) -> None:
    """A line on standard error. Lines after the first are indented, so that no name in it can pose as a line of ours."""
    first, *rest = neutral(text).split("\n")
    for line in (first, *(line if line.startswith(" ") else f"  {line}" for line in rest)):
        print(line, file=sys.stderr, flush=True)  # noqa: T201


class Progress:
    """Stages with a time estimate: `with Progress(total_s) as p: p.stage("trials", 120); p.say("…"); p.detail("…")`.

    On a terminal a line shows the stage, what it does now, and how long is left; elsewhere only `say` lines are written.
    The estimate is honest about being one: it is the sum of the stages' estimates not yet used up.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._left: dict[str, float] = {}
        self._stage = ""
        self._stage_started = self._started
        self._detail = ""
        self._live: Live | None = None
        self._console: Console | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console
            from rich.live import Live

            self._console = Console(stderr=True, highlight=False)
            self._live = Live(get_renderable=self._line, console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def plan(self, stages: dict[str, float]) -> None:
        """Announce the stages to come with their estimated seconds."""
        self._left = dict(stages)

    def stage(self, name: str, estimate_s: float | None = None) -> None:
        """Enter a stage; the one before is done."""
        self._left.pop(self._stage, None)
        self._stage, self._stage_started, self._detail = name, time.monotonic(), ""
        if estimate_s is not None:
            self._left[name] = estimate_s
        self.say(name)

    def expect(self, remaining_s: float) -> None:
        """Correct the estimate of the stage under way: seconds that it still needs."""
        self._left[self._stage] = time.monotonic() - self._stage_started + remaining_s

    def detail(self, text: str) -> None:
        """What happens right now (terminal only)."""
        self._detail = text

    def say(self, text: str) -> None:
        """A line that stays."""
        elapsed = time.monotonic() - self._started
        line = f"[{elapsed:6.1f} s] {text}"
        if self._console is not None:
            self._console.print(neutral(line), markup=False)
        else:
            say(line)

    def remaining_s(self) -> float:
        """Estimated seconds left over all announced stages."""
        spent = time.monotonic() - self._stage_started
        return sum(max(0.0, s - spent) if name == self._stage else s for name, s in self._left.items())

    def _line(self) -> str:
        elapsed = time.monotonic() - self._started
        detail = f" · {self._detail}" if self._detail else ""
        return neutral(f"{_clock(elapsed)} · {self._stage}{detail} · about {_clock(self.remaining_s())} left")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
