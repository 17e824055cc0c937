"""One run of a script that is recorded: it runs as without dlprof, but for a few steps somewhere after its warm-up."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from dlprof.capture.script.command import Command, variables
from dlprof.capture.script.link import Answer, Hello, Job, Listener, NoStep, ScriptEnded
from dlprof.errors import ChildFailed
from dlprof.protocol import Artefact
from dlprof.stats import warm_up

BESIDE: Final = 5
"""Steps without the profiler before the window, and as many after it: what recording costs is told against them."""

_LEADING: Final = 2 + 1 + BESIDE + 1
"""Steps that are taken between the end of the stream and the window's first step: two that are looked at, those beside the
window with one before them, and one under the profiler before those that count."""

_LOOK_BACK: Final = 200
"""Steps that the search for the end of the warm-up looks at."""

_MOST: Final = 1000
"""Steps after which a window is made even where their times never become level."""

_FIRST_LOOK: Final = 12
"""Steps before the first look at whether they are level; each further look comes a quarter of all steps later."""

_LOOK_NS: Final = 250_000_000
"""Time from one look to the next at most: every step is looked at where it takes longer."""

_NOTICED_NS: Final = 2_000_000_000
"""By then every rank has read what it was told: a process looks for that twice a second, and tells its steps as often."""

_FORWARDED: Final = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


@dataclass(frozen=True, slots=True)
class WindowWish:
    """Which steps are recorded; with none of the first three, as soon as the warm-up is over.

    first, last: numbers of steps, the first being 1
    after_s: seconds since the start
    seconds: how long the window is; None = as many steps as `steps`
    full: with shapes and modules' names
    """

    first: int | None = None
    last: int | None = None
    after_s: float | None = None
    seconds: float | None = None
    steps: int = 20
    full: bool = True


@dataclass(slots=True)
class Watched:
    """What a run left.

    job: None where the script took no step that was seen
    walls: times (ns) of the steps before the window, as they ran
    beside: times of synchronised steps without profiler, before and after the window; traced: those in it
    compiled: programs that were compiled among the recorded steps
    artefacts: of each rank: kind and path of its trace files
    without: processes that ended and had taken no step
    why: why there is no window, '' where there is one
    """

    returncode: int = 0
    hello: Hello | None = None
    ranks: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    walls: list[int] = field(default_factory=list)
    steady: bool = False
    first: int = 0
    beside: list[int] = field(default_factory=list)
    traced: list[int] = field(default_factory=list)
    wall_ns: int = 0
    compiled: int = 0
    artefacts: list[Artefact] = field(default_factory=list)
    late: list[Hello] = field(default_factory=list)
    without: list[NoStep] = field(default_factory=list)
    why: str = ""


def watch(
    command: Command, wish: WindowWish, scratch: Path, raw: Path, *, step: str | None, say: Callable[[str], None]
) -> Watched:
    """Run the command to its end with this process's own streams, and record the window below `raw`.

    scratch: a short path for the socket. Signals that reach this process go on to the script.
    """
    found = Watched()
    with Listener(scratch / "steps") as listener:
        environment = variables(command, listener.path, step=step)
        program = command.program(environment, Path.cwd())
        with subprocess.Popen(program, env=environment) as process, _forwarding(process):
            began = time.monotonic()
            try:
                _Recording(listener, process, wish, raw, found, say, began).run()
            except ScriptEnded:
                found.why = found.why or "the script ended while its steps were being recorded"
            except ChildFailed as error:
                found.why = error.message
            listener.release_late()
            found.late, found.without = listener.late, listener.without
            found.returncode = _waited(process, listener)
    return found


def _waited(process: subprocess.Popen[bytes], listener: Listener) -> int:
    """The script's end; processes that begin to take steps meanwhile run on."""
    while True:
        try:
            return process.wait(0.2)
        except subprocess.TimeoutExpired:
            listener.release_late()


