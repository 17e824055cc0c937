"""The socket on which a script's processes report at their first step, and what is said over it."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

import msgspec

from dlprof import temporary
from dlprof.errors import ChildFailed
from dlprof.protocol import Artefact

_LONGEST: Final = 100
"""Characters of a socket's path: systems allow 104 to 108 bytes."""

_LONGEST_LINE: Final = 64 * 2**20
"""Bytes of a message: the times of a million steps are a fifth of it."""

_POLL_S: Final = 0.05
_WATCH_S: Final = 1.0
_RANKS_S: Final = 120.0
"""Ranks of one job take their first step together; one that does not report by then has failed, or is not watched."""


_Int = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
"""A number of which sums and differences stay within int64."""


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="hello"):
    """What a process says at its first known step.

    found: how its steps were found, in words
    step: how many it has taken so far
    troubles: what could not be watched
    """

    pid: _Int
    rank: _Int = 0
    world: _Int = 1
    argv: list[str] = []
    python: str = ""
    executable: str = ""
    framework: str
    version: str
    found: str
    step: _Int
    troubles: list[str] = []


class NoStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="no step"):
    """What a process says at its end that took no step, though it had imported a framework or was told which function is one.

    frameworks: name and release of each that it imported
    named: whether the function that --step names was there: found | absent, '' where none is named
    """

    pid: int
    python: str = ""
    executable: str = ""
    frameworks: dict[str, str] = {}
    named: str = ""
    troubles: list[str] = []


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a process says after its hello: the answer to a command, or its steps as they come.

    ok, message: whether it could do what it was asked, else why not
    event: steps | stopped, of steps as they come
    step: how many it has taken so far
    wall_ns, cpu_ns, start_ns: of each of those steps, or of each timed iteration
    compiled: programs that were compiled in the timed iterations
    facts: what is known of its work
    artefacts: files of its profiler, where that was stopped; paths are absolute
    """

    ok: bool = True
    message: str = ""
    event: str = ""
    step: _Int = 0
    wall_ns: list[_Int] = []
    cpu_ns: list[_Int] = []
    start_ns: list[_Int] = []
    compiled: _Int = 0
    facts: dict[str, Any] = {}
    artefacts: list[Artefact] | None = None


class ScriptEnded(Exception):
    """The script has ended, or closed its socket, before it answered."""


class Link:
    """One process that takes steps."""

    def __init__(self, connection: socket.socket, hello: Hello, left: bytes) -> None:
        self.hello = hello
        self._socket = connection
        self._left = left

    def send(self, command: Mapping[str, Any]) -> None:
        """Raises `ScriptEnded`."""
        try:
            self._socket.sendall(msgspec.json.encode(command) + b"\n")
        except OSError:
            raise ScriptEnded from None

    def read(self, deadline: float) -> Answer | None:
        """The next message; None where none has come by `deadline` (monotonic). Raises `ScriptEnded`, `ChildFailed`."""
        while b"\n" not in self._left:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                chunk = self._socket.recv(65_536)
            except TimeoutError:
                return None
            except OSError:
                chunk = b""
            if not chunk:
                raise ScriptEnded
            self._left += chunk
            if len(self._left) > _LONGEST_LINE:
                raise _not_understood(f"over {_LONGEST_LINE >> 20} MiB without an end of line")
        self._socket.settimeout(None)
        line, _, self._left = self._left.partition(b"\n")
        try:
            return msgspec.json.decode(line, type=Answer)
        except ValueError as error:  # no JSON, no UTF-8, or of another shape
            raise _not_understood(str(error)) from None

    def close(self) -> None:
        self._socket.close()


def _not_understood(what: str) -> ChildFailed:
    return ChildFailed(
        f"what the script's process says over dlprof's socket is not dlprof's: {what}",
        hint="does the script, or a program that it starts, write to sockets that it did not open?",
    )


class Job:
    """All ranks of a script: each command goes to every one of them, and is answered by all."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = sorted(links, key=lambda link: link.hello.rank)

    @property
    def hello(self) -> Hello:
        """Of the first rank."""
        return self.links[0].hello

    def send(self, command: Mapping[str, Any]) -> None:
        for link in self.links:
            link.send(command)

    def ask(
        self, command: Mapping[str, Any], timeout_s: float, watch: Callable[[], None] = lambda: None
    ) -> list[Answer]:
        """Every rank's answer, in their order. watch: as of `answer`. Raises `ChildFailed`, `ScriptEnded`."""
        self.send(command)
        return [self.answer(link, str(command["cmd"]), timeout_s, watch) for link in self.links]

    def answer(self, link: Link, asked: str, timeout_s: float, watch: Callable[[], None] = lambda: None) -> Answer:
        """The answer of one rank to what it was sent. watch: called while it is waited for. Raises `ChildFailed`, `ScriptEnded`
        and what `watch` raises."""
        deadline, answer = time.monotonic() + timeout_s, None
        while answer is None and (now := time.monotonic()) < deadline:
            answer = link.read(min(now + _WATCH_S, deadline))
            if answer is None:
                watch()
        if answer is None:
            raise ChildFailed(
                f"the script did not finish its step in time (asked for: {asked})", hint="raise --timeout"
            )
        if not answer.ok:
            raise ChildFailed(f"the script's process could not do what it was asked: {answer.message}")
        return answer

    def close(self) -> None:
        for link in self.links:
            link.close()


