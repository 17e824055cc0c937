"""Jobs on a Dask cluster that is there already, behind the seam of `executors`: `--scheduler tcp://HOST:PORT`.

Dask retries a job whose worker died by itself (`distributed.scheduler.allowed-failures`, three times by default). Folder and data
set are named to the workers by their paths, so that both must lie on a file system that all of them have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from dlprof.api.ranks.executors import Make, WorkerDied
from dlprof.errors import StoreError, UsageError
from dlprof.version import __version__

R = TypeVar("R")

_ADDRESS: Final = re.compile(r"(?:tcp|tls)://[^\s/]+:\d{1,5}")
_CONNECT_S: Final = 20
"""Seconds for which a scheduler is waited for."""


@contextmanager
def connected(address: str) -> Iterator[tuple[Make, int]]:
    """What makes an executor on the cluster, and how many jobs its workers do at a time. Raises `UsageError`, `StoreError`."""
    if not _ADDRESS.fullmatch(address):
        raise UsageError(
            f"--scheduler {address}: no address of a Dask scheduler",
            hint="write it like tcp://HOST:8786; SLURM, MPI and the like start such a scheduler: docs/guides/ranks.md",
        )
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--scheduler needs Dask", hint="pip install 'dlprof[dask]'") from None
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise StoreError(
            f"no Dask scheduler answers at {address}: {error}",
            hint="start one: dask scheduler, and dask worker HOST:PORT",
        ) from None
    with client:
        workers = sum(client.nthreads().values())
        if not workers:
            raise StoreError(f"the scheduler at {address} has no worker", hint=f"start one: dask worker {address}")
        _check_versions(client)
        yield lambda _: Cluster(client), workers


def _check_versions(client: Any) -> None:
    """That all workers have this dlprof: summaries of two versions do not belong into one data set."""
    try:
        found = client.run(version_here)
    except ImportError as error:
        raise StoreError(
            f"a worker cannot import dlprof: {error}", hint=f"install dlprof {__version__} where the workers run"
        ) from None
    for worker, version in found.items():
        if version != __version__:
            raise StoreError(
                f"the worker {worker} has dlprof {version}, this is {__version__}", hint="install the same on both"
            )


def version_here() -> str:
    """The version of dlprof in the process that is asked."""
    return __version__


class Cluster(Executor):
    """An executor whose jobs run on the workers of a cluster; closing it cancels what is left, and leaves the cluster alone."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._far: set[Any] = set()

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """As of `Executor`; a job whose workers died ends in `WorkerDied`."""
        near: Future[R] = Future()
        far = self._client.submit(fn, *args, pure=False, **kwargs)
        self._far.add(far)
        far.add_done_callback(lambda done: self._over(done, near))
        return near

    def _over(self, far: Any, near: Future[R]) -> None:
        """Hand over what became of a job; in a thread of Dask's."""
        from distributed import KilledWorker

        self._far.discard(far)
        if far.status == "finished":
            try:
                near.set_result(far.result())
            except Exception as error:  # noqa: BLE001  the result was lost on its way: whoever asks for it is told
                near.set_exception(error)
        elif far.status == "error":
            why = far.exception()
            near.set_exception(WorkerDied() if isinstance(why, KilledWorker) else why)
        else:
            near.set_exception(
                StoreError(
                    "the Dask scheduler went away", hint="run the same dlprof import again; what is there is kept"
                )
            )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  there is nothing to wait for
        """Cancel what is left."""
        if self._far and cancel_futures:
            self._client.cancel(list(self._far))
