"""Starting the child and talking to it: one trace run, or a worker that answers timed commands until told to quit."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
import psutil

from dlprof import protocol
from dlprof.capture.environments.env_store import Environment
from dlprof.capture.workers import process
from dlprof.capture.workers.child_log import ChildLog, shorten_all
from dlprof.capture.workers.launch_env import child_environ
from dlprof.errors import ChildFailed, DlprofError, EnvironmentFailed, Unsupported

RUNNER = Path(__file__).parents[2] / "runner" / "run.py"
_FULL_DISK_BYTES = 65_536
_GONE_S = 2.0
_TEARDOWN_S = 30.0
"""Seconds a child may take to exit after its result is in place: frameworks hang or crash in teardown at times."""

_POLL_S = 0.5

OnEvent = Callable[[Mapping[str, Any]], None]


def ignore(_: Mapping[str, Any]) -> None:
    """An `OnEvent` that does nothing."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What `run` measured: one entry per iteration (ns; start_ns is Unix time); units of work in each iteration."""

    wall_ns: list[int]
    cpu_ns: list[int]
    start_ns: list[int]
    units: int


def run_trace(
    environment: Environment,
    request: protocol.CaptureRequest,
    control_dir: Path,
    timeout_s: float,
    on_event: OnEvent = ignore,
    *,
    runner: Path = RUNNER,
) -> protocol.CaptureResult:
    """Run a child of task `trace` to its end. Artefacts, request.json, result.json and stderr.log lie in `control_dir`.

    on_event: called with each line the child sends. Raises `ChildFailed` (crash, timeout, failure), `Unsupported`,
    `EnvironmentFailed`; the child and its descendants are gone when this returns or raises, Ctrl-C included.
    """
    with _Child(environment, request, control_dir, timeout_s, runner) as child:
        deadline = time.monotonic() + timeout_s
        while (message := child.read(deadline)) is not None:
            on_event(message)
            if message.get("event") == "done":
                break
        return child.result()


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
        self._child = _Child(environment, request, control_dir, timeout_s, runner)

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
            raise _error(str(answer.get("status", "failed")), message, hint, self._child)
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


class _Child:
    """The process, its pipes and its files. `control_dir` holds request.json, stderr.log, result.json."""

    def __init__(
        self,
        environment: Environment,
        request: protocol.CaptureRequest,
        control_dir: Path,
        timeout_s: float,
        runner: Path,
    ) -> None:
        control_dir.mkdir(parents=True, exist_ok=True)
        self.control = control_dir.absolute()
        self.log = self.control / "stderr.log"
        self.closed = False
        self._name = f"the {request.framework} {environment.version} child"
        self._environment = environment
        self._timeout_s = timeout_s
        self._buffer = b""
        (self.control / "request.json").write_bytes(protocol.encode(request))
        (self.control / "result.json").unlink(missing_ok=True)
        env = child_environ(environment.environ, request.threads, gpu=request.device.kind == "gpu")
        argv = [str(environment.python), "-u", str(runner), str(self.control)]
        with ExitStack() as stack:
            self.written = ChildLog(self.log)
            stack.callback(self.written.close)
            try:
                self.process = process.start(
                    argv,
                    env=env,
                    cwd=self.control,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self.written.fileno(),
                )
            except OSError as failure:
                raise EnvironmentFailed(
                    f"cannot start {environment.python}: {failure.strerror}", hint=self._remake()
                ) from failure
            stack.callback(self.close)
            assert self.process.stdout is not None
            self._selector = selectors.DefaultSelector()
            self._selector.register(self.process.stdout, selectors.EVENT_READ)
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, command: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(msgspec.json.encode(command) + b"\n")
        except BrokenPipeError:
            raise self.failed(f"ended before {command['cmd']!r} could be asked") from None

    def read(self, deadline: float) -> dict[str, Any] | None:
        """The child's next line; None when it closed its output. Raises `ChildFailed` past `deadline` (monotonic)."""
        assert self.process.stdout is not None
        while b"\n" not in self._buffer:
            shorten_all()
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._timed_out()
            # A dead child's descendant may hold the pipe open, so its end is not awaited on the pipe alone.
            ended = self.process.poll() is not None
            if not self._selector.select(0 if ended else min(left, _POLL_S)):
                if ended:
                    return None
                continue
            chunk = self.process.stdout.read(65_536)
            if not chunk:
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise self.failed(f"wrote a line that is no protocol: {line[:200]!r}") from None
        return message

    def result(self) -> protocol.CaptureResult:
        """The result, once the child has exited or been given time to. Raises what its status says."""
        try:
            self.process.wait(_TEARDOWN_S)
        except subprocess.TimeoutExpired:
            process.stop(self.process)
        path = self.control / "result.json"
        if not path.exists():
            raise self.failed(f"crashed with {process.exit_words(self.process.returncode)}")
        try:
            result = protocol.read_result(path)
        except msgspec.MsgspecError as failure:
            raise self.failed(f"left a result that cannot be read: {failure}") from failure
        if result.status != "ok":
            raise _error(result.status, result.message, result.hint or None, self)
        return result

    def failed(self, how: str) -> ChildFailed:
        """A `ChildFailed` with how it ended, stderr's last lines and the log's path."""
        code = self._exit_code()
        ended = f" ({process.exit_words(code)})" if code is not None and "crashed" not in how else ""
        tail = process.tail(self.log)
        said = f"\n  its last words:\n{tail}" if tail else ""
        hint = None
        if code == -9:
            hint = "SIGKILL often comes from the kernel when memory runs out: try a smaller batch or size"
        elif shutil.disk_usage(self.control).free < _FULL_DISK_BYTES:
            hint = f"no space is left on the disk of {self.control.parent}: free some, or choose another place with -o"
        return ChildFailed(f"{self._name} {how}{ended}{said}\n  log: {self._kept_log()}", hint=hint)

    def _exit_code(self) -> int | None:
        """How it ended; None while it runs. A child whose output has closed may need a moment more to be gone."""
        try:
            return self.process.wait(_GONE_S)
        except subprocess.TimeoutExpired:
            return None

    def explained(self, message: str) -> str:
        return f"{self._name}: {message}\n  log: {self._kept_log()}"

    def _kept_log(self) -> Path:
        """A copy of the log that outlives the control directory, which goes with the failed run."""
        try:
            handle, name = tempfile.mkstemp(prefix="dlprof-child-", suffix=".log")
            os.close(handle)
            shutil.copyfile(self.log, name)
        except OSError:
            return self.log
        return Path(name)

    def missing(self, message: str) -> EnvironmentFailed:
        return EnvironmentFailed(self.explained(message), hint=self._remake())

    def close(self) -> None:
        """Kill what still runs and close the pipes; a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        try:
            process.stop(self.process)
        finally:
            self.written.close()
            if hasattr(self, "_selector"):
                self._selector.close()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe:
                    pipe.close()

    def _timed_out(self) -> ChildFailed:
        error = self.failed(f"did not answer within {self._timeout_s:g} s and was stopped")
        self.close()
        return error

    def _remake(self) -> str:
        if self._environment.root is None:
            return f"is the framework installed for {self._environment.python}?"
        return f"make the environment anew: dlprof env remove {self._environment.name}, then run again"


def _error(status: str, message: str, hint: str | None, child: _Child) -> DlprofError:
    """The error that a status other than ok stands for."""
    if status == "unsupported":
        return Unsupported(message, hint=hint)
    if status == "framework_missing":
        return child.missing(message)
    return ChildFailed(child.explained(message), hint=hint)
