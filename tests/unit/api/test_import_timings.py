"""Others' timings as a comparison directory, which verify computes anew and finds changed where it was changed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dlprof.api import verify
from dlprof.api.import_timings import FOREIGN, ONE_PROCESS, import_timings
from dlprof.errors import StoreError, TraceError
from dlprof.ingest.timings_csv import Layout

BY_TRIAL = Layout(sides=("old", "new"), unit="ms", groups=("size",), trial_column="run")


def table(folder: Path, trials: int, factor: float, runs: bool = True) -> Path:
    """`new` takes `factor` times as long as `old`; ms, a little different in each trial."""
    rows = ["size,run,old,new"] if runs else ["size,old,new"]
    for trial in range(trials):
        old = 10 + 0.1 * (trial % 3)
        new = old * factor * (1 + 0.002 * (trial % 2))
        rows.append(f"50,{trial},{old:.4f},{new:.4f}" if runs else f"50,{old:.4f},{new:.4f}")
    file = folder / "theirs.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


def test_a_side_that_always_takes_twice_as_long_is_slower_with_the_ratio_and_its_interval(tmp_path: Path) -> None:
    found = import_timings(table(tmp_path, trials=8, factor=2.0), tmp_path / "out", BY_TRIAL)
    (item,) = found.items
    assert (item.verdict, item.ratio.trials) == ("slower", 8)
    assert item.ratio.low < item.ratio.estimate < item.ratio.high
    assert item.ratio.estimate == pytest.approx(2.002, abs=0.001)
    assert item.a_median_ns == pytest.approx(10_100_000, rel=1e-3)


def test_repetitions_of_one_process_get_an_estimate_and_no_verdict(tmp_path: Path) -> None:
    layout = Layout(sides=("old", "new"), unit="ms", groups=("size",), trial_column=None)
    found = import_timings(table(tmp_path, trials=8, factor=2.0, runs=False), tmp_path / "out", layout)
    (item,) = found.items
    assert item.verdict == "inconclusive"
    assert item.ratio.estimate == pytest.approx(2.0, abs=0.01)
    assert ONE_PROCESS in found.warnings


def test_too_few_trials_are_said_and_decide_nothing(tmp_path: Path) -> None:
    found = import_timings(table(tmp_path, trials=4, factor=2.0), tmp_path / "out", BY_TRIAL)
    assert found.items[0].verdict == "inconclusive"
    assert any("4 trials at most: a verdict needs 6" in warning for warning in found.warnings)


def test_every_import_says_that_dlprof_did_not_measure_it_and_keeps_the_table(tmp_path: Path) -> None:
    file = table(tmp_path, trials=8, factor=1.0)
    found = import_timings(file, tmp_path / "out", BY_TRIAL)
    assert f"theirs.csv: {FOREIGN}" in found.warnings
    assert (tmp_path / "out" / "raw" / "theirs.csv").read_bytes() == file.read_bytes()


def test_a_unit_in_which_nothing_would_be_left_is_questioned(tmp_path: Path) -> None:
    file = table(tmp_path, trials=8, factor=1.0)
    file.write_text(file.read_text().replace("10.0000", "0.0000001"))
    with pytest.raises(TraceError, match="less than a nanosecond") as error:
        import_timings(file, tmp_path / "out", BY_TRIAL)
    assert error.value.hint == "is --unit right?"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match="exists already"):
        import_timings(table(tmp_path, trials=8, factor=1.0), tmp_path / "out", BY_TRIAL)


def test_what_was_imported_agrees_with_its_tables(tmp_path: Path) -> None:
    import_timings(table(tmp_path, trials=8, factor=2.0), tmp_path / "out", BY_TRIAL)
    checks = list(verify.verify(tmp_path / "out"))
    assert verify.outcome(checks) == "agrees", checks


def test_a_verdict_that_was_changed_by_hand_differs(tmp_path: Path) -> None:
    import_timings(table(tmp_path, trials=8, factor=2.0), tmp_path / "out", BY_TRIAL)
    file = tmp_path / "out" / "comparison.json"
    stated = json.loads(file.read_text())
    stated["items"][0]["verdict"] = "faster"
    file.write_text(json.dumps(stated))
    checks = list(verify.verify(tmp_path / "out"))
    assert verify.outcome(checks) == "differs"
    assert any("verdict" in check.detail for check in checks if check.outcome == "differs")


def test_timings_that_were_changed_by_hand_differ_from_digest_and_result(tmp_path: Path) -> None:
    import_timings(table(tmp_path, trials=8, factor=2.0), tmp_path / "out", BY_TRIAL)
    file = tmp_path / "out" / "timings.parquet"
    timings = pq.read_table(file)
    at = timings.schema.get_field_index("wall_ns")
    pq.write_table(timings.set_column(at, timings.schema.field(at), pc.multiply(timings["wall_ns"], 3)), file)
    checks = list(verify.verify(tmp_path / "out"))
    assert verify.outcome(checks) == "differs"
    assert any("timings.parquet" in check.where for check in checks if check.outcome == "differs")
