"""Which reader reads which kind of trace."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from dlprof.ingest.reader import Reader

READERS: Final = {
    "xplane": "dlprof.ingest.dialects.xplane:READER",
    "tf-local-trace": "dlprof.ingest.dialects.local_trace:READER",
    "mxnet-profile": "dlprof.ingest.dialects.mxnet:READER",
    "kineto": "dlprof.ingest.dialects.kineto:READER",
    "tf-trace-json": "dlprof.ingest.dialects.tf_json:READER",
    "tf1-timeline": "dlprof.ingest.dialects.tf_json:TIMELINE_READER",
    "chrome-trace": "dlprof.ingest.dialects.chrome:READER",
}
"""Kind → module:attribute, imported on use so that reading one format does not load the others."""


def reader_for(kind: str) -> Reader:
    """The reader of a kind."""
    module, attribute = READERS[kind].split(":")
    return cast(Reader, getattr(import_module(module), attribute))
