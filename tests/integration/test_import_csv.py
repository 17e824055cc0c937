"""Others' tables of timings: read with our statistics, never with more certainty than their design has."""

from __future__ import annotations

import json

import pytest

PUBLISHED = """task,dim,repetition,tensorflow,mxnet
matmul,50,1,0.0206,0.0010
matmul,50,2,0.0212,0.0011
matmul,50,3,0.0209,0.0010
matmul,550,1,0.0460,0.0015
matmul,550,2,0.0455,0.0014
matmul,550,3,0.0471,0.0015
"""
"""As the study published its numbers: seconds for 50 items, a column a framework, one process."""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(PUBLISHED)
    return path


def imported(here, path, target, *more):
    return here("import", "--csv", path, "--unit", "s", "-o", target, *more)


def wide(here, path, target):
    return imported(here, path, target, "--sides", "tensorflow,mxnet", "--group", "task,dim")


def test_one_process_gives_an_estimate_and_no_verdict(here, table, tmp_path):
    done = wide(here, table, tmp_path / "made")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "made" / "comparison.json").read_text())
    assert [item["item"] for item in found["items"]] == ["matmul[dim=50]", "matmul[dim=550]"]
    for item in found["items"]:
        assert item["verdict"] == "inconclusive"
        assert item["ratio"]["low"] is None
        assert item["q"] is None
    assert found["items"][0]["ratio"]["estimate"] == pytest.approx(0.0010 / 0.0206, rel=0.05)
    assert "no interval for that noise, and no verdict" in " ".join(done.stdout.split())
    assert any("columns that were not used: repetition" in text for text in found["warnings"])


def test_a_column_of_trials_makes_an_interval_possible(here, tmp_path):
    rows = [f"{trial},{0.2 + 0.001 * trial},{0.1 + 0.0007 * (trial % 3)}" for trial in range(6)]
    path = tmp_path / "trials.csv"
    path.write_text("\n".join(["process,old,new", *rows]) + "\n")
    done = imported(here, path, tmp_path / "made", "--sides", "old,new", "--trial-column", "process")
    assert done.returncode == 0, done.stderr
    (item,) = json.loads((tmp_path / "made" / "comparison.json").read_text())["items"]
    assert item["verdict"] == "faster"
    assert item["ratio"]["trials"] == 6
    assert item["ratio"]["low"] < 0.5 < item["ratio"]["high"]
    assert "the table does not say" in " ".join(done.stdout.split())


def test_one_row_a_side_is_read_like_one_column_a_side(here, table, tmp_path):
    long = tmp_path / "published-long.csv"
    lines = ["framework;task;dim;seconds"]
    for row in PUBLISHED.splitlines()[1:]:
        task, dim, _, tensorflow, mxnet = row.split(",")
        lines += [f"tf;{task};{dim};{tensorflow}", f"mx;{task};{dim};{mxnet}", f"torch;{task};{dim};1.0"]
    long.write_text("\n".join(lines) + "\n")
    wide(here, table, tmp_path / "wide")
    done = imported(here, long, tmp_path / "long", "--sides", "tf,mx", "--group", "task,dim",
                    "--side-column", "framework", "--value-column", "seconds")  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = [json.loads((tmp_path / name / "comparison.json").read_text())["items"] for name in ("wide", "long")]
    assert [item["ratio"] for item in made[0]] == [item["ratio"] for item in made[1]]


def test_what_was_imported_is_shown_plotted_loaded_and_verified(here, table, tmp_path):
    import dlprof as library

    made = tmp_path / "made"
    wide(here, table, made)
    assert here("report", made, "-o", tmp_path / "page.html").returncode == 0
    assert "others' numbers" in (tmp_path / "page.html").read_text().replace("&#x27;", "'")
    assert here("plot", made, "--kind", "sweep", "-o", tmp_path / "sweep.svg").returncode == 0
    assert [item.item for item in library.load(made).items] == ["matmul[dim=50]", "matmul[dim=550]"]
    done = here("verify", made)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("0.0212", "", "row 3, column tensorflow: is empty"),
        ("0.0212", "n/a", "row 3, column tensorflow: holds 'n/a'"),
        ("0.0212", "-1", "row 3, column tensorflow: holds '-1'"),
        ("0.0212", "nan", "row 3, column tensorflow: holds 'nan'"),
        ("0.0212", '"0,0212"', "write decimals with a point"),
        ("0.0212,0.0011", "0.0212", "row 3: 4 cells, but 5 columns"),
        ("0.0212", "1e-12", "less than a nanosecond"),
        ("tensorflow,mxnet", "tensorflow,tensorflow", "column 'tensorflow' is there twice"),
        ("tensorflow,mxnet", "tensorflow,torch", "no column 'mxnet'"),
    ],
)
def test_a_bad_table_is_an_error_that_says_where(here, table, tmp_path, old, new, told):
    table.write_text(PUBLISHED.replace(old, new, 1))
    done = wide(here, table, tmp_path / "made")
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert not (tmp_path / "made").exists()


def test_an_item_without_one_side_is_an_error(here, tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("side,task,s\na,matmul,1\nb,matmul,2\na,relu,1\n")
    done = imported(here, path, tmp_path / "made", "--sides", "a,b", "--group", "task", "--side-column", "side",
                    "--value-column", "s")  # fmt: skip
    assert done.returncode == 1
    assert "row 4: relu has no time of b" in done.stderr


def test_the_unit_must_be_said(here, table, tmp_path):
    done = here("import", "--csv", table, "--sides", "tensorflow,mxnet", "-o", tmp_path / "made")
    assert done.returncode == 2
    assert "--unit" in done.stderr
