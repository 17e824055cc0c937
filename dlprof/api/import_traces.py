"""Reads trace files into a capture directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from dlprof import frameworks, ingest, schema
from dlprof.errors import TraceError
from dlprof.files import check_regular
from dlprof.ingest.background import Background
from dlprof.ingest.other_files import no_file
from dlprof.manifest import ImportOptions, Manifest, TraceFacts
from dlprof.names import as_text
from dlprof.store import Capture, CaptureWriter, Unstored
from dlprof.version import __version__

if TYPE_CHECKING:
    from dlprof.analysis.trace.breakdown import Breakdown


def import_files(paths: Sequence[Path], target: Path, *, repair: bool, copy: bool = True) -> Capture:
    """Read trace files into a new capture directory; with `copy` the files themselves go below its raw/."""
    for path in paths:
        check_regular(path, TraceError)
    with CaptureWriter(target) as writer, Background() as beside:
        if copy:
            beside.call(_keep_raw, writer, paths)
        facts = ingest_into(writer, paths, root=_root(paths), repair=repair)
        beside.drain()
        return writer.commit(_manifest(paths, facts, repair=repair))


def read_unstored(path: Path, columns: Collection[str], *, repair: bool) -> Unstored:
    """Read a trace file, or a folder of them, for these columns of its events alone; nothing is written."""
    check_regular(path, TraceError)
    batches: list[pa.RecordBatch] = []
    facts = _ingested([path], batches.append, root=_root([path]), repair=repair, columns=columns)
    declared = pa.schema([field for field in schema.EVENTS if field.name in columns])
    events = pa.Table.from_batches(batches, declared)
    return Unstored(path, _manifest([path], facts, repair=repair), events)


def read_summed(
    path: Path, by: str, where: Literal["work", "host"], *, repair: bool
) -> tuple[Manifest[ImportOptions], Breakdown]:
    """Read a trace file, or a folder of them, for one breakdown of its events, which go by and are kept nowhere."""
    from dlprof.analysis.trace import breakdown  # late: an import looks at no table

    check_regular(path, TraceError)
    found: list[Breakdown] = []

    def begin(ahead: ingest.Ahead) -> Breakdown:
        found.append(breakdown.Breakdown(by, where, levels=ahead.levels, launched=ahead.launched))
        return found[0]

    def take(batch: pa.RecordBatch) -> None:
        found[0].take(pa.Table.from_batches([batch]))

    columns = {*breakdown.added_up(by), "correlation"}  # which calls may have launched something
    facts = _ingested([path], take, root=_root([path]), repair=repair, columns=columns, ahead=begin)
    return _manifest([path], facts, repair=repair), found[0]


def ingest_into(writer: CaptureWriter, paths: Sequence[Path], *, root: Path, repair: bool = False) -> TraceFacts:
    """Stream the events of trace files into the writer's event table."""
    facts = _ingested(paths, writer.sink, root=root, repair=repair)
    writer.close_events()
    return facts


def _manifest(paths: Sequence[Path], facts: TraceFacts, *, repair: bool) -> Manifest[ImportOptions]:
    from dlprof.capture.machine.command_words import command_line

    return Manifest(
        kind="import",
        dlprof_version=__version__,
        created=now(),
        command=command_line(),
        trace=facts,
        framework=facts.producer,
        options=ImportOptions(sources=[as_text(path.name) for path in paths], repair=repair),
    )


def _ingested(
    paths: Sequence[Path],
    sink: Callable[[pa.RecordBatch], None],
    *,
    root: Path,
    repair: bool,
    columns: Collection[str] | None = None,
    ahead: Callable[[ingest.Ahead], ingest.Sums | None] | None = None,
) -> TraceFacts:
    vocabularies = frameworks.vocabularies()
    info = ingest.read(
        paths, root=root, vocabularies=vocabularies, sink=sink, repair=repair, columns=columns, ahead=ahead
    )
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


def _not_read(folder: str, names: list[str]) -> list[str]:
    """What of a folder is no file and no folder that is searched for traces: pipes, links to folders or to nothing."""
    return [name for name in names if no_file(Path(folder, name)) is not None]


def _keep_raw(writer: CaptureWriter, paths: Sequence[Path]) -> None:
    """Copies the traces below raw/ and takes their digests: a seventh of an import's time, which needs no Python."""
    _copy_raw(paths, writer.partial / "raw")
    writer.seal("raw")


def _copy_raw(paths: Sequence[Path], raw: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.copytree(path, raw / as_text(path.name), dirs_exist_ok=True, ignore=_not_read)
        else:
            shutil.copy2(path, raw / as_text(path.name))
    for path in sorted(raw.rglob("*"), reverse=True):  # what lies in a folder before the folder itself
        if path.name != as_text(path.name):  # the manifest names each by a text
            path.rename(path.with_name(as_text(path.name)))
