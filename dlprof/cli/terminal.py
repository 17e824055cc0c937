"""What a person sees while dlprof works: lines on standard output and error, a live progress line on a terminal only.

Names in them come from others: their control characters are written out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from dlprof.api.progress import Stages
from dlprof.report.text.layout import WIDTH, neutral

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live


_SERVERS: Final = ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")
_ORDER: Final = re.compile(r"(?m)^(?P<space>[^\S\n]*):(?=:)|#(?=#(?:\w*)\[)")


def powerless(text: str) -> str:
    """What a build server that reads its jobs' output takes for an order to itself (a line that begins with `::`, `##[` and
    `##vso[` anywhere), parted by a blank: a commit's title may hold one. Unchanged where no such server runs this."""
    if not any(os.environ.get(name) for name in _SERVERS):
        return text
    return _ORDER.sub(lambda match: f"{match['space'] or ''}{match[0][-1]} ", text)


def order(text: str) -> None:
    """A line on standard error that is meant for the build server: one of ours."""
    print(neutral(text), file=sys.stderr, flush=True)  # noqa: T201


def line(text: object) -> None:
    """A line on standard output."""
    print(powerless(neutral(str(text))), flush=True)  # noqa: T201


def say(text: str) -> None:
    """A line on standard error. Lines after the first are indented, so that no name in it can pose as a line of ours."""
    first, *rest = powerless(neutral(text)).split("\n")
    for line in (first, *(line if line.startswith(" ") else f"  {line}" for line in rest)):
        print(line, file=sys.stderr, flush=True)  # noqa: T201


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command speaks while it works.

    quiet: no progress at all
    verbose: each detail of progress, and nothing folded in reports
    progress: text, or jsonl (one JSON object a line)
    """

    quiet: bool = False
    verbose: bool = False
    progress: str = "text"


_USUAL: Final = Manner()
_manner: ContextVar[Manner] = ContextVar("manner", default=_USUAL)


@contextmanager
def in_manner(manner: Manner) -> Iterator[None]:
    """Commands inside the block speak so."""
    token = _manner.set(manner)
    try:
        yield
    finally:
        _manner.reset(token)


def verbose() -> bool:
    """Whether nothing is to be folded."""
    return _manner.get().verbose


def columns() -> int:
    """Columns of the terminal that standard output is; 80 where it is none, so that files and pipes get the same words."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH


class Progress(Stages):
    """The stages of a job, shown: `with Progress() as p: p.stage("trials", 120); p.say("…"); p.detail("…")`.

    On a terminal a line shows the stage, what it does now, and how long is left; elsewhere only what is said is written.
    """

    def __init__(self) -> None:
        super().__init__()
        self._manner = _manner.get()
        self._live: Live | None = None
        self._console: Console | None = None

    def __enter__(self) -> Self:
        if self._manner != _USUAL:
            return self
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
        super().plan(stages)
        self._event("plan", stages=stages)

    def entered(self, name: str) -> None:
        if self._manner.progress == "jsonl":
            self._event("stage", name=name, left_s=round(self.remaining_s(), 1))
        else:
            self.say(name)

    def expect(self, remaining_s: float) -> None:
        super().expect(remaining_s)
        self._event("left", left_s=round(self.remaining_s(), 1))

    def detail(self, text: str) -> None:
        super().detail(text)
        self._event("detail", text=text)
        if self._manner.verbose and not self._manner.quiet and self._manner.progress == "text":
            say(f"           {text}")

    def say(self, text: str) -> None:
        if self._manner.progress == "jsonl":
            self._event("said", text=text)
        else:
            super().say(text)

    def _event(self, event: str, **values: object) -> None:
        """One line for programs (report/schemas/progress.schema.json); nothing where people read."""
        if self._manner.progress != "jsonl" or self._manner.quiet:
            return
        say(json.dumps({"event": event, "elapsed_s": round(self.elapsed_s(), 3), **values}, ensure_ascii=True))

    def shown(self, line: str) -> None:
        if self._manner.quiet:
            return
        if self._console is not None:
            self._console.print(neutral(line), markup=False)
        else:
            say(line)

    def _line(self) -> str:
        return neutral(self.standing())
