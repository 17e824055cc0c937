"""Trace bytes in, event table out: detects the format, reads it, finishes it (op, phase, layer, step, self, launches).

    detect(path) -> kind
    read(paths, root=…, vocabularies=…, sink=…) -> TraceInfo

A reader (one per format, `reader.Reader`, found through `dialects.registry`) streams `batch.RawBatch`es;
`finish.finisher.Finisher` spills them to a temporary file and then hands finished `schema.EVENTS` batches to the sink,
track by track, in bounded memory. Irregularities are counted by declared name (`anomalies.ANOMALIES`).
"""

from dlprof.ingest.anomalies import ANOMALIES
from dlprof.ingest.dialects.registry import detect
from dlprof.ingest.finish.finisher import Ahead
from dlprof.ingest.finish.passing import Sums
from dlprof.ingest.run import TraceInfo, read

__all__ = ["ANOMALIES", "Ahead", "Sums", "TraceInfo", "detect", "read"]
