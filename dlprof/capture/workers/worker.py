"""A worker: a child that answers timed and traced commands until it is told to quit."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
import psutil

from dlprof import protocol
from dlprof.capture.environments.env_store import Environment
from dlprof.capture.workers.launch import RUNNER, Child, OnEvent, error_of, ignore


@dataclass(frozen=True, slots=True)
class Burst:
    """What `run` measured: one entry per iteration (ns; start_ns is Unix time); units of work in each iteration."""

    wall_ns: list[int]
    cpu_ns: list[int]
    start_ns: list[int]
    units: int


class Worker:
    """A child of task `serve`. Construction starts it at once; `ready` waits, so two workers can start side by side.

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
        self._ready: dict[str, Any] | None = None
        self.missing: dict[str, str] = {}
        self.trained = 0  # training steps taken since the start, or since the last recheck, which sets the network back
        self._child = Child(environment, request, control_dir, timeout_s, runner)

    @property
    def pid(self) -> int:
        return self._child.process.pid

    @property
    def ready(self) -> Mapping[str, Any]:
        """The child's ready line (versions, runtime, items, startup_ns); waits for it. Raises as `run_trace` does."""
        if self._ready is None:
            deadline = time.monotonic() + self._timeout_s
            while self._ready is None:
                message = self._child.read(deadline)
                if message is None:
                    self._child.result()
                    raise self._child.failed("ended before it was ready")
                if message.get("event") == "ready":
                    self._ready = message
                else:
                    self._on_event(message)
        return self._ready

    def run(self, item: str, iterations: int) -> Burst:
        """Time `iterations` successive iterations of `item`, each synchronised at its end."""
        answer = self._ask({"cmd": "run", "item": item, "iterations": iterations})
        try:
            burst = msgspec.convert(answer, Burst)
        except msgspec.ValidationError as failure:
            raise self._child.failed(f"answered what is no timing: {failure}") from failure
        if not len(burst.wall_ns) == len(burst.cpu_ns) == len(burst.start_ns) == iterations:
            raise self._child.failed(f"was asked for {iterations} iterations and timed {len(burst.wall_ns)}")
        self.trained += burst.units * iterations if item.startswith("train") else 0
        return burst

    def parity(self, out: str = "parity.npz") -> dict[str, np.ndarray[Any, Any]]:
        """Outputs on one batch from the common weights: logits, loss, grad/<layer>/w, … Sets `missing`."""
        self.missing = dict(self._ask({"cmd": "parity", "out": out}).get("missing", {}))
        return self._arrays(out)

    def busy_threads(self) -> float | None:
        """How many threads share a large matrix product, as seen; None where that cannot be seen."""
        found = self._ask({"cmd": "threads"}).get("busy_threads")
        return None if found is None else float(found)

    def recheck(
        self, seed: int, steps: int, out: str = "recheck.npz"
    ) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, float]]:
        """What the objects that were timed make of operands they have not seen; to be asked after the last timed burst.

        Returns the arrays (the child's recheck.py names them), and of each op item the share of its calls' time that was
        put off until the result was read. steps: training steps that the side must have taken; what is missing it takes first.
        """
        answer = self._ask({"cmd": "recheck", "out": out, "seed": seed, "steps": steps})
        self.trained = 0
        return self._arrays(out), dict(answer.get("deferred", {}))

    def open_window(self, items: Sequence[str], units: int) -> None:
        """Start the profiler for `units` steps, or calls of each of `items`, of the objects that were timed."""
        self._ask({"cmd": "open_window", "items": list(items), "units": units})

    def traced(self, item: str, iterations: int) -> list[int]:
        """Wall times (ns) of `iterations` synchronised steps or calls under the profiler; one more runs unmarked before them."""
        return self._unit_ns("traced", item, iterations)

    def unprofiled(self, item: str, iterations: int) -> list[int]:
        """The same without the profiler."""
        return self._unit_ns("unprofiled", item, iterations)

    def _unit_ns(self, command: str, item: str, iterations: int) -> list[int]:
        answer = self._ask({"cmd": command, "item": item, "iterations": iterations})
        try:
            walls = msgspec.convert(answer.get("wall_ns"), list[int])
        except msgspec.ValidationError as failure:
            raise self._child.failed(f"answered what is no timing: {failure}") from failure
        if len(walls) != iterations:
            raise self._child.failed(f"was asked for {iterations} {command} iterations and timed {len(walls)}")
        self.trained += iterations + 1 if item.startswith("train") else 0
        return walls

    def close_window(self) -> protocol.TracedWindow:
        """Stop the profiler; the artefacts lie below `control`."""
        answer = self._ask({"cmd": "close_window"})
        try:
            return msgspec.convert(answer, protocol.TracedWindow)
        except msgspec.ValidationError as failure:
            raise self._child.failed(f"answered what is no window: {failure}") from failure

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

    def close(self) -> protocol.CaptureResult:
        """Ask the child to quit and return its result."""
        try:
            self._ask({"cmd": "quit"})
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

    def _ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        assert self.ready
        self._child.write(command)
        answer = self._child.read(time.monotonic() + self._timeout_s)
        if answer is None:
            raise self._child.failed(f"ended instead of answering {command['cmd']!r}")
        if not answer.get("ok"):
            message, hint = str(answer.get("message", "failed")), str(answer.get("hint", "")) or None
            raise error_of(str(answer.get("status", "failed")), message, hint, self._child)
        return answer


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
