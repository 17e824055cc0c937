"""Trace bytes in, event table out: detects the format, reads it, finishes it (op, phase, layer, step, self, launches).

    detect(path) -> kind
    read(paths, root=…, vocabularies=…, sink=…) -> TraceInfo

A reader (one per format, `reader.Reader`) streams `batch.RawBatch`es; `finish.Finisher` spills them to a temporary file and
then hands finished `schema.EVENTS` batches to the sink, track by track, in bounded memory. Irregularities are counted by
declared name (`anomalies.ANOMALIES`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dlprof.ingest.anomalies import ANOMALIES
from dlprof.ingest.detect import detect
from dlprof.plugin import Vocabulary

__all__ = ["ANOMALIES", "TraceInfo", "detect", "read"]


@dataclass(frozen=True, slots=True)
class TraceInfo:
    """What was read. kinds: kind of each file by source. anomalies: count by name (ANOMALIES says what each means).
    completeness: name → statement about what the trace may lack. origin_ns: Unix ns of start_ps 0, None if unknown."""

    kinds: Mapping[str, str]
    producer: str
    origin_ns: int | None
    events: int
    anomalies: Mapping[str, int]
    completeness: Mapping[str, str]
    facts: Mapping[str, object] = field(default_factory=dict)


def read(
    paths: Sequence[Path],
    *,
    root: Path,
    vocabularies: Mapping[str, Vocabulary],
    sink: Callable[[pa.RecordBatch], None],
    repair: bool = False,
) -> TraceInfo:
    """Reads trace files, or directories of them (a TensorBoard logdir, a folder of ranks), as one run.

    root: sources are stored relative to it. vocabularies: producer → raw operator names. sink: gets schema.EVENTS batches,
    ordered by track and start. Raises `TraceError` for what cannot be read; with repair keeps all before the damage.
    """
    from dlprof.ingest.run import read_run

    return read_run(paths, root=Path(root), vocabularies=vocabularies, sink=sink, repair=repair)
