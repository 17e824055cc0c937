"""Whether two scripts can be alive together: each idle while the other is timed, both with what they need."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from dlprof.capture.machine.memory import available_bytes
from dlprof.capture.script.processes import Processes
from dlprof.capture.workers.trial import NotTogether
from dlprof.units import format_bytes

BUSY: Final = 0.10
"""CPU that a stopped side may use, as a fraction of a core: with more of it the side that is timed does not run alone."""

BLOCKED_S: Final = 60.0
"""A side that used no CPU for so long waits for something; another that is alive may have it."""

_NO_CPU: Final = 0.03
"""Of a core: a thread that looks around now and then (dlprof's own for `--step` does) is no work."""

_EVERY_S: Final = 0.5

_ALONE: Final = re.compile(
    r"MemoryError|out of memory|OutOfMemory|Cannot allocate memory|RESOURCE_EXHAUSTED|bad_alloc|insufficient shared memory"
    r"|Address already in use|EADDRINUSE|Resource temporarily unavailable|database is locked|all CUDA-capable devices are busy"
    r"|CUBLAS_STATUS_(ALLOC_FAILED|NOT_INITIALIZED)",
    re.IGNORECASE,
)
_KILLED: Final = (-signal.SIGKILL, 128 + signal.SIGKILL, -signal.SIGBUS, 128 + signal.SIGBUS)
"""What the kernel does where memory, or shared memory, is used up; the second as a shell tells it."""

_SPARE: Final = 256 * 1024**2
"""Memory that must be left: with less the machine itself is in danger."""


def wants_it_alone(returncode: int | None, last_words: str) -> bool:
    """Whether a script that failed beside another may do without it: it lacked memory, or what the other has."""
    return returncode in _KILLED or (returncode != 0 and _ALONE.search(last_words) is not None)


@dataclass(slots=True)
class Blocked:
    """A side that is waited for. cpu_ns: CPU that it has used so far."""

    cpu_ns: Callable[[], int]
    now: Callable[[], float] = time.monotonic
    _used: int = field(init=False)
    _since: float = field(init=False)
    _asked: float = field(init=False)

    def __post_init__(self) -> None:
        self._used, self._since = self.cpu_ns(), self.now()
        self._asked = self._since

    def too_long(self) -> bool:
        """Whether it has used no CPU for `BLOCKED_S`; to be asked again and again."""
        now = self.now()
        if now - self._asked < _EVERY_S:
            return False
        used, passed = self.cpu_ns(), now - self._asked
        if used - self._used > _NO_CPU * passed * 1e9:
            self._since = now
        self._used, self._asked = used, now
        return now - self._since >= BLOCKED_S


class Starting(Protocol):
    """A side that has been started (`worker.ScriptWorker`)."""

    @property
    def is_ready(self) -> bool: ...
    @property
    def processes(self) -> Processes: ...


@dataclass(slots=True)
class Room:
    """Whether memory holds all sides, asked while they start: one that is ready tells what the others will want.

    sides: those that were started so far
    """

    sides: Mapping[str, Starting]
    available: Callable[[], int] = available_bytes
    now: Callable[[], float] = time.monotonic
    _asked: float = float("-inf")

    def check(self) -> None:
        """Raises `NotTogether`."""
        if self.now() - self._asked < _EVERY_S:
            return
        self._asked = self.now()
        held = {side: worker.processes.memory_bytes() for side, worker in self.sides.items()}
        ready = [side for side, worker in self.sides.items() if worker.is_ready]
        free = self.available()
        wanted = sum(
            max(max((held[one] for one in ready), default=0) - held[side], 0) for side in held if side not in ready
        )
        if len(held) > 1 and free < wanted + _SPARE:
            taken = ", ".join(f"{side.upper()} has {format_bytes(size)}" for side, size in sorted(held.items()))
            raise NotTogether(f"memory does not hold both sides: {taken}, {format_bytes(free)} are left")
