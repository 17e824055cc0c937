"""Columns on their way through the temporary file: what comes back is what went in, whatever was left out of the writing."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from dlprof.ingest.batch import NO_INT, RawBatch
from dlprof.ingest.finish import spill
from dlprof.ingest.finish.spill import WHOLE, Span, Spill
from dlprof.ingest.texts import Packed, Places, one_behind_other
from dlprof.native import library

ROWS = spill._NARROWED + 5


def batch(rows: int, **columns: object) -> RawBatch:
    start = np.arange(rows, dtype=np.int64) * 1000
    return RawBatch(np.zeros(rows, np.int32), np.zeros(rows, np.int32), start, np.full(rows, 7), **columns)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "bytes_"),
    [
        (5, 5, 0),
        (NO_INT, NO_INT, 0),
        (-3, 252, 1),
        (-3, 253, 2),
        (2**62, 2**62 + 65_536, 4),
        (NO_INT, NO_INT + 2**32 - 1, 4),
        (0, 2**32, 8),
        (NO_INT, 2**63 - 1, 8),
    ],
)
def test_a_column_takes_the_bytes_that_its_values_need(low: int, high: int, bytes_: int) -> None:
    chance = np.random.default_rng(3)
    numbers = chance.integers(low, high, ROWS, endpoint=True)
    numbers[[0, -1]] = low, high
    with closing(Spill()) as kept:
        before = kept._end
        kept.add(batch(ROWS))
        bare, before = kept._end - before, kept._end
        kept.add(batch(ROWS, correlation=numbers))
        assert kept._end - before - bare == ROWS * bytes_
        pieces = kept.pick(0, WHOLE)
        read = kept.read(pieces, ("correlation", "start_ps", "duration_ps", "flops", "occurrences"))
        assert read["correlation"].tolist() == [NO_INT] * ROWS + numbers.tolist()
        assert read["duration_ps"].tolist() == [7] * 2 * ROWS
        assert read["occurrences"].tolist() == [1] * 2 * ROWS
        part = kept.pick(0, Span(1_000_500, 3_000_500))
        assert kept.read(part, ("correlation",))["correlation"][-2000:].tolist() == numbers[1001:3001].tolist()


def test_arguments_lie_behind_columns_of_any_width() -> None:
    text = b"".join(b"%05d" % row for row in range(ROWS))
    args = Packed(np.full(ROWS, 5, dtype=np.int32), memoryview(text))
    codes = (np.arange(ROWS) % 300).astype(np.int32) - 1
    value = np.where(np.arange(ROWS) % 2, np.nan, 0.5)
    level = (np.arange(ROWS) % 3 - 1).astype(np.int8)
    with closing(Spill()) as kept:
        kept.add(batch(ROWS, args=args, shape=codes, value=value, level=level))
        pieces = kept.pick(0, Span(2_000_000, 2_003_000))
        assert kept.read_args(pieces).to_pylist() == ["02000", "02001", "02002"]  # type: ignore[union-attr]
        read = kept.read(pieces, ("shape", "level", "value", "name"))
        assert read["shape"].tolist() == codes[2000:2003].tolist()
        assert read["level"].tolist() == level[2000:2003].tolist()
        assert str(read["value"].tolist()) == str(value[2000:2003].tolist())


def test_a_range_is_cut_where_no_row_is_open_only_if_that_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, size = 80, spill._SAMPLE * 10
    monkeypatch.setattr(spill, "RANGE_BYTES", 8 * size)
    rows = samples * spill._SAMPLE
    start = np.arange(rows, dtype=np.int64) * 1000
    start[40 * spill._SAMPLE :] += 100_000  # all that began before has ended there, and nowhere else
    none = np.zeros(rows, np.int32)
    args = Packed(np.full(rows, 10, dtype=np.int32), memoryview(bytes(rows * 10)))
    with closing(Spill()) as kept:
        kept.add(RawBatch(none, none, start, np.full(rows, 50_000), args=args))
        spans = kept.spans(0)
        held = [sum(behind - first for _, first, behind in kept.pick(0, span)) for span in spans]
    places = [int(np.searchsorted(start, span.low)) // spill._SAMPLE for span in spans]
    assert places == [0, 7, 15, 23, 31, 40, 47, 55, 63, 71, 79]
    assert sum(held) == rows
    assert max(held) * 10 <= 1.25 * spill.RANGE_BYTES


def test_arguments_come_back_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["{}", None, "", '{"é":1}', None, "x" * 300]
    lengths = np.array([-1 if text is None else len(text.encode()) for text in texts], dtype=np.int32)
    data = np.frombuffer("".join(text or "" for text in texts).encode(), dtype=np.uint8)
    order = np.array([5, 1, 3, 0, 2, 4])
    for missing in (False, True):
        if missing:
            monkeypatch.setattr(library, "found", lambda: library.Found(None, "not built"))
        there = one_behind_other(lengths, data)
        assert there.packed().array().to_pylist() == texts
        assert there.packed(order).array().to_pylist() == [texts[at] for at in order]


@pytest.mark.skipif(library.found().functions is None, reason="no native reader here")
@pytest.mark.parametrize(("place", "length"), [(-1, 2), (9, 2), (11, 1), (3, 8)])
def test_a_text_outside_of_its_data_is_an_error(place: int, length: int) -> None:
    texts = Places(np.array([0, place]), np.array([3, length], dtype=np.int32), np.zeros(10, dtype=np.uint8))
    with pytest.raises(IndexError, match="outside of its data"):
        texts.packed()
