"""Every trace format that can be read, each with the function that tells it from a file's first bytes, and its reader.

A package outside adds one by the entry-point group `dlprof.readers`: a callable without arguments that returns a
`reader.Format`. docs/formats.md, "A format of your own", shows a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Final, cast

from dlprof import plugin
from dlprof.errors import PluginFailed, TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.dialects.guarded import GuardedReader
from dlprof.ingest.json import sniff as json
from dlprof.ingest.other_files import check_no_report
from dlprof.ingest.parquet import folder as parquet
from dlprof.ingest.perfetto.packet_names import is_perfetto
from dlprof.ingest.protobuf import sniff as protobuf
from dlprof.ingest.reader import Format, Reader
from dlprof.ingest.source import Source
from dlprof.ingest.sqlite import sniff as sqlite
from dlprof.names import as_text

ENTRY_POINTS: Final = "dlprof.readers"


def _from(place: str) -> Callable[[], Reader]:
    """Imports `module:attribute` of this room on use, so that reading one format does not load the others."""
    module, attribute = place.split(":")
    return lambda: cast(Reader, getattr(import_module(f"dlprof.ingest.dialects.{module}"), attribute))


# In the order in which they are asked. What takes nearly any JSON or protobuf comes after the formats of other packages.
CERTAIN: Final = (
    Format("nsys-sqlite", sqlite.is_nsys, _from("nsys:READER")),
    Format("nsys-parquet", lambda _: False, _from("nsys:READER")),  # a folder, which no first bytes tell
    Format("rocpd", sqlite.is_rocpd, _from("rocpd:READER")),
    Format("dlprof-chrome", json.is_own, _from("own_chrome:READER")),
    Format("mxnet-profile", json.is_mxnet, _from("mxnet:READER")),
    Format("kineto", json.is_kineto, _from("kineto:READER")),
    Format("tf1-timeline", json.is_timeline, _from("tf_json:TIMELINE_READER")),
    Format("tf-trace-json", json.is_tf_json, _from("tf_json:READER")),
    Format("perfetto", is_perfetto, _from("perfetto:READER")),
)
GENERAL: Final = (
    Format("chrome-trace", json.is_chrome, _from("chrome:READER")),
    Format("xplane", protobuf.is_xplane, _from("xplane:READER")),
    Format("tf-local-trace", protobuf.is_local_trace, _from("local_trace:READER")),
)


def kind_of(source: Source) -> str:
    """The kind of a trace file, from its content. Raises `TraceError` for any other file, saying what it looks like."""
    if parquet.is_export(source.path):
        parquet.check_whole(source.path, source.label)
        return "nsys-parquet"
    head = source.head()
    if not head:
        if source.compression() != "none":
            raise TraceError(
                f"{source.label}: damaged compression: nothing of it can be read", hint="copy the file again"
            )
        raise TraceError(f"{source.label}: the file is empty", hint="record the trace again")
    if sqlite.is_database(head):
        head = source.head(sqlite.LOOKED_AT)
    parquet.check_no_table(head, source.path, source.label)
    protobuf.check_no_result(source)
    json.check_no_table(source)
    kind = told(head)
    if kind is None:
        check_no_report(source, head)
        raise protobuf.unknown(head, source)
    return kind


def told(head: bytes) -> str | None:
    """The kind that the first bytes of a file (64 KiB or so, decompressed) tell; None for no trace."""
    formats = chain(CERTAIN, _later(others), GENERAL)
    return next((known.kind for known in formats if known.sniff(head)), None)


def _later(formats: Callable[[], Iterable[Format]]) -> Iterator[Format]:
    """What `formats` gives, asked for when it is needed: other packages are loaded only for files that nobody else took."""
    yield from formats()


def detect(path: Path) -> str:
    """The kind of the trace at `path`, from its (decompressed) content."""
    return kind_of(Source(Path(path), as_text(path), Anomalies()))


def reader_for(kind: str) -> Reader:
    """The reader of a kind."""
    return next(known.reader() for known in chain(CERTAIN, GENERAL, _later(others)) if known.kind == kind)


@cache
def others() -> tuple[Format, ...]:
    """The formats of other packages. One of a kind that dlprof reads itself is passed over."""
    own = {known.kind for known in (*CERTAIN, *GENERAL)}
    return tuple(_guarded(found) for found in plugin.supplied(ENTRY_POINTS, Format) if found.kind not in own)


def _guarded(found: Format) -> Format:
    """The format with the failures of what it supplies told as the package's own."""

    def sniff(head: bytes) -> bool:
        try:
            return bool(found.sniff(head))
        except Exception as error:
            raise PluginFailed(
                f"the reader of {found.kind} failed on the first bytes of a file: {type(error).__name__}: {error}",
                hint="repair or uninstall the package that supplies it",
            ) from error

    def reader() -> Reader:
        try:
            return GuardedReader(found.kind, found.reader())
        except Exception as error:
            raise PluginFailed(
                f"the reader of {found.kind} cannot be made: {type(error).__name__}: {error}",
                hint="repair or uninstall the package that supplies it",
            ) from error

    return Format(found.kind, sniff, reader)
