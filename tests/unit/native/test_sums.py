"""From rows to sums by the compiled part: on any rows what NumPy finds."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof import schema
from dlprof.analysis import intervals
from dlprof.analysis.trace import pieces
from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Pools, RawBatch
from dlprof.ingest.finish import passing, threads
from dlprof.ingest.finish.levels import Levels
from dlprof.ingest.finish.meaning import Meaning
from dlprof.native import library, sums
from dlprof.plugin import Operator

pytestmark = pytest.mark.skipif(library.found().functions is None, reason="no C compiler when dlprof was installed")
INPUTS = 300


@pytest.fixture(autouse=True)
def compiled_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reader the tests are run with."""
    monkeypatch.setenv(library.VARIABLE, "native")


NAMES = ["conv", "relu", "cudaLaunchKernel", "ProfilerStep#3", "dlprof step 1 of 2", "gemm"]
OPERATORS = {
    "conv": Operator("Conv"),
    "relu": Operator("Relu", level="kernel"),
    "gemm": Operator("MatMul", level="copy"),
}
LEVELS = len(schema.LEVELS)


def drawn_batch(draws: np.random.Generator) -> RawBatch:
    """Rows of any names and levels; what few rows have may be missing."""
    count = int(draws.integers(0, 50))
    name = draws.integers(0, len(NAMES), count).astype(np.int32)
    level = draws.integers(NO_TEXT, LEVELS, count).astype(np.int8)
    lookup = draws.integers(NO_TEXT, 3, count).astype(np.int32)
    if draws.random() < 0.2:
        level[:] = NO_TEXT
    zeros = np.zeros(count, dtype=np.int64)
    return RawBatch(
        zeros.astype(np.int32),
        name,
        zeros,
        zeros,
        level=None if draws.random() < 0.2 else level,
        lookup=None if draws.random() < 0.4 else lookup,
    )


def meaning() -> Meaning:
    pools = Pools()
    for name in NAMES:
        pools.text["name"][name]
    for name in ("conv", "unknown", "relu"):
        pools.text["lookup"][name]
    return Meaning(pools, OPERATORS.get)


def test_levels_of_rows_are_those_of_numpy():
    means = meaning()
    for seed in range(INPUTS):
        batch = drawn_batch(np.random.default_rng(seed))
        none = np.broadcast_to(np.int32(NO_TEXT), len(batch))
        rows = {
            "name": batch.name,
            "lookup": none if batch.lookup is None else batch.lookup,
            "level": none.astype(np.int8) if batch.level is None else batch.level,
        }
        assert means.level(rows).tolist() == means._level(rows).tolist()
        assert means.level(rows).dtype == means._level(rows).dtype


def test_the_levels_that_occur_are_those_of_numpy():
    means, marks = meaning(), np.array(["ProfilerStep" in name or "step" in name for name in NAMES])
    for seed in range(INPUTS):
        draws, compiled, plain = np.random.default_rng(seed), Levels(), Levels()
        for _ in range(int(draws.integers(1, 4))):
            batch = drawn_batch(draws)
            compiled.look(batch, marks)
            for column, codes in (("name", batch.name), ("lookup", batch.lookup)):
                plain._table(column, 0 if codes is None else int(codes.max(initial=-1)) + 1)
            plain._look(batch, marks)
        assert compiled.found(means) == plain.found(means)
        assert compiled._told.tolist() == plain._told.tolist()


def test_marked_rows_are_those_of_numpy():
    for seed in range(INPUTS):
        draws = np.random.default_rng(seed)
        marks, name = draws.random(6) < 0.3, draws.integers(0, 6, int(draws.integers(0, 40))).astype(np.int32)
        assert sums.marked(name, marks).tolist() == np.flatnonzero(marks[name]).tolist()


def test_a_code_outside_of_its_table_is_left_to_numpy():
    table, markers = np.zeros((2, LEVELS + 1), dtype=np.int8), np.zeros(2, dtype=np.bool_)
    name, level = np.array([0, 2], dtype=np.int32), np.zeros(2, dtype=np.int8)
    assert sums.levels(name, None, 0, level, table, markers, 5) is None
    assert sums.levels(name[:1], None, 0, np.array([LEVELS], dtype=np.int8), table, markers, 5) is None
    told, seen = np.zeros(LEVELS + 1, dtype=np.bool_), np.zeros((2, 2), dtype=np.bool_)
    assert not sums.note_levels(name, None, level, markers, 5, 1, told, seen, seen)
    assert not sums.note_levels(name[:1], name[1:], None, markers, 5, 1, told, seen, seen)
    assert sums.marked(name, markers) is None
    assert sums.pass_over(np.array([9], dtype=np.int8), markers, None, np.zeros(1, dtype=np.int64), None) is None
    one = np.zeros(1, dtype=np.int64)
    assert sums.shares(one, one + 1, one + 5, 2, 32) is None


