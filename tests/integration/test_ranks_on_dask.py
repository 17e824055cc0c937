"""A folder of ranks read on a real Dask cluster of worker processes: what comes out is what processes of this machine make."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rank_traces import job

from dlprof.api.ranks.build import Built, build
from dlprof.api.ranks.cluster import connected
from dlprof.api.ranks.executors import run
from dlprof.api.ranks.read import analyse
from dlprof.cli.main import main
from dlprof.errors import StoreError, UsageError
from dlprof.report import json as report_json
from dlprof.store.rank_set import TABLES

distributed = pytest.importorskip("distributed", reason="the extra dlprof[dask]")

pytestmark = pytest.mark.timeout(300)


TWO_WORKERS = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}


@contextlib.contextmanager
def two_workers() -> Iterator[Any]:
    """A cluster. What Dask sets for its workers (OMP_NUM_THREADS and others) it sets in this process too, and leaves there, where
    the tests that follow would inherit it."""
    before = set(os.environ)
    try:
        with distributed.LocalCluster(**TWO_WORKERS) as made:
            yield made
    finally:
        for name in set(os.environ) - before - {"PYTEST_CURRENT_TEST"}:
            del os.environ[name]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_workers() as made:
        yield made


@pytest.fixture
def own_cluster() -> Iterator[Any]:
    """One whose workers may be killed."""
    with two_workers() as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ranks")
    return job(place / "job", lambda rank, step: 37.0 * ((rank * 5 + step * 3) % 7) + 90.0 * (rank == 4), ranks=6)


def on_cluster(folder: Path, target: Path, address: str) -> Built:
    with connected(address) as (make, workers):
        return build(folder, target, make=make, jobs=workers)


def same(one: Path, other: Path) -> None:
    """All summaries, events and findings, to the last digit."""
    for name in TABLES:
        files = [path / "_dlprof" / f"{name}.parquet" for path in (one, other)]
        assert pq.read_table(files[0]).equals(pq.read_table(files[1])), name
    parts = sorted(path.relative_to(one) for path in one.glob("run=*/rank=*/part.parquet"))
    assert parts
    for part in parts:
        assert pq.read_table(one / part).equals(pq.read_table(other / part)), part
    assert report_json.ranks(analyse(one)) == report_json.ranks(analyse(other))
    index = [json.loads((path / "_dlprof" / "dataset.json").read_bytes()) for path in (one, other)]
    first, second = ({**value, "created": "", "command": []} for value in index)
    assert first == second


def test_a_cluster_makes_the_same_to_the_last_digit(cluster: Any, folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "processes", jobs=2)
    on_cluster(folder, tmp_path / "dask", cluster.scheduler_address)
    same(tmp_path / "processes", tmp_path / "dask")


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_the_result_is_the_same(own_cluster: Any, folder: Path, tmp_path: Path) -> None:
    big = Path(shutil.copytree(folder, tmp_path / "job"))
    plain = json.loads((big / "rank3.json").read_bytes())
    plain["traceEvents"] *= 1_500  # a second or more of reading
    (big / "rank3.json").write_text(json.dumps(plain))
    before = {worker.pid for worker in own_cluster.workers.values()}
    thread = threading.Thread(target=on_cluster, args=(big, tmp_path / "dask", own_cluster.scheduler_address))
    thread.start()
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "dask").glob("run=*/.file-of-rank-3*")) and time.monotonic() < deadline:
            time.sleep(0.005)
        with distributed.Client(own_cluster.scheduler_address, set_as_default=False) as client:
            # which worker is at it: the one that still has a job when the others are done with theirs
            busy = [name for name, keys in client.processing().items() if keys]
        pids = {str(worker.worker_address): worker.pid for worker in own_cluster.workers.values()}
        killed = [pids[name] for name in busy if name in pids]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
    finally:
        thread.join(timeout=240)
    assert killed, "a worker was killed while it had a job"
    assert not thread.is_alive()
    build(big, tmp_path / "processes", jobs=2)
    same(tmp_path / "processes", tmp_path / "dask")
    assert {worker.pid for worker in own_cluster.workers.values()} != before
    assert not [path for path in (tmp_path / "dask").rglob("*") if path.name.startswith(".")]


def die(_: object) -> None:
    os._exit(1)


@pytest.mark.slow
def test_a_job_that_always_kills_its_worker_is_given_up(own_cluster: Any) -> None:
    with connected(own_cluster.scheduler_address) as (make, workers):
        assert [result for _, result in run(die, [1], make, workers)] == [None]


def test_the_command_reads_on_the_cluster(
    cluster: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.parent)
    words = ["import", "job", "-o", str(tmp_path / "dask"), "--scheduler", cluster.scheduler_address]
    assert main(words) == 0
    assert "6 ranks of 1 run" in capsys.readouterr().err
    assert [one.rank for one in analyse(tmp_path / "dask").stragglers] == [4]


@pytest.mark.parametrize("address", ["slurm", "http://x:1", "tcp://nowhere", ""])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(UsageError, match="no address of a Dask scheduler"), connected(address):
        pass


def test_a_scheduler_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlprof.api.ranks.cluster._CONNECT_S", 1)
    with (
        pytest.raises(StoreError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        connected("tcp://127.0.0.1:9"),
    ):
        pass


def test_a_cluster_without_workers_is_said() -> None:
    options = {"n_workers": 0, "processes": False, "protocol": "tcp", "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options) as empty,
        pytest.raises(StoreError, match="has no worker"),
        connected(empty.scheduler_address),
    ):
        pass
