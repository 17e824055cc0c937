"""A worker: a child that answers timed and traced commands until it is told to quit."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import numpy as np
import psutil

from dlprof import protocol
from dlprof.capture.environments.env_store import Environment
from dlprof.capture.machine import peak_memory
from dlprof.capture.workers import paused
from dlprof.capture.workers.launch import RUNNER, Child, OnEvent, error_of, ignore

_T = TypeVar("_T")


class Worker:
    """A child of task `serve`. Construction starts it at once; `ready` waits, so two workers can start side by side.

    Once it is ready it is stopped (SIGSTOP) with all that it started, but for the time of an answer: what waits for its turn
    uses no CPU beside the side that is measured.

    Use as a context manager: leaving it asks the child to quit, or kills it when leaving by an exception.
    Construct it in a thread that outlives it (the main thread): the system kills the child when that thread ends.
    """

    def __init__(
        self,
        environment: Environment,
        request: protocol.CaptureRequest,
        control_dir: Path,
        timeout_s: float = 600.0,
        on_event: OnEvent = ignore,
        *,
        runner: Path = RUNNER,
    ) -> None:
        self._control = control_dir
        self._timeout_s = timeout_s
        self._on_event = on_event
        self._ready: protocol.Ready | None = None
        self.missing: dict[str, str] = {}
        self.trained = 0  # training steps taken since the start, or since the last recheck, which sets the network back
        self._child = Child(environment, request, control_dir, timeout_s, runner)

    @property
    def pid(self) -> int:
        return self._child.process.pid

    @property
    def ready(self) -> protocol.Ready:
        """The child's ready line; waits for it. Raises as `run_trace` does."""
        if self._ready is None:
            deadline = time.monotonic() + self._timeout_s
            while self._ready is None:
                said = self._child.said(deadline)
                if said is None:
                    self._child.result()
                    raise self._child.failed("ended before it was ready")
                if isinstance(said, protocol.Ready):
                    self._ready = said
                    self._pause()
                else:
                    self._on_event(said)
        return self._ready

    def run(self, item: str, iterations: int, *, timed: bool = False) -> protocol.Burst:
        """Time `iterations` successive iterations of `item`, each synchronised at its end. timed: they are a burst of a round,
        which may be asked about once the timing is over."""
        burst = self._ask(protocol.Run(item=item, iterations=iterations, timed=timed), protocol.Burst, "no timing")
        if not len(burst.wall_ns) == len(burst.cpu_ns) == len(burst.start_ns) == iterations:
            raise self._child.failed(f"was asked for {iterations} iterations and timed {len(burst.wall_ns)}")
        self.trained += burst.units * iterations if item.startswith("train") else 0
        return burst

    def parity(self, out: str = "parity.npz") -> dict[str, np.ndarray[Any, Any]]:
        """Outputs on one batch from the common weights: logits, loss, grad/<layer>/w, … Sets `missing`."""
        self.missing = self._ask(protocol.Parity(out=out), protocol.Unable).missing
        return self._arrays(out)

    def busy_threads(self) -> float | None:
        """How many threads share a large matrix product, as seen; None where that cannot be seen."""
        return self._ask(protocol.Threads(), protocol.BusyThreads).busy_threads

    def recheck(
        self,
        seed: int,
        steps: int,
        scales: Mapping[str, float] | None = None,
        out: str = "recheck.npz",
        *,
        brief: bool = False,
    ) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, float | None], dict[str, float | None]]:
        """What the objects that were timed make of operands they have not seen; to be asked after the last timed burst.

        Returns the arrays (the child's recheck.py and replay.py name them), and of each item the share of its time that was put
        off until a result was read, and of an item with inputs that which is saved where it has seen them before; None where
        other programs left that unsettled.
        steps: training steps that the side must have taken; what is missing it takes first. scales: size of each parameter's
        gradients. brief: of objects that were asked before, what a traced window has done since.
        """
        command = protocol.Recheck(out=out, seed=seed, steps=steps, scales=dict(scales or {}), brief=brief)
        answer = self._ask(command, protocol.Deferred)
        self.trained = 0
        return self._arrays(out), answer.deferred, answer.saved

    def open_window(self, items: Sequence[str], units: int) -> None:
        """Start the profiler for `units` steps, or calls of each of `items`, of the objects that were timed."""
        self._ask(protocol.OpenWindow(items=list(items), units=units), protocol.Answer)

    def traced(self, item: str, iterations: int) -> list[int]:
        """Wall times (ns) of `iterations` synchronised steps or calls under the profiler; one more runs unmarked before them."""
        return self._unit_ns(protocol.Traced(item=item, iterations=iterations))

    def unprofiled(self, item: str, iterations: int) -> list[int]:
        """The same without the profiler."""
        return self._unit_ns(protocol.Unprofiled(item=item, iterations=iterations))

    def _unit_ns(self, command: protocol.Traced | protocol.Unprofiled) -> list[int]:
        walls, asked = self._ask(command, protocol.Walls, "no timing").wall_ns, command.iterations
        if len(walls) != asked:
            raise self._child.failed(f"was asked for {asked} {command.name} iterations and timed {len(walls)}")
        self.trained += asked + 1 if command.item.startswith("train") else 0
        return walls

    def close_window(self) -> protocol.TracedWindow:
        """Stop the profiler; the artefacts lie below `control`."""
        return self._ask(protocol.CloseWindow(), protocol.TracedWindow, "no window")

    @property
    def control(self) -> Path:
        """The child's folder."""
        return self._control

    def _arrays(self, out: str) -> dict[str, np.ndarray[Any, Any]]:
        with np.load(self._control / out, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    @property
    def log_was_cut(self) -> bool:
        """Whether the child wrote more to its log than is kept."""
        return self._child.written.cut

    def cpu_ns(self) -> int:
        """CPU time of the child so far, all its threads, also those that have ended."""
        return process_cpu_ns(self.pid)

    def peak_bytes(self) -> int | None:
        """Peak memory of the child and of what it started."""
        return peak_memory.peak_bytes(peak_memory.with_children(self.pid))

    def close(self) -> protocol.CaptureResult:
        """Ask the child to quit and return its result."""
        try:
            self._ask(protocol.Quit(), protocol.Answer, last=True)
            return self._child.result()
        finally:
            self._child.close()

    def stop(self) -> None:
        """Kill the child."""
        self._child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._child.closed:
            self.close()
        self.stop()

    def _pause(self) -> None:
        """Its process leads a group of its own, see `process.start`."""
        paused.pause((self.pid,))

    def _ask(self, command: protocol.Command, kind: type[_T], other: str = "no answer", *, last: bool = False) -> _T:
        """The answer, as what it must be. other: what one is called that is something else. last: it runs on afterwards."""
        assert self.ready
        # Before it is written to: a long command would fill the pipe of one that does not read.
        paused.resume((self.pid,))
        self._child.write(command)
        line = self._child.read(time.monotonic() + self._timeout_s)
        if line is not None and not last:
            self._pause()
        if line is None:
            raise self._child.failed(f"ended instead of answering {command.name!r}")
        answer = self._child.decoded(line, protocol.Answer)
        if not answer.ok:
            raise error_of(answer.status, answer.message, answer.hint or None, self._child)
        try:
            return msgspec.json.decode(line, type=kind)
        except msgspec.ValidationError as failure:
            raise self._child.failed(f"answered what is {other}: {failure}") from failure


def process_cpu_ns(pid: int) -> int:
    """CPU time of a process, all threads, from the kernel's own clock for it (ns, where psutil counts 10 ms ticks)."""
    if os.name == "posix" and hasattr(time, "clock_gettime_ns"):
        try:
            return time.clock_gettime_ns((~pid << 3) | 2)  # clock_getcpuclockid(3): CPUCLOCK_SCHED of a process
        except OSError:
            pass
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0
    return round((times.user + times.system) * 1e9)