@dataclass(slots=True)
class _Recording:
    listener: Listener
    process: subprocess.Popen[bytes]
    wish: WindowWish
    raw: Path
    found: Watched
    say: Callable[[str], None]
    began: float

    def run(self) -> None:
        found = self.found
        job = self.listener.job(lambda: self.process.poll() is None, time.monotonic() + 10**9)
        if job is None:
            found.why = "no step was seen"
            return
        found.hello, found.ranks = job.hello, len(job.links)
        try:
            self._go_to_window(job)
            self._window(job)
            job.send({"cmd": "free"})
        finally:
            job.close()

    def _go_to_window(self, job: Job) -> None:
        """Let the script run until the window's first step is the next."""
        first, after_s = self.wish.first, self.wish.after_s
        if first is not None:
            until = first - 1 - _LEADING
            if until > job.hello.step:
                self._stream(job, {"until": until})
            elif until < job.hello.step:
                self.say(f"steps are known from step {job.hello.step} on: the window begins later than step {first}")
        elif after_s is not None:
            self._until_time(job, after_s - (time.monotonic() - self.began))
        else:
            self._until_level(job)

    def _until_time(self, job: Job, left_s: float) -> None:
        """A single process knows the time itself. Several ranks stop at the same step, two seconds on: one that stopped earlier
        would keep the others waiting in the middle of a step."""
        if len(job.links) == 1:
            self._stream(job, {"seconds": max(left_s, 0.0)})
            return
        end, step = time.monotonic() + left_s, job.hello.step
        job.send({"cmd": "stream"})
        while time.monotonic() < end:
            self.listener.release_late()
            if (message := job.links[0].read(min(time.monotonic() + 0.5, end))) is not None:
                self.found.walls += message.wall_ns
                step = message.step
        recent = self.found.walls[-_LOOK_BACK:] or [10**9]
        self._stream(job, {"until": step + 5 + int(_NOTICED_NS / max(statistics.median(recent), 1))})

    def _until_level(self, job: Job) -> None:
        """Looks at steps known beforehand, at whose ends the script itself waits: it cannot run away from a look."""
        walls, step, ahead = self.found.walls, job.hello.step, _FIRST_LOOK
        while len(walls) < _MOST:
            step += ahead
            self._stream(job, {"until": step})
            self.found.steady = warm_up(walls[-_LOOK_BACK:]).steady
            if self.found.steady:
                return
            ahead = max(min(len(walls) // 4, int(_LOOK_NS / max(statistics.median(walls[-_FIRST_LOOK:]), 1))), 1)

    def _stream(self, job: Job, until: Mapping[str, float]) -> None:
        """Steps as they come, until every rank waits at the end of the same one."""
        job.send({"cmd": "stream", **until})
        for number, link in enumerate(job.links):
            while True:
                message = link.read(time.monotonic() + 0.5)
                if message is None:
                    self.listener.release_late()  # the step may wait for a process that is held at its own
                    continue
                if not number:
                    self.found.walls += message.wall_ns
                if message.event == "stopped":
                    break

    def _window(self, job: Job) -> None:
        found, wish = self.found, self.wish
        found.facts = self._ask(job, {"cmd": "facts"})[0].facts
        self._times(job, "unprofiled", BESIDE, found.beside)
        one = statistics.median(found.beside)
        steps = wish.steps
        if wish.first is not None and wish.last is not None:
            steps = wish.last - wish.first + 1
        elif wish.seconds is not None:
            steps = max(round(wish.seconds * 1e9 / one), 1)
        began = time.perf_counter_ns()
        folders = [self.raw / f"rank{link.hello.rank}" if found.ranks > 1 else self.raw for link in job.links]
        for link, folder in zip(job.links, folders, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            link.send({"cmd": "open_window", "folder": str(folder), "full": wish.full})
        for link in job.links:
            job.answer(link, "open_window", 600)
        answers = self._ask(job, {"cmd": "traced", "iterations": steps, "first": 0})
        found.traced = answers[0].wall_ns
        found.compiled = answers[0].compiled
        found.first = answers[0].step - len(found.traced) + 1
        if all(answer.artefacts is None for answer in answers):
            answers = self._ask(job, {"cmd": "close_window"})
            ended = False
        else:  # the script ended inside the window, which then holds the steps until there
            ended = True
        for answer in answers:
            found.artefacts += answer.artefacts or []
        found.wall_ns = time.perf_counter_ns() - began
        if ended:
            how = answers[0].message or "the script ended"
            found.why = f"{how} after {len(found.traced)} of the {steps} steps that were to be recorded"
            found.artefacts = found.artefacts if found.traced else []
            raise ScriptEnded
        try:
            self._times(job, "unprofiled", BESIDE, found.beside)
        except ScriptEnded:
            found.why = (
                "the script ended soon after the recorded steps, so that what recording cost is told from those before"
            )
            raise

    def _times(self, job: Job, what: str, steps: int, into: list[int]) -> None:
        into += self._ask(job, {"cmd": what, "iterations": steps})[0].wall_ns

    def _ask(self, job: Job, command: Mapping[str, Any]) -> list[Answer]:
        return job.ask(command, 3600, self.listener.release_late)


@contextlib.contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals of this process go to the script. Ctrl-C on a terminal reaches it by itself."""

    def forward(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)

    before: dict[int, Any] = {}
    for name in _FORWARDED:
        number = getattr(signal, name, None)
        if number is not None:
            before[number] = signal.signal(number, forward)
    foreground = sys.stdin is not None and sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    before[signal.SIGINT] = signal.signal(signal.SIGINT, (lambda *_: None) if foreground else forward)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def cost(found: Watched) -> float | None:
    """What recording added to a step, as a fraction: median step in the window ÷ median step beside it − 1."""
    if not found.traced or not found.beside:
        return None
    return statistics.median(found.traced) / statistics.median(found.beside) - 1


def settled(walls: Sequence[int]) -> float | None:
    """Median time (ns) of the later half of the steps before the window, as they ran without waiting; None without any."""
    return statistics.median(walls[len(walls) // 2 :]) if walls else None
