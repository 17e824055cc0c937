"""Threads beside the reader's, for work that does not need Python's lock: decompressing, files, Parquet."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar

DEPTH: Final = 1
"""Calls that may wait, besides the one that runs: few, for each holds a batch."""

TURN_S: Final = 0.0005
"""How long a thread keeps Python's lock while another waits for it, in s. A call that ran without the lock waits that long before
it goes on: with Python's own 5 ms both threads of a reading stand still for longer than most of their calls take, and the sums of
an XPlane took longer on two cores than on one (benchmarks/ingest.py commands; .05 ms gained no more)."""

_TURNS: Final = threading.Lock()
_before: Final[list[float]] = []
"""Of each reading that goes on, how long a thread kept the lock before the first of them."""

T = TypeVar("T")


@contextmanager
def short_turns() -> Iterator[None]:
    """Within it, Python's threads give its lock to one another after TURN_S: it is the program's, so that of readings at a time
    the last to end sets back what was before the first."""
    with _TURNS:
        _before.append(_before[0] if _before else sys.getswitchinterval())
        sys.setswitchinterval(min(_before[0], TURN_S))
    try:
        yield
    finally:
        with _TURNS:
            before = _before.pop()
            if not _before:
                sys.setswitchinterval(before)


class Background:
    """`with Background() as background:` calls are run in order by one thread; an error comes out of the next call. What is
    fetched ahead has a thread of its own, so that no call keeps it waiting.

    On a single core, or without `overlap`, calls are run at once.
    """

    def __init__(self, *, overlap: bool = True) -> None:
        overlap &= len(os.sched_getaffinity(0)) > 1
        self._pool = ThreadPoolExecutor(1, "dlprof-ingest") if overlap else None
        self._fetching = ThreadPoolExecutor(1, "dlprof-ahead") if overlap else None
        self._waiting: deque[Future[Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._pool is None or self._fetching is None:
            return
        if kind is None:
            self.drain()
        for pool in (self._fetching, self._pool):
            pool.shutdown(wait=True, cancel_futures=True)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Runs a function later; waits where DEPTH calls wait already."""
        if self._pool is None:
            function(*arguments)
            return
        while len(self._waiting) >= DEPTH:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(function, *arguments))

    def at_once(self, function: Callable[..., object], *arguments: object) -> None:
        """Runs a function now, behind those that wait: for what costs less than handing it over."""
        self.drain()
        function(*arguments)

    def drain(self) -> None:
        """Waits until all calls are done."""
        while self._waiting:
            self._waiting.popleft().result()

    def ahead(self, items: Iterator[T]) -> Iterator[T]:
        """The items, each one fetched while the one before it is used."""
        if self._fetching is None:
            yield from items
            return
        coming = self._fetching.submit(_next, items)
        while found := coming.result():
            coming = self._fetching.submit(_next, items)
            yield found[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
