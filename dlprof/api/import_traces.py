"""Reads trace files into a capture directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from dlprof import frameworks, ingest
from dlprof.errors import TraceError
from dlprof.files import check_regular
from dlprof.manifest import ImportOptions, Manifest, TraceFacts
from dlprof.names import as_text
from dlprof.store import Capture, CaptureWriter
from dlprof.version import __version__


def import_files(paths: Sequence[Path], target: Path, *, repair: bool, copy: bool = True) -> Capture:
    """Read trace files into a new capture directory; with `copy` the files themselves go below its raw/."""
    from dlprof.capture.machine.provenance import command_line

    for path in paths:
        check_regular(path, TraceError)
    with CaptureWriter(target) as writer:
        if copy:
            _copy_raw(paths, writer.partial / "raw")
        facts = ingest_into(writer, paths, root=_root(paths), repair=repair)
        manifest = Manifest(
            kind="import",
            dlprof_version=__version__,
            created=now(),
            command=command_line(),
            trace=facts,
            framework=facts.producer,
            options=ImportOptions(sources=[as_text(path.name) for path in paths], repair=repair),
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
            shutil.copytree(path, raw / as_text(path.name), dirs_exist_ok=True)
        else:
            shutil.copy2(path, raw / as_text(path.name))
    for path in sorted(raw.rglob("*"), reverse=True):  # what lies in a folder before the folder itself
        if path.name != as_text(path.name):  # the manifest names each by a text
            path.rename(path.with_name(as_text(path.name)))
