"""`dlprof verify` computes a result anew from its tables: an untouched one agrees, any change is found and named."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]


@pytest.fixture
def copy(comparison, tmp_path):
    """A copy of the comparison at another place."""
    return shutil.copytree(comparison.path, tmp_path / "copy")


def test_an_untouched_comparison_agrees_wherever_it_lies(here, copy):
    done = here("verify", copy, "--format", "json")
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    assert told["outcome"] == "agrees"
    assert {check["where"] for check in told["checks"]} >= {"comparison.json", "a-exact-1/manifest.json"}


def test_without_the_raw_files_the_findings_are_verified_and_the_gap_is_said(here, copy):
    for raw in copy.glob("*/raw"):
        shutil.rmtree(raw)
    done = here("verify", copy)
    assert done.returncode == 0, done.stdout
    assert "raw files and 0 logs are not here" in done.stdout


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda stated: stated["ratio"].update(estimate=stated["ratio"]["estimate"] * 1.001), "ratio.estimate"),
        (lambda stated: stated["items"][0].update(verdict="faster"), "items[0].verdict"),
        (lambda stated: stated["rows"][0].update(a_ns=1.0), "rows[0].a_ns"),
        (lambda stated: stated["ledger"]["lines"][0].update(delta_ns=1), "ledger.lines[0].delta_ns"),
        (lambda stated: stated["facts"]["tax"]["a"].update(statement="free"), "facts.tax.a.statement"),
        (lambda stated: stated["warnings"].append("no worry"), "warnings"),
    ],
)
def test_a_changed_statement_is_found_and_named(here, copy, change, named):
    file = copy / "comparison.json"
    stated = json.loads(file.read_text())
    change(stated)
    file.write_text(json.dumps(stated))
    done = here("verify", copy)
    assert done.returncode == 1
    assert named in done.stdout


def test_changed_timings_change_what_is_stated(here, copy):
    file = copy / "timings.parquet"
    table = pq.read_table(file)
    slower = [wall * (2 if side == "b" else 1) for wall, side in zip(table["wall_ns"].to_pylist(),
                                                                     table["side"].to_pylist(), strict=True)]  # fmt: skip
    at = table.schema.get_field_index("wall_ns")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(slower, pa.int64())), file)
    done = here("verify", copy)
    assert done.returncode == 1
    assert "timings.parquet: sha256" in done.stdout
    assert "ratio.estimate: stated" in done.stdout


def test_a_raw_file_that_was_touched_is_found(here, copy):
    raw = next(file for file in (copy / "b-exact-1" / "raw").rglob("*") if file.is_file())
    raw.write_bytes(raw.read_bytes() + b" ")
    done = here("verify", copy)
    assert done.returncode == 1
    assert f"b-exact-1/raw/{raw.name}: sha256" in done.stdout


def test_a_missing_event_table_is_a_difference_not_a_crash(here, copy):
    (copy / "a-exact-1" / "events.parquet").unlink()
    done = here("verify", copy)
    assert done.returncode == 1
    assert "a-exact-1/events.parquet" in done.stdout
    assert "cannot be computed anew" in done.stdout


def test_a_folder_that_is_no_result_is_refused(here, tmp_path):
    done = here("verify", tmp_path)
    assert done.returncode == 1
    assert "not a capture directory" in done.stderr
