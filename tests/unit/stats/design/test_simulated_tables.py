"""The tables of simulated searches and histories come from what is kept, batch by batch, and nothing is made twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import marked  # noqa: E402
import simulate_bisect  # noqa: E402
import simulate_history  # noqa: E402

TABLE = simulate_bisect.BEGIN, simulate_bisect.END


def test_a_search_that_is_kept_is_read_as_it_ended():
    for told in (
        simulate_bisect.Told(True, False, 26),
        simulate_bisect.Told(False, True, 7),
        simulate_bisect.Told(False, False, 200),
    ):
        assert simulate_bisect.Told.read(str(told)) == told


def test_searches_are_made_once_and_are_the_same_in_whatever_order(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate_bisect, "FILE", tmp_path / "kept.jsonl")
    monkeypatch.setattr(simulate_bisect, "BATCH", 2)
    name = "35 times and +3 %, 3 releases, SD .02"
    simulate_bisect.collect(4, 7, [name])
    before = (tmp_path / "kept.jsonl").read_text()
    simulate_bisect.collect(4, 7, [name])
    assert (tmp_path / "kept.jsonl").read_text() == before
    (told,) = simulate_bisect.found()[name].values()
    at = [world.name for world in simulate_bisect.WORLDS].index(name)
    again = [
        simulate_bisect.search(simulate_bisect.WORLDS[at], np.random.default_rng((7, at, one))) for one in range(4)
    ]
    assert told == again
    (row,) = simulate_bisect.rows()
    assert row[:3] == (name, "7", "4")


def test_the_documents_table_of_searches_is_that_of_what_is_kept():
    document = (BENCHMARKS.parent / "docs" / "bisect.md").read_text(encoding="utf-8")
    shown = document.partition(TABLE[0])[2].partition(TABLE[1])[0].strip()
    assert shown == marked.percents(simulate_bisect.table())
    wrong = {
        (name, seed): sum(one.wrong for one in told) / len(told)
        for name, seeds in simulate_bisect.found().items()
        for seed, told in seeds.items()
    }
    assert {seed for _, seed in wrong} == {1, 2}
    assert max(wrong.values()) <= 0.05, "as the document says, in each world"


def test_a_history_that_is_kept_replaces_its_row_and_leaves_the_others(tmp_path, monkeypatch):
    file, document = tmp_path / "kept.jsonl", tmp_path / "history.md"
    monkeypatch.setattr(simulate_history, "FILE", file)
    first, second = (world.name for world in simulate_history.WORLDS[-2:])
    told = [[0, 0, 6, 0], [1, 0, 8, 2], [0, 0, -1, 0], [0, 1, 7, 0]]
    file.write_text(json.dumps({"world": second, "seed": 1, "first": 0, "told": told}) + "\n")
    row = f"| {first} | 1 | 2 | 3 | 4 | 5 |"
    document.write_text(
        f"{simulate_history.BEGIN}\n\n| world | rest |\n| --- | --- |\n{row}\n\n{simulate_history.END}\n"
    )
    simulate_history.put(document, simulate_history.table(1))
    lines = document.read_text().splitlines()[2:-2]
    assert lines[2] == row
    assert lines[3].startswith(
        f"| {second} | 25.0 % [0.6 %, 80.6 %] | 25.0 % [0.6 %, 80.6 %] | 75.0 % | 7 (90 %: 8) | 67 % |"
    )
    assert len(lines) == 4


@pytest.mark.parametrize(("change", "ever"), [(0.0, False), (0.5, False)])
def test_a_history_with_a_large_change_is_told_soon_and_one_without_is_not(monkeypatch, change, ever):
    monkeypatch.setattr(simulate_history, "REVISIONS", 30)
    world = simulate_history.World("small", simulate_history.normal(0.02), change, 20)
    told = simulate_history.history(world, np.random.default_rng(3))
    assert told.ever is ever
    assert (told.after >= 0) is bool(change)
    assert told.off == 0
    assert told.after <= 8
