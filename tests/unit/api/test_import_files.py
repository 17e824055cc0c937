"""Importing trace files: what is kept of them beside the table, on one core and on two."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from kineto_files import launched, write

from dlprof.api.import_traces import import_files
from dlprof.errors import TraceError
from dlprof.store import Capture


@pytest.fixture(params=[1, 2], ids=["one core", "two cores"])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(request.param)))
    return int(request.param)


@pytest.mark.usefixtures("cores")
def test_the_files_are_kept_as_they_are_with_their_digests(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0, length=10))
    import_files([path], tmp_path / "out", repair=False)
    capture = Capture.open(tmp_path / "out")
    assert (capture.path / "raw" / "t.json").read_bytes() == path.read_bytes()
    assert sorted(capture.manifest.files) == ["events.parquet", "raw/t.json"]
    for name, file in capture.manifest.files.items():
        data = (capture.path / name).read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.usefixtures("cores")
def test_a_file_that_cannot_be_kept_is_an_error_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0, length=10))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space left"):
        import_files([path], tmp_path / "out", repair=False)
    assert [one.name for one in tmp_path.iterdir()] == ["t.json"]


@pytest.mark.usefixtures("cores")
def test_a_trace_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"schemaVersion": 1, "traceEvents": [{"ph": "X", "ts": 1')
    with pytest.raises(TraceError):
        import_files([path], tmp_path / "out", repair=False)
    assert [one.name for one in tmp_path.iterdir()] == ["t.json"]
