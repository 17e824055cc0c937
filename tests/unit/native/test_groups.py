"""Sums by group and pieces of tracks by the compiled part: on any rows what NumPy finds."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof.analysis import columns
from dlprof.analysis.trace.pieces import Pieces, Range, Work
from dlprof.native import groups, library

pytestmark = pytest.mark.skipif(library.found().functions is None, reason="no C compiler when dlprof was installed")
INPUTS = 300


@pytest.fixture(autouse=True)
def compiled_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reader the tests are run with."""
    monkeypatch.setenv(library.VARIABLE, "native")


def drawn_keys(draws: np.random.Generator) -> list[np.ndarray]:
    count = int(draws.integers(1, 60))
    return [
        draws.integers(-1, int(draws.choice([1, 3, 40])), count) * int(draws.choice([1, 1, -1, 2**40, 2**61]))
        for _ in range(int(draws.integers(1, 4)))
    ]


def test_rows_are_grouped_as_by_numpy():
    compiled = 0
    for seed in range(INPUTS):
        keys = drawn_keys(np.random.default_rng(seed))
        found, expected = columns.group(keys), columns._group(keys)
        assert found.size == expected.size
        assert found.inverse.tolist() == expected.inverse.tolist()
        assert found.first.tolist() == expected.first.tolist()
        compiled += groups.group(keys) is not None
    assert INPUTS / 4 < compiled < INPUTS
    none = np.zeros(0, dtype=np.int64)
    assert columns.group([none, none]).size == 0
    ends = np.array([-(2**63), 2**63 - 1])
    assert columns.group([ends, ends[::-1]]).inverse.tolist() == [0, 1]


def test_sums_and_reaches_of_groups_are_those_of_numpy():
    for seed in range(INPUTS):
        draws = np.random.default_rng(seed)
        found = columns.group(drawn_keys(draws))
        values = draws.integers(-(2**55), 2**55, len(found.inverse))
        assert found.sum(values).tolist() == columns._exact_sums(found.inverse, values, found.size).tolist()
        ends = values + draws.integers(0, 9, len(values))
        told, expected = found.reach(values, ends), found._reach(values, ends)
        assert [one.tolist() for one in told] == [one.tolist() for one in expected]
    none = np.zeros(0, dtype=np.int64)
    assert columns.exact_sums(none, none, 2).tolist() == [0, 0]


def test_codes_outside_of_their_tables_are_refused():
    one = np.ones(3, dtype=np.int64)
    for wrong in (one, -one):
        assert groups.add_up(wrong, one, 1) is None
        assert groups.reach(wrong, one, one, 1) is None
    leaf = np.array([7]), np.array([0]), np.array([1])
    work = [np.zeros(2, dtype=np.int64)] * 5
    assert groups.pieces(leaf, work, 0, 0, 0, 1, None) is None


def drawn_batches(draws: np.random.Generator) -> list[tuple[Work, np.ndarray]]:
    """Work of a few tracks, one after another, each in order of start, longest first; cut into batches anywhere."""
    parts: list[np.ndarray] = []
    for track in range(int(draws.integers(1, 4))):
        count = int(draws.integers(0, 40))
        start = np.sort(draws.integers(0, 60, count))
        end = start + draws.integers(0, 12, count)
        rows = np.stack([np.full(count, track), start, end, draws.integers(0, 3, count), np.full(count, track % 2)])
        parts.append(rows[:, np.lexsort((-end, start))])
    rows = np.concatenate(parts, axis=1)
    cuts = np.sort(draws.integers(0, rows.shape[1] + 1, int(draws.integers(0, 4)))).tolist()
    batches = np.split(rows, cuts, axis=1)
    return [(Work(*batch[:4]), batch[4]) for batch in batches]


def told(batches: list[tuple[Work, np.ndarray]]) -> list[list[tuple[int, int, list[int], list[int], list[int]]]]:
    pieces = Pieces()
    for work, place in batches:
        pieces.take(work, place)
    pieces.finish()

    def plain(one: Range) -> tuple[int, int, list[int], list[int], list[int]]:
        return one.low, one.high, one.start.tolist(), one.end.tolist(), one.group.tolist()

    return [[plain(one) for one in pieces.ranges(place)] for place in range(2)]


def test_pieces_of_tracks_are_those_of_numpy(monkeypatch: pytest.MonkeyPatch):
    held = 0
    for seed in range(INPUTS):
        batches = drawn_batches(np.random.default_rng(seed))
        found = told(batches)
        with monkeypatch.context() as without:
            without.setattr(groups, "pieces", lambda *_: None)
            assert told(batches) == found
        held += sum(len(one[2]) for place in found for one in place)
    assert held > INPUTS


def test_pieces_out_of_order_are_left_to_numpy():
    leaves = np.array([0, 1]), np.array([5, 0]), np.array([6, 1])
    work = [np.zeros(2, dtype=np.int64), *np.array([[5, 0], [6, 1]]), *np.zeros((2, 2), dtype=np.int64)]
    assert groups.pieces(leaves, work, -1, 0, 0, 9, None) is None
    found = groups.pieces(tuple(values[:1] for values in leaves), work, -1, 0, 0, 9, [0, 1, 5, 0, 0])  # type: ignore[arg-type]
    assert found is not None
    assert found.tolist() == [[0], [1], [6], [0], [0]]
