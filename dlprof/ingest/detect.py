"""The kind of a trace file from its content, and the reader of each kind.

The JSON family is told apart by `sniff.json_kind(head)`, which knows its dialects; protobufs by their first fields.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final, cast

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.source import Source

_JSON_STARTS: Final = frozenset(b"{[,]}\xef \t\r\n")


def kind_of(source: Source) -> str:
    """The kind of a trace file, a key of `dialects.registry.READERS`.

    Raises `TraceError` for anything else, saying what it looks like.
    """
    head = source.head()
    if not head:
        raise TraceError(f"{source.label}: the file is empty", hint="record the trace again")
    if head[0] in _JSON_STARTS:
        json_kind = import_module("dlprof.ingest.json.sniff").json_kind(head)
        if json_kind is not None:
            return cast(str, json_kind)
    return import_module("dlprof.ingest.protobuf.sniff").proto_kind(head, source)  # type: ignore[no-any-return]


def detect(path: Path) -> str:
    """The kind of the trace at `path`, from its (decompressed) content."""
    return kind_of(Source(Path(path), str(path), Anomalies()))
