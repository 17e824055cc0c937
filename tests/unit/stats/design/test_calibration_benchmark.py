"""The calibration benchmark's analysis, on timings whose truth is known; and the child that injects real extra work."""

import importlib.util
import json
import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from places import ROOT, RUNNER

from dlprof import stats

BENCHMARKS = ROOT / "benchmarks"


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


module("calibration_others")
marked = module("marked")
rates = module("calibration_rates")
table = module("calibration_table")


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


def packed(path, cells, facts=()):
    tables = [t.append_column("cell", pa.array([name] * len(t))) for name, t in cells.items()]
    whole = pa.concat_tables(tables).replace_schema_metadata({"trials": json.dumps(dict(facts))})
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
        {"lenet": {n: {"wall_s": 18.0, "busy": 0.5 * (n % 2), "steal": 0.0, "load": 1.0} for n in range(60)}},
    )
    return rates.evaluate(rates.load([path]), comparisons=400)


def test_a_null_cell_is_calibrated_item_by_item_and_its_quiet_and_loaded_trials_apart(report):
    strata = [("lenet", item, s) for item in ("train_block", "infer_block") for s in ("all", "quiet", "loaded")]
    assert set(report.nulls) == set(strata)
    found = report.nulls["lenet", "train_block", "all"].found
    assert (found.trials, found.trial_seconds) == (60, 18.0)
    assert found.sd == pytest.approx(0.055, rel=0.25)
    assert found.fixed.significant.rate == pytest.approx(0.015, abs=0.013)  # less than .05, by the allowance
    assert found.real_fixed.comparisons == 10
    quiet, loaded = (report.nulls["lenet", "train_block", s] for s in ("quiet", "loaded"))
    assert (quiet.found.trials, quiet.busy, loaded.found.trials, loaded.busy) == (30, 0.0, 30, 0.5)
    assert report.trials["lenet"] == {"all": 60, "quiet": 30, "loaded": 30}


def test_a_difference_added_to_equal_sides_is_found_as_planned(report):
    found = report.nulls["lenet", "train_block", "all"]
    assert found.scaled[6].rate == pytest.approx(stats.power(6, found.found.sd, 0.10), abs=0.1)
    assert found.scaled[14].rate == pytest.approx(stats.power(14, found.found.sd, 0.05), abs=0.1)


def test_a_slowed_cell_gives_the_achieved_effect_and_the_power(report):
    found = report.powers["lenet +10%", "train_block", "all"]
    assert found.effect_low < 0.1 < found.effect_high
    assert found.seen[6].rate > 0.55
    assert found.seen[14].rate > found.seen[6].rate
    assert found.covered.rate > 0.85


def test_pooled_tests_take_the_luck_of_a_process_for_a_difference(report):
    one_after_another = next(
        p for p in report.pooled["lenet", "train_block", "all"] if p.processes == 1 and p.design == "A, then B"
    )
    for method, (rate, hits, comparisons) in one_after_another.rates.items():
        assert rate > 0.5, method
        assert comparisons == 30
        assert hits > 10


def test_items_measured_together_are_judged_together(report):
    m, corrected, naive = report.families["lenet", "all"]
    assert m == 2
    assert corrected.rate < naive.rate


def test_what_the_data_cannot_say_is_open_and_not_met(report):
    open_ones = [c.text for c in report.criteria if c.met is None]
    assert "few, train_block: 8 trials, need ≥ 12" in open_ones


def test_the_table_names_every_cell_and_the_numbers_go_to_json(report):
    shown = table.text(report)
    for row in ("| lenet | 60 | 30 | 30 |", "| lenet | train_block | 30 loaded | 50.0% |",
                "| lenet +10% | train_block | 40 | – | +", "- open: few, train_block: 8 trials, need ≥ 12"):  # fmt: skip
        assert row in shown
    again = json.loads(json.dumps(rates.plain(report)))
    assert again["nulls"]["lenet | train_block | all"]["found"]["trials"] == 60


def test_the_table_goes_between_the_markers_and_nowhere_else(report, tmp_path):
    document = tmp_path / "doc.md"
    document.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.into(document, report)
    found = document.read_text()
    assert found.startswith(f"before\n{table.BEGIN}\n")
    assert found.endswith(f"{table.END}\nafter\n")
    assert "old" not in found
    document.write_text("no markers")
    with pytest.raises(ValueError, match="has no"):
        table.into(document, report)


def test_percentages_of_the_tables_in_documents_have_the_form_of_reports(tmp_path):
    document = tmp_path / "doc.md"
    document.write_text("by 5%: <!-- a --> old <!-- b -->")
    marked.put(document, "<!-- a -->", "<!-- b -->", "| +10% | 98.3% [97.8%, 98.6%] | `--gate 5%` |")
    assert document.read_text() == (
        "by 5%: <!-- a -->\n\n| +10 % | 98.3 % [97.8 %, 98.6 %] | `--gate 5%` |\n\n<!-- b -->"
    )
    for page in (ROOT / "docs").glob("*.md"):
        for name, text in re.findall(r"<!-- ([\w ]+): begin -->(.*?)<!-- \1: end -->", page.read_text(), re.DOTALL):
            assert text == marked.percents(text), f"{page.name}: {name}"


def test_trials_that_lost_a_side_are_counted_and_left_out(tmp_path):
    path = packed(tmp_path / "t.parquet", {"lenet": timings(20, items=("train_block",), drop_b=(3, 4))})
    (item,) = rates.load([path])
    assert (len(item.trials), item.lost) == (18, 2)
    assert "lost, no usable ratio: lenet, train_block: 2 trials" in table.text(rates.evaluate([item], comparisons=200))


def test_a_comparison_directory_and_a_collection_read_the_same(tmp_path):
    rows = timings(3, items=("train_block",))
    full = rows.append_column("stage", pa.array(["timed"] * len(rows)))
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


@pytest.mark.parametrize(("permille", "calls"), [(100, 66), (50, 63), (0, 60)])
def test_a_slowed_call_is_made_twice_in_its_share(permille, calls):
    made = []
    call = module("slowed_adapter", RUNNER).repeating(lambda *values: made.append(values), permille)
    for number in range(60):
        call(number, "b")
    assert len(made) == calls
    assert len(set(made)) == 60


def test_what_a_replicate_is_shows_in_how_often_identical_sides_are_called_different(tmp_path):
    units = module("units", BENCHMARKS)
    file = packed(tmp_path / "packed.parquet", {units.CELLS[0]: timings(trials=40)})
    (item,) = (one for one in rates.load([file]) if one.item == units.ITEM)
    found = units.column(file, item)
    share = {name: float(text.split("%")[0]) for name, text in found.items() if name.startswith("false")}
    iterations, of_rounds, trials = share.values()
    assert iterations > 15, "both sides of a trial differ by the luck of their processes"
    assert of_rounds > 15
    assert 3 < trials < 7
    assert abs(float(found["SD between processes, of the median log time"]) - 0.3) < 0.1
    assert abs(float(found["SD between trials, of the lockstep ratio"]) - 0.05) < 0.02
