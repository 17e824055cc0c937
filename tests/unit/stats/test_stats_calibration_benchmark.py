"""The calibration benchmark's analysis, on timings whose truth is known; and the child that injects real extra work."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
RUNNER = Path(__file__).parents[3] / "dlprof" / "runner"


def module(name, *paths):
    """A benchmark script as a module; `paths` as its own sys.path entries while it is loaded."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    sys.path[:0] = [str(p) for p in paths]
    try:
        spec.loader.exec_module(loaded)
    finally:
        del sys.path[: len(paths)]
    return loaded


rates = module("calibration_rates")


def timings(trials=24, slower=0.0, process_sd=0.3, seed=0, items=("train_block", "infer_block"), drop_b=()):
    """Timed rows as `pack` writes them: both workers of a trial share its luck, and their ratio varies by 5 %."""
    rng = np.random.default_rng(seed)
    rows = []
    for trial in range(trials):
        level = 17 + process_sd * rng.normal()
        for item in items:
            shift = {"a": 0.0, "b": np.log1p(slower) + 0.05 * rng.normal()}
            for r in range(10):
                first = int(rng.integers(2))
                for side in "ab":
                    position = first if side == "a" else 1 - first
                    for i in range(3):
                        ns = (
                            0
                            if side == "b" and trial in drop_b
                            else int(np.exp(level + shift[side] + 0.1 * rng.normal()))
                        )
                        rows.append((trial, side, item, r, position, i > 0, 5, ns))
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    return pa.table(dict(zip(rates.COLUMNS, columns, strict=True)))


def packed(path, cells, walls=()):
    tables = [t.append_column("cell", pa.array([name] * len(t))) for name, t in cells.items()]
    whole = pa.concat_tables(tables).replace_schema_metadata({"wall_s": json.dumps(dict(walls))})
    pq.write_table(whole, path)
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = packed(
        tmp_path_factory.mktemp("calibration") / "all.parquet",
        {
            "lenet": timings(60),
            "lenet +10%": timings(40, slower=0.1, items=("train_block",)),
            "few": timings(8, items=("train_block",)),
        },
        {"lenet": [18.0] * 60},
    )
    return rates.evaluate(rates.load([path]), comparisons=1000)


def test_a_null_cell_is_calibrated_item_by_item(report):
    assert set(report.nulls) == {("lenet", "train_block"), ("lenet", "infer_block")}
    found = report.nulls["lenet", "train_block"]
    assert (found.trials, found.trial_seconds) == (60, 18.0)
    assert found.sd == pytest.approx(0.055, rel=0.25)
    assert found.fixed.significant.rate == pytest.approx(0.05, abs=0.03)
    assert found.real_fixed.comparisons == 10


def test_a_slowed_cell_gives_the_achieved_effect_and_the_power(report):
    found = report.powers["lenet +10%", "train_block"]
    assert found.effect_low < 0.1 < found.effect_high
    assert found.seen[6].rate > 0.75
    assert found.seen[14].rate > found.seen[6].rate
    assert found.covered.rate > 0.85


def test_pooled_tests_take_the_luck_of_a_process_for_a_difference(report):
    one_after_another = next(
        p for p in report.pooled["lenet", "train_block"] if p.processes == 1 and p.design == "A, then B"
    )
    for method, (rate, hits, comparisons) in one_after_another.rates.items():
        assert rate > 0.5, method
        assert comparisons == 30
        assert hits > 10


def test_items_measured_together_are_judged_together(report):
    m, corrected, naive = report.families["lenet"]
    assert m == 2
    assert corrected.rate < naive.rate


def test_what_the_data_cannot_say_is_open_and_not_met(report):
    open_ones = [c.text for c in report.criteria if c.met is None]
    assert "few train_block: 8 trials, need ≥ 12" in open_ones


def test_the_text_names_every_cell_and_the_numbers_go_to_json(report):
    text = rates.text(report)
    for cell in ("lenet, train_block: 60 trials of 18.0 s", "lenet +10%, train_block: slowed by +", "2 items at once"):
        assert cell in text
    again = json.loads(json.dumps(rates.plain(report)))
    assert again["nulls"]["lenet | train_block"]["trials"] == 60


def test_trials_that_lost_a_side_are_counted_and_left_out(tmp_path):
    path = packed(tmp_path / "t.parquet", {"lenet": timings(20, items=("train_block",), drop_b=(3, 4))})
    (item,) = rates.load([path])
    assert (len(item.trials), item.lost) == (18, 2)
    assert "lost, no usable ratio: lenet, train_block: 2 trials" in rates.text(rates.evaluate([item], comparisons=200))


def test_a_comparison_directory_and_a_collection_read_the_same(tmp_path):
    table = timings(3, items=("train_block",))
    full = table.append_column("stage", pa.array(["timed"] * len(table)))
    (tmp_path / "one").mkdir()
    pq.write_table(full, tmp_path / "one" / "timings.parquet")
    folder = tmp_path / "many" / "cell"
    folder.mkdir(parents=True)
    for trial in range(3):
        pq.write_table(full.filter(pa.compute.equal(full["trial"], trial)), folder / f"trial-{trial:05d}.parquet")
        (folder / f"trial-{trial:05d}.json").write_text(json.dumps({"cell": "lenet", "wall_s": 20.0 + trial}))
    (one,) = rates.load([tmp_path / "one"])
    (many,) = rates.load([tmp_path / "many"])
    assert one.ratios.tolist() == many.ratios.tolist()
    assert (one.cell, many.cell, many.trial_s) == ("one", "lenet", 21.0)


class CountingNetwork:
    """A network that only counts the steps that it is asked for."""

    def __init__(self):
        self.steps = []

    def train(self, batches, span):
        self.steps.append(len(batches))
        return batches

    def facts(self):
        return {"parameters": 7}


@pytest.mark.parametrize(
    ("permille", "steps"), [(100, [11] * 6), (50, [10, 11, 10, 11, 10, 11]), (200, [12] * 6), (0, [10] * 6)]
)
def test_a_slowed_network_trains_its_share_of_steps_too_many(permille, steps):
    slowed = module("slowed_adapter", RUNNER)
    inner = CountingNetwork()
    network = slowed.SlowedNetwork(inner, permille)
    for _ in range(6):
        network.train(iter(range(10)), None)
    assert inner.steps == steps
    assert network.facts() == {"parameters": 7}
