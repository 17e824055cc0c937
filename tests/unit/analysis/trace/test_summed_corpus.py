"""Traces that others recorded, summed up as they are read: both readers find what the one in Python finds in the whole table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from places import TRACES

from dlprof import frameworks, ingest, keyed, schema
from dlprof.analysis.trace import breakdown
from dlprof.api.import_traces import read_summed
from dlprof.errors import TraceError
from dlprof.ingest.finish import spill
from dlprof.native import library

LARGEST = 300_000
"""Bytes of a file, as it lies there: larger ones take seconds each."""
CORPUS = sorted(
    path
    for ending in ("*.json", "*.json.gz", "*.xplane.pb")
    for path in TRACES.rglob(ending)
    if path.stat().st_size <= LARGEST
)
READERS = library.CHOICES if library.found().functions is not None else ("python",)

pytestmark = pytest.mark.skipif(not CORPUS, reason="recorded traces are not here (../shared/traces)")


def told(found: breakdown.Breakdown, events: int, anomalies: Mapping[str, int], said: Mapping[str, str]) -> list[Any]:
    """All that `dlprof show` says of a trace."""
    around = [found.outside(), found.elsewhere(), found.empty(), found.keys()]
    return [found.table().to_pylist(), around, events, dict(anomalies), dict(said)]


def whole(path: Path, keys: Collection[str]) -> dict[str, list[Any]]:
    """By each key, of the table that an import would write."""
    batches: list[pa.RecordBatch] = []
    known = frameworks.vocabularies()
    info = ingest.read([path], root=path.parent, vocabularies=known, sink=batches.append, repair=True)
    table = pa.Table.from_batches(batches, schema.EVENTS)
    return {by: told(breakdown.of(table, by), info.events, info.anomalies, info.completeness) for by in keys}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: str(path.relative_to(TRACES)))
def test_sums_are_those_of_the_whole_table(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.VARIABLE, "python")
    try:
        expected: Any = whole(path, ("op", "step"))
    except TraceError as error:
        expected = error.message
    monkeypatch.setattr(keyed, "RUN", 300)  # several runs, in a file
    monkeypatch.setattr(keyed, "IN_MEMORY", 4096)
    monkeypatch.setattr(spill, "RANGE_ROWS", 500)  # several ranges, of which rows reach into the next
    for reader in READERS:
        monkeypatch.setenv(library.VARIABLE, reader)
        if isinstance(expected, str):
            with pytest.raises(TraceError, match=r".*") as refused:
                read_summed(path, "op", "work", repair=True)
            assert refused.value.message == expected
            continue
        for by, figures in expected.items():
            manifest, found = read_summed(path, by, "work", repair=True)
            facts = manifest.trace
            assert facts is not None
            assert told(found, facts.events, facts.anomalies, facts.completeness) == figures, (reader, by)
