"""Starting the child: its process, pipes and files, and the error that its end stands for; one trace run from start to end."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

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

_T = TypeVar("_T")

OnEvent = Callable[[protocol.Said], None]


def ignore(_: protocol.Said) -> None:
    """An `OnEvent` that does nothing."""


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
    with Child(environment, request, control_dir, timeout_s, runner) as child:
        deadline = time.monotonic() + timeout_s
        while (said := child.said(deadline)) is not None:
            on_event(said)
            if isinstance(said, protocol.Done):
                break
        return child.result()


class Child:
    """The process, its pipes and its files. `control_dir` holds request.json, stderr.log, result.json, and the folder settings/,
    which is empty when the process starts."""

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
        settings = self.control / "settings"
        settings.mkdir(exist_ok=True)
        env = child_environ(
            environment.environ,
            request.threads,
            gpu=request.device.kind == "gpu",
            variables=environment.variables,
            settings=settings,
        )
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

    def write(self, command: protocol.Command) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(msgspec.json.encode(command) + b"\n")
        except BrokenPipeError:
            raise self.failed(f"ended before {command.name!r} could be asked") from None

    def said(self, deadline: float) -> protocol.Said | None:
        """What the child says next by itself; as `read`."""
        line = self.read(deadline)
        return None if line is None else self.decoded(line, protocol.Said)  # type: ignore[arg-type]

    def decoded(self, line: bytes, kind: type[_T]) -> _T:
        """A line as what it must be. Raises `ChildFailed`."""
        try:
            found: _T = msgspec.json.decode(line, type=kind)
        except ValueError:  # no JSON, no UTF-8, or of another shape
            raise self.failed(f"wrote a line that is no protocol: {line[:200]!r}") from None
        return found

    def read(self, deadline: float) -> bytes | None:
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
        return line

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
        except ValueError as failure:
            raise self.failed(f"left a result that cannot be read: {failure}") from failure
        if result.status != "ok":
            raise error_of(result.status, result.message, result.hint or None, self)
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


def error_of(status: str, message: str, hint: str | None, child: Child) -> DlprofError:
    """The error that a status other than ok stands for."""
    if status == "unsupported":
        return Unsupported(message, hint=hint)
    if status == "framework_missing":
        return child.missing(message)
    return ChildFailed(child.explained(message), hint=hint)
