"""`dlprof diff` reads of both traces the columns that a comparison takes: what it finds is what all columns tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from kineto_files import launched, step, write
from places import ROOT, TRACES

from dlprof import schema
from dlprof.api import load
from dlprof.api.findings import evidence
from dlprof.store import Capture

OWN = ROOT / "traces"
DATA = ROOT / "tests" / "unit" / "ingest" / "data"
KINETO = TRACES / "kineto"
PAIRS = [
    (OWN / "lenet-tf-exact", OWN / "lenet-mxnet-exact"),
    (OWN / "matmul-tf-exact", OWN / "matmul-mxnet-exact"),
    (OWN / "cnn-jax-keras", OWN / "transformer-jax-flax"),
    (DATA / "pytorch" / "plain.pt.trace.json.gz", DATA / "lenet-tf-2.21.xplane.pb"),
    (KINETO / "h100" / "Qwen_Qwen1.5-0.5B-Chat__1016005.json.gz", DATA / "tf-2.0.0.local.trace"),
]


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda path: path.name[:20])
def test_a_comparison_needs_no_more_columns(a: Path, b: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (a.exists() and b.exists()):
        pytest.skip("../shared/traces is not here")
    with load.opened_pair(a, b, columns=evidence.COMPARED) as few:
        found = few.found
    monkeypatch.setattr("dlprof.api.results.COMPARED", tuple(schema.EVENTS.names))
    with load.opened_pair(a, b) as every:
        assert found == every.found


def test_no_other_columns_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = launched("aten::mm", [("gemm", 20, 9)], at=2, length=10)
    asked: list[tuple[str, ...] | None] = []
    events = Capture.events

    def noted(self: Capture, columns: Sequence[str] | None = None) -> pa.Table:
        asked.append(None if columns is None else tuple(columns))
        return events(self, columns)

    monkeypatch.setattr(Capture, "events", noted)
    path = write(tmp_path / "t.json", rows, step(1, 0, 40))
    with load.opened(path) as a, load.opened(path) as b:
        from dlprof.api import results

        assert results.diff(a, b).found.ledger is not None
    assert set(asked) == {evidence.COMPARED}
