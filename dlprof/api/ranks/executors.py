"""Where jobs run: any `concurrent.futures.Executor` behind one seam. Jobs whose worker died are tried again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Make = Callable[[int], Executor]
"""Makes an executor of so many workers."""

TRIES: Final = 3
"""How often a job is begun whose worker dies (killed for want of memory, say) before it counts as failed."""


class WorkerDied(Exception):
    """The worker of a job died, also when it was tried again by the executor itself; the executor goes on."""


def default_jobs() -> int:
    """As many as this process may use processors."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(workers: int) -> Executor:
    """Processes of this machine, which end when this one ends, however it does."""
    return Processes(workers)


@contextlib.contextmanager
def _no_working_folder() -> Iterator[None]:
    """What multiprocessing starts inside is `python -c`, which would look for its modules in the working folder first: a
    multiprocessing.py that somebody left beside the traces must not run."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


_SAFE_PATH: Final = "PYTHONSAFEPATH"


class _Process(SpawnProcess):
    def start(self) -> None:
        with _no_working_folder():
            super().start()


class _Spawned(SpawnContext):
    Process = _Process


class Processes(ProcessPoolExecutor):
    """Processes of this machine; fresh ones, since a forked one would inherit threads and locks.

    Each holds the reading end of a pipe whose writing end is here alone: when that is closed, by `stop` or by the system since
    this process was killed, they end.
    """

    def __init__(self, workers: int) -> None:
        ending, self._alive = multiprocessing.Pipe(duplex=False)
        with _no_working_folder():  # multiprocessing's own helper is started here
            super().__init__(workers, mp_context=_Spawned(), initializer=_end_with, initargs=(ending,))

    def stop(self) -> None:
        """End the workers at once, with what they have under way."""
        self._alive.close()


def _end_with(ending: Connection) -> None:
    """In a worker: end when the other end of the pipe is closed. Ctrl-C, which a terminal sends to all, is for the one process
    that decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            ending.recv_bytes()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def here(_: int) -> Executor:
    """This process itself, one job after the other."""
    return Here()


class Here(Executor):
    """Runs each job at once, in this process."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        """As of `Executor`."""
        future: Future[object] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  the future carries it to whoever asks for the result
            future.set_exception(error)
        return future


def run(job: Callable[[T], R], orders: Sequence[T], make: Make, workers: int) -> Generator[tuple[T, R | None]]:
    """Results in the order in which they come; None for an order whose worker died TRIES times. What a job raises is raised.

    Which of several jobs has killed its worker cannot be told: after a death they run one at a time, and who is alone is known.
    """
    left = dict.fromkeys(range(len(orders)), 0)
    while left:
        executor, under_way = make(min(workers, len(left))), set[int]()
        try:
            for at, result in _results(job, orders, list(left), executor, workers, under_way):
                del left[at]
                yield orders[at], result
        except BrokenExecutor:
            workers = 1
            for at in under_way:
                left[at] += 1
            for at in [at for at, tries in left.items() if tries >= TRIES]:
                del left[at]
                yield orders[at], None
        except BaseException:  # Ctrl-C, a full disk: what is under way is not waited for, and made again another time
            if isinstance(executor, Processes):
                executor.stop()
            raise
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _results(
    job: Callable[[T], R],
    orders: Sequence[T],
    wanted: Sequence[int],
    executor: Executor,
    workers: int,
    under_way: set[int],
) -> Iterator[tuple[int, R | None]]:
    """Results of the wanted orders. No more jobs are given out than keep the workers busy, so that one who stops waits for few.

    under_way: kept up to date with the orders that are given out
    """
    ahead = 1 if workers == 1 else 2 * workers
    waiting, futures = list(reversed(wanted)), dict[Future[R], int]()
    while waiting or futures:
        while waiting and len(futures) < ahead:
            at = waiting.pop()
            under_way.add(at)
            futures[executor.submit(job, orders[at])] = at
        for future in wait(futures, return_when=FIRST_COMPLETED).done:
            at = futures.pop(future)
            try:
                result: R | None = future.result()
            except WorkerDied:
                result = None
            under_way.discard(at)
            yield at, result
