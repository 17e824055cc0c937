"""Opens what a user names as a trace: a capture directory, or raw trace files, which are imported into a temporary one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dlprof import __version__, frameworks, ingest
from dlprof.errors import StoreError, TraceError
from dlprof.store import MANIFEST_FILE, Capture, CaptureWriter, Manifest, TraceFacts
from dlprof.study import STUDY_FILE

if TYPE_CHECKING:
    from dlprof.api.loading import CaptureResult, ComparisonResult


@contextmanager
def opened(path: Path, *, repair: bool = False) -> Iterator[Capture]:
    """The capture at `path`; for a raw trace file or folder, a temporary import that lives as long as the block."""
    if not path.exists():
        raise TraceError(f"{path}: no such file or directory", hint="give a capture directory or a trace file")
    if (path / STUDY_FILE).is_file():
        raise StoreError(
            f"{path}: a study, not one run", hint=f"name one of its cells, such as those in {path / 'cells'}"
        )
    if (path / MANIFEST_FILE).is_file():
        capture = Capture.open(path)
        if capture.manifest.kind == "compare":
            raise StoreError(
                f"{path}: a comparison, not one capture",
                hint=f"name one of its captures: {', '.join(str(path / name) for name in capture.captures())}",
            )
        yield capture
        return
    with tempfile.TemporaryDirectory(prefix="dlprof-") as folder:
        yield import_files([path], Path(folder) / "capture", repair=repair, copy=False)


@contextmanager
def opened_pair(a: Path, b: Path, *, repair: bool = False) -> Iterator[ComparisonResult]:
    """Two captures or raw traces side by side."""
    from dlprof.api import loading  # late: comparing takes SciPy, opening does not

    with opened(a, repair=repair) as left, opened(b, repair=repair) as right:
        yield loading.diff(left, right, kept=[(path / MANIFEST_FILE).is_file() for path in (a, b)])


@contextmanager
def opened_result(a: Path, b: Path | None) -> Iterator[ComparisonResult | CaptureResult]:
    """A comparison directory, two captures or traces, or one."""
    from dlprof.api import loading

    if b is not None:
        with opened_pair(a, b) as pair:
            yield pair
    elif (a / MANIFEST_FILE).is_file():
        yield loading.load_run(a)
    else:
        with opened(a) as capture:
            yield loading.CaptureResult(capture)


def import_files(paths: Sequence[Path], target: Path, *, repair: bool, copy: bool = True) -> Capture:
    """Read trace files into a new capture directory; with `copy` the files themselves go below its raw/."""
    from dlprof.capture.provenance import invocation

    with CaptureWriter(target) as writer:
        if copy:
            _copy_raw(paths, writer.partial / "raw")
        facts = ingest_into(writer, paths, root=_root(paths), repair=repair)
        manifest = Manifest(
            kind="import",
            dlprof_version=__version__,
            created=now(),
            command=invocation()["command"],
            trace=facts,
            framework=facts.producer,
            options={"sources": [path.name for path in paths], "repair": repair},
        )
        return writer.commit(manifest)


def ingest_into(writer: CaptureWriter, paths: Sequence[Path], *, root: Path, repair: bool = False) -> TraceFacts:
    """Stream the events of trace files into the writer's event table."""
    info = ingest.read(paths, root=root, vocabularies=frameworks.vocabularies(), sink=writer.sink, repair=repair)
    writer.close_events()
    return TraceFacts(
        kinds=dict(info.kinds),
        producer=info.producer,
        origin_ns=info.origin_ns,
        events=info.events,
        anomalies=dict(info.anomalies),
        completeness=dict(info.completeness),
        facts=dict(info.facts),
    )


def now() -> str:
    """The current time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _root(paths: Sequence[Path]) -> Path:
    """The folder that sources are named relative to: that of the one path, or the deepest that holds all."""
    return Path(os.path.commonpath([path.resolve().parent for path in paths]))


def _copy_raw(paths: Sequence[Path], raw: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.copytree(path, raw / path.name, dirs_exist_ok=True)
        else:
            shutil.copy2(path, raw / path.name)