class Listener:
    """The socket. `job` waits for the first process that takes steps, and for the other ranks of its job.

    path: where it is to lie; where that is too long for a socket, it lies in a folder of its own, which goes with it.
    late: processes that began to take steps after the job; without: those that ended and had taken none
    """

    def __init__(self, path: Path) -> None:
        self._own = contextlib.ExitStack()
        if len(os.fsencode(path)) > _LONGEST:
            path = self._own.enter_context(temporary.folder(short=True)) / "steps"
        self.path = path
        self.late: list[Hello] = []
        self.without: list[NoStep] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(self.path))
        self._socket.listen(64)
        self._socket.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._selector.close()
        self._socket.close()
        self._own.close()

    def job(self, alive: Callable[[], bool], deadline: float) -> Job | None:
        """The job once all its ranks have reported; None where the script ended first, or `deadline` (monotonic) has passed."""
        first = self._link(alive, deadline)
        if first is None:
            return None
        links = {first.hello.rank: first}
        last = min(deadline, time.monotonic() + _RANKS_S)
        while len(links) < first.hello.world:
            link = self._link(alive, last)
            if link is None:
                break
            links.setdefault(link.hello.rank, link)
        return Job(list(links.values()))

    def release_late(self) -> None:
        """Let processes run on that began to take steps after the one that is watched."""
        while (link := self._link(lambda: True, time.monotonic())) is not None:
            self.late.append(link.hello)
            with contextlib.suppress(ScriptEnded):
                link.send({"cmd": "free"})
            link.close()

    def _link(self, alive: Callable[[], bool], deadline: float) -> Link | None:
        while True:
            # Asked before the socket is looked at, so that what a process said before it ended is read.
            over = time.monotonic() >= deadline or not alive()
            if self._selector.select(0 if over else min(_POLL_S, max(deadline - time.monotonic(), 0))):
                with contextlib.suppress(BlockingIOError, OSError):
                    connection, _ = self._socket.accept()
                    greeted = _greeted(connection)
                    if isinstance(greeted, Link):
                        return greeted
                    self.without += [greeted] if greeted is not None else []
            elif over:
                return None


def _greeted(connection: socket.socket) -> Link | NoStep | None:
    """A connection with its hello, or what a process without any step says; None for one that says neither."""
    connection.settimeout(10.0)
    left = b""
    try:
        while b"\n" not in left:
            chunk = connection.recv(65_536)
            if not chunk:
                raise OSError
            left += chunk
            if len(left) > _LONGEST_LINE:
                raise OSError
        line, _, left = left.partition(b"\n")
        hello: Hello | NoStep = msgspec.json.decode(line, type=Hello | NoStep)
    except (OSError, ValueError):
        connection.close()
        return None
    if isinstance(hello, NoStep):
        connection.close()
        return hello
    connection.settimeout(None)
    return Link(connection, hello, left)