def test_rows_that_are_passed_over_and_their_sums_are_those_of_numpy():
    for seed in range(INPUTS):
        draws = np.random.default_rng(seed)
        count = int(draws.integers(1, 40))
        level = draws.integers(0, LEVELS, count).astype(np.int8)
        self_ps = draws.integers(-(2**60), 2**60, count)
        times = draws.integers(1, 5, count)
        rows = {"occurrences": np.broadcast_to(np.int64(3), count) if seed % 2 else times}
        needed = draws.random(LEVELS) < 0.5
        keep = draws.random(count) < 0.2 if seed % 3 else None
        compiled, plain = (found(rows, level, self_ps, needed, keep) for found in (passing._apart, passing._in_numpy))
        for one, other in zip(compiled, plain, strict=True):
            assert one.tolist() == other.tolist()


def test_intervals_are_cut_to_windows_as_by_numpy():
    for seed in range(INPUTS):
        draws = np.random.default_rng(seed)
        low, start = (
            draws.integers(-50, 50, int(draws.integers(0, 12))),
            draws.integers(-60, 60, int(draws.integers(0, 30))),
        )
        windows = intervals.union(low, low + draws.integers(0, 20, len(low)))
        start = np.sort(start) if seed % 2 else start
        end = start + draws.integers(0, 90, len(start))
        compiled, plain = intervals.clip(start, end, windows), intervals._clip(start, end, windows)
        for one, other in zip(compiled, plain, strict=True):
            assert one.tolist() == other.tolist()


def test_shares_of_groups_are_those_of_numpy_to_the_last_bit():
    for seed in range(INPUTS):
        draws = np.random.default_rng(seed)
        count, scale = int(draws.integers(0, 40)), int(draws.choice([1, 1000, 10**12]))
        start = draws.integers(-50, 50, count) * scale
        end = start + draws.integers(1, 40, count) * scale + draws.integers(0, 2, count)
        group = draws.integers(0, 5, count)
        compiled, plain = sums.shares(start, end, group, 5, 32), pieces._shares(start, end, group, 5)
        assert compiled is not None
        for one, other in zip(compiled, plain, strict=True):
            assert one.tolist() == other.tolist()


def test_a_thread_nests_as_by_numpy_span_by_span(monkeypatch):
    for seed in range(INPUTS):
        draws = np.random.default_rng(seed)
        count = int(draws.integers(1, 60))
        start = draws.integers(0, 80, count)
        duration = draws.integers(0, int(draws.integers(1, 40)), count)
        order = np.lexsort((-duration, start))
        start, duration = start[order], duration[order]
        level = draws.choice([LEVEL["op"], LEVEL["api"]], count).astype(np.int8)
        cut = int(np.searchsorted(start, draws.integers(0, 80)))
        spans = [slice(0, cut), slice(cut, count)]
        found = {}
        for choice in library.CHOICES:
            monkeypatch.setenv(library.VARIABLE, choice)
            opened: threads.Open = {}
            found[choice] = []
            for span in spans:
                rows = {"start_ps": start[span], "duration_ps": duration[span]}
                ids = np.arange(count, dtype=np.int64)[span]
                one = threads.nest(rows, level[span], ids, opened, None)
                opened = one.open
                kept = {name: values.tolist() for name, values in opened.items()}
                found[choice].append(
                    (one.self_ps.tolist(), one.parent.tolist(), one.root.tolist(), kept, one.overlapping)
                )
        assert found["native"] == found["python"]


def test_without_the_compiled_part_nothing_is_answered(monkeypatch):
    monkeypatch.setenv(library.VARIABLE, "python")
    one, code, flag = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int32), np.zeros((2, 1), dtype=np.bool_)
    level = np.zeros((1, 1), dtype=np.int8)
    assert sums.levels(code, None, 0, level[0], level, flag[0], 0) is None
    assert not sums.note_levels(code, None, level[0], flag[0], 0, 0, flag[0], flag, flag)
    assert sums.pass_over(level[0], flag[0], None, one, None) is None
    assert sums.clip(one, one, one, one) is None
    assert sums.marked(code, flag[0]) is None
    assert sums.shares(one, one, one, 1, 32) is None
    assert NO_INT not in one
