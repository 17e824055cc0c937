"""A script as one side of a trial: held at the ends of its steps, it takes as many as it is asked to and waits, stopped."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dlprof.capture.machine import peak_memory
from dlprof.capture.script import no_step
from dlprof.capture.script.command import SOCKET, Command, variables
from dlprof.capture.script.link import Answer, Hello, Job, Listener, ScriptEnded
from dlprof.capture.script.processes import Processes, is_alive
from dlprof.capture.script.together import BUSY, Blocked, wants_it_alone
from dlprof.capture.workers import process
from dlprof.capture.workers.child_log import ChildLog
from dlprof.capture.workers.trial import NotTogether
from dlprof.errors import ChildFailed
from dlprof.names import STEPS_FOUND
from dlprof.protocol import Artefact, Burst, Ready, TracedSteps, TracedWindow
from dlprof.units import NS_PER_S, format_ns, format_share

ITEM: Final = "train_block"
INFER: Final = "infer_block"

ITERATION_NS: Final = 20_000_000
"""A timed iteration has so many steps that it takes about this long: its one wait for the device is then lost in it."""

MOST_UNITS: Final = 200

_PROBED: Final = 12
"""Steps by which that number is chosen: the shortest of the later half of them, which is what a step takes undisturbed."""

FIRST_STEPS_S: Final = 60.0
"""Seconds without a step after which that is said."""

_GRACE_S: Final = 10.0
"""Seconds in which a script may end by itself after it was told to."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How the side's processes are started.

    folder: where they run. control: of dlprof's own files. trial: its number, told to the script
    origin: the repository of whose revision `folder` is a copy; linked: what is that of the working folder on purpose
    sources: where the side's own code lies
    run_out: at its end a trial lets the script run on to its own end, instead of ending it at a step
    more: variables that both sides get beside their own
    alone: no other side is alive meanwhile; else what comes of the other raises `NotTogether`
    room: asked while the first steps are waited for; raises `NotTogether` where memory holds no two sides
    say: told when they do not come for a minute, and then at two, four, …
    """

    command: Command
    folder: Path
    control: Path
    trial: int
    step: str | None = None
    timeout_s: float = 1800.0
    origin: Path | None = None
    sources: tuple[Path, ...] = ()
    linked: tuple[Path, ...] = ()
    run_out: bool = False
    more: Mapping[str, str] = field(default_factory=dict)
    alone: bool = True
    room: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _: None


@dataclass(slots=True)
class ScriptWorker:
    """A script's processes, started at once; `ready` waits for their first steps. It is a `schedule.LockstepWorker`.

    units: steps of a timed iteration; the same on both sides, and set by the comparison.
    ending: how the script ended, in words, where it did not do so by itself.
    probed: programs that were compiled in `step_ns`
    """

    launch: Launch
    units: int = 1
    ending: str = ""
    probed: int = 0
    _listener: Listener = field(init=False)
    _log: ChildLog = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    processes: Processes = field(init=False)
    _blocked: Blocked | None = None
    _began: float = field(default_factory=time.monotonic)
    _said_at_s: float = field(default_factory=lambda: FIRST_STEPS_S)
    _job: Job | None = None
    _ready: Ready | None = None
    _facts: Mapping[str, Any] = field(default_factory=dict)
    _steps: int = 0
    _marked: int = 0
    _closed: bool = False

    def __post_init__(self) -> None:
        control = self.launch.control
        control.mkdir(parents=True, exist_ok=True)
        self._listener = Listener(control / "steps")
        launch = self.launch
        environment = variables(
            launch.command,
            self._listener.path,
            step=launch.step,
            trial=launch.trial,
            origin=launch.origin,
            sources=launch.sources,
            linked=launch.linked,
        )
        environment |= launch.more
        argv = self.launch.command.program(environment, self.launch.folder)
        self._log = ChildLog(control / "output.log")
        self._process = process.start(
            argv, env=environment, cwd=self.launch.folder, stdout=self._log.fileno(), stderr=self._log.fileno()
        )
        self.processes = Processes(self._process.pid, f"{SOCKET}={environment[SOCKET]}")

    @property
    def hello(self) -> Hello:
        """What the first rank said. Only of a worker that is ready."""
        assert self._job is not None
        return self._job.hello

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known of its work, from its own say and from the steps that were looked at. Only of a worker that is ready."""
        return self._facts

    def step_ns(self) -> float:
        """Time of one of its first steps after those that compile. To be asked when every other side is ready, and so stopped:
        beside a side that still imports and compiles a step takes several times as long."""
        found = self._ask({"cmd": "run", "iterations": _PROBED, "units": 1})[0]
        self.probed += found.compiled
        return float(min(found.wall_ns[_PROBED // 2 :]))

    @property
    def control(self) -> Path:
        return self.launch.control

    @property
    def ready(self) -> Ready:
        """What the schedule asks for; waits for the first steps. Raises `ChildFailed`."""
        if self._ready is None:
            self._ready = self._made_ready()
        return self._ready

    @property
    def is_ready(self) -> bool:
        """Whether it took its first steps."""
        return self._ready is not None

    def _made_ready(self) -> Ready:
        timeout_s = self.launch.timeout_s
        self._job = self._listener.job(self._starts, time.monotonic() + timeout_s)
        if self._job is None:
            if self._process.poll() is None:
                raise self._failed(f"took no step that was seen within {timeout_s:g} s")
            without = self._listener.without
            if self._process.poll() and any(one.frameworks for one in without):
                raise self._failed("failed before any training step was seen")  # why, its last words say
            raise self._failed(f"ended, and no training step was seen{no_step.words(without, self.launch.step)}")
        self._facts = self._ask({"cmd": "facts"})[0].facts
        hello = self._job.hello
        self.processes.stop(look=True)
        self._check_idle()
        return Ready(
            items=[INFER if "forward pass" in hello.found else ITEM],
            versions={"python": hello.python, hello.framework: hello.version},
            runtime={STEPS_FOUND: hello.found, **{k: v for k, v in self._facts.items() if k != "versions"}},
        )

    def _starts(self) -> bool:
        """Asked again and again before the first steps: whether the script runs. Raises `NotTogether`."""
        if (
            self._process.poll() is not None and len(self.processes.alive(look=True)) < 2
        ):  # a daemon may go on with the work
            return False
        self.launch.room()
        self._check_blocked()
        self._say_that_none_came()
        return True

    def _say_that_none_came(self) -> None:
        """A user who waits learns what for, and until when."""
        launch, waited_s = self.launch, time.monotonic() - self._began
        if waited_s < self._said_at_s:
            return
        self._said_at_s *= 2
        launch.say(
            f"note: `{launch.command}` runs and has taken no step that was seen in {format_ns(waited_s * NS_PER_S)}: "
            f"{no_step.waited_for(launch.step)} (it is waited for, {format_ns(launch.timeout_s * NS_PER_S)} at most: --timeout)"
        )

    def _check_idle(self) -> None:
        """Raises `NotTogether` where processes that were stopped still use CPU."""
        if self.launch.alone:
            return
        left = self.processes.not_stopped()
        if left:
            raise NotTogether(
                f"processes of `{self.launch.command}` cannot be stopped while it waits ({len(left)} of them)"
            )
        busy = self.processes.busy(0.1)
        if busy > BUSY:
            raise NotTogether(f"`{self.launch.command}` uses {format_share(busy)} of a core while it waits")

    def _watch(self) -> None:
        """While it is waited for: a step may wait for a process that begins to take its own only now."""
        self._listener.release_late()
        self._check_blocked()

    def _check_blocked(self) -> None:
        """Raises `NotTogether` where the script does nothing, while another side is alive."""
        if self.launch.alone:
            return
        self._blocked = self._blocked or Blocked(self.processes.cpu_ns)
        if self._blocked.too_long():
            raise NotTogether(
                f"`{self.launch.command}` takes no step, and uses no CPU, while the other side is alive: they may want the same "
                "file, port or device"
            )

    def run(self, item: str, iterations: int, *, timed: bool = False) -> Burst:  # noqa: ARG002  a script has one item
        """Time iterations of `units` steps."""
        answers = self._ask({"cmd": "run", "iterations": iterations, "units": self.units})
        first = answers[0]
        compiled = max(answer.compiled for answer in answers)
        return Burst(first.wall_ns, first.cpu_ns, first.start_ns, self.units, compiled)

    def open_window(self, items: Sequence[str], units: int) -> None:  # noqa: ARG002
        """Start every rank's profiler."""
        assert self._job is not None
        folders = self._folders()
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        self.processes.go_on()
        for link, folder in zip(self._job.links, folders, strict=True):
            link.send({"cmd": "open_window", "folder": str(folder), "full": True})
        for link in self._job.links:
            self._job.answer(link, "open_window", self.launch.timeout_s)
        self.processes.stop()

    def traced(self, item: str, iterations: int) -> list[int]:  # noqa: ARG002
        """Wall times (ns) of marked steps; one more runs before them."""
        found = self._ask({"cmd": "traced", "iterations": iterations, "first": self._marked})[0]
        self._marked += iterations
        return found.wall_ns

    def unprofiled(self, item: str, iterations: int) -> list[int]:  # noqa: ARG002
        """The same without the profiler."""
        return self._ask({"cmd": "unprofiled", "iterations": iterations})[0].wall_ns

    def close_window(self) -> TracedWindow:
        """Stop the profilers; paths are relative to `control`."""
        answers = self._ask({"cmd": "close_window"})
        control = self.control.absolute()
        told = [one for answer in answers for one in answer.artefacts or ()]
        if strange := [one.path for one in told if not Path(one.path).is_relative_to(control)]:
            raise self._failed(f"names a trace that dlprof did not ask for: {strange[0]}")
        artefacts = [Artefact(kind=one.kind, path=Path(one.path).relative_to(control).as_posix()) for one in told]
        return TracedWindow(
            artefacts=artefacts, window=TracedSteps(steps=self._marked * len(answers), synchronised=True)
        )

    def cpu_ns(self) -> int:
        """CPU time of all the side's processes that live."""
        return self.processes.cpu_ns()

    def peak_bytes(self) -> int | None:
        """Peak memory of all its processes that live."""
        return peak_memory.peak_bytes(self.processes.alive(look=True))

    def close(self) -> None:
        """End the script at the end of its step, by SystemExit and then by signals; or let it run out."""
        run_out = self.launch.run_out
        patience_s = self.launch.timeout_s if run_out else _GRACE_S
        with contextlib.suppress(ScriptEnded, ChildFailed, OSError):
            if self._job is not None:
                self.processes.go_on()
                self._job.send({"cmd": "free" if run_out else "end"})
        try:
            code = self._process.wait(patience_s)
            self._wait_for_daemon(patience_s)
            if code:
                self.ending = f"ended with {process.exit_words(code)} when its trial was over"
        except subprocess.TimeoutExpired:
            how = "of being let run on" if run_out else "of being told to"
            self.ending = f"did not end within {patience_s:g} s {how}, and was stopped by signals"
        self.stop()

    def _wait_for_daemon(self, patience_s: float) -> None:
        """Let the processes that take steps end, where what started them has ended long before. Raises `TimeoutExpired`."""
        end = time.monotonic() + patience_s
        for link in self._job.links if self._job else ():
            while is_alive(link.hello.pid):
                if time.monotonic() > end:
                    raise subprocess.TimeoutExpired(self.launch.command.words, patience_s)
                time.sleep(0.02)

    def stop(self) -> None:
        """Kill whatever still runs."""
        if self._closed:
            return
        self._closed = True
        process.stop(self._process)
        self.processes.kill()
        if self._job is not None:
            self._job.close()
        self._listener.close()
        self._log.close()

    def _folders(self) -> list[Path]:
        assert self._job is not None
        raw = self.control.absolute() / "raw"
        links = self._job.links
        return [raw / f"rank{link.hello.rank}" if len(links) > 1 else raw for link in links]

    def _ask(self, command: Mapping[str, Any]) -> list[Answer]:
        """Every rank's answer; the side runs meanwhile, and is stopped before and after. Raises `ChildFailed`."""
        assert self._job is not None
        self._listener.release_late()
        try:
            self._job.send(command)
            self.processes.go_on()
            self._blocked = None
            answers = [
                self._job.answer(link, str(command["cmd"]), self.launch.timeout_s, self._watch)
                for link in self._job.links
            ]
        except NotTogether:
            raise
        except ScriptEnded:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)
            how = "closed its connection to dlprof, as scripts do that close all files"
            raise self._failed(how if self._process.poll() is None else "ended before its trial was over") from None
        except ChildFailed as error:
            raise self._failed(error.message) from None
        if command["cmd"] != "close_window" and any(answer.artefacts is not None for answer in answers):
            raise self._failed("ended before its trial was over")
        self._steps = max(self._steps, *(answer.step for answer in answers))
        if self._ready is not None:
            self.processes.stop()
        return answers

    def _failed(self, how: str) -> ChildFailed:
        """What happened, with the script's last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2.0)
        code = self._process.poll()
        ended = "" if code is None else f" ({process.exit_words(code)})"
        words = process.tail(self._log.path)
        if not self.launch.alone and wants_it_alone(code, words):
            last = f": {words.splitlines()[-1].strip()}" if words else ""
            return NotTogether(f"`{self.launch.command}` {how}{ended} beside the other side{last}", hint=words or None)
        said = f"\n  its last words:\n{words}" if words else ""
        hint = None
        if code == 0 and self._steps:
            hint = (
                f"it took {self._steps} steps, and a trial wants more: let it run for more epochs or steps, or give a shorter "
                "--budget"
            )
        elif code == 0:
            hint = no_step.HINT
        return ChildFailed(f"`{self.launch.command}` {how}{ended}{said}", hint=hint)
