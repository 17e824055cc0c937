"""Many small threads or streams are finished together, with the same result as one by one."""

import json
from pathlib import Path

import pytest

from dlprof import ingest
from dlprof.frameworks import vocabularies
from dlprof.ingest.finish import finisher
from dlprof.ingest.finish.meaning import Meaning


def events(place, count):
    rows = []
    for i in range(count):
        base = {"ph": "X", "pid": 1, "ts": 1000, "tid": i}
        if place == "thread":
            rows.append(base | {"name": "aten::linear", "cat": "cpu_op", "dur": 10, "args": {"External id": 2 * i + 1}})
            rows.append(base | {"name": "aten::addmm", "cat": "cpu_op", "ts": 1002, "dur": 4})
        else:
            rows += [base | {"name": "k", "cat": "kernel", "dur": 10, "args": {"device": 0, "stream": i}}] * 2
    return rows


def read(path):
    rows = []
    info = ingest.read(
        [Path(path)], root=path.parent, vocabularies=vocabularies(), sink=lambda batch: rows.extend(batch.to_pylist())
    )
    return rows, dict(info.anomalies)


@pytest.mark.parametrize("place", ["thread", "stream"])
def test_tracks_are_finished_together_as_they_are_one_by_one(tmp_path, monkeypatch, place):
    file = tmp_path / "t.json"
    file.write_text(json.dumps({"schemaVersion": 1, "traceEvents": events(place, 300)}))
    calls = []
    of = Meaning.of
    monkeypatch.setattr(Meaning, "of", lambda self, rows, level=None: calls.append(len(rows)) or of(self, rows, level))
    together = read(file)
    assert len(calls) <= 3
    monkeypatch.setattr(finisher, "groups", lambda tracks, spill: ([code] for code, _ in tracks))
    alone = read(file)
    assert len(calls) >= 300
    assert together == alone
    assert len({row["track"] for row in together[0]}) == 300
