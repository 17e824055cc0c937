"""The verbs on one small trace: what a user types, what comes out, and what the exit code says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from places import ROOT

from dlprof.cli.main import main


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Two operators of PyTorch, of which the vocabulary knows one."""
    events = [
        {
            "ph": "X",
            "cat": "cpu_op",
            "name": name,
            "pid": 1,
            "tid": 1,
            "ts": ts,
            "dur": dur,
            "args": {"External id": ts},
        }
        for name, ts, dur in (("aten::relu", 10, 6), ("mylib::gated", 20, 2))
    ]
    file = tmp_path / "trace.json"
    file.write_text(json.dumps({"schemaVersion": 1, "deviceProperties": [], "traceEvents": events}))
    return file


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def test_show_says_each_operators_time_and_what_it_did_not_know(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "show", trace)
    assert (code, err) == (0, "")
    assert "Relu" in out
    assert "1 of the operators is not in the vocabulary" in out
    assert "unknown_operator × 1" in out


def test_show_says_each_thing_of_several_files_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.json", "b.json"):
        event = {"ph": "X", "cat": "cpu_op", "name": f"aten::{name}", "pid": 1, "tid": 1, "ts": 5, "dur": 2}
        (tmp_path / name).write_text(json.dumps({"schemaVersion": 1, "traceEvents": [event]}))
    _, out, _ = run(capsys, "show", tmp_path)
    assert " ".join(out.split()).count("tells neither host nor rank") == 1
    where = tmp_path.name
    assert f"Completeness unknown: {where}/a.json, {where}/b.json: the file tells" in " ".join(out.split())


def test_a_plain_chrome_traces_spans_are_not_called_operators(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plain.json"
    path.write_text(json.dumps([{"ph": "X", "name": "Conv", "cat": "x", "pid": 1, "tid": 1, "ts": 0, "dur": 7}]))
    _, out, _ = run(capsys, "show", path)
    assert "None of these is read as an operator" in " ".join(out.split())
    assert "of the operators" not in out
    assert "that dlprof knows" not in out, "Conv is a name that it knows"


def test_a_gap_of_whole_traces_is_said_to_be_of_wall_time_beside_a_verdict_of_busy_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, times in (("a.json", (0, 30)), ("b.json", (0, 90))):
        base = {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "dur": 5}
        events = [base | {"ts": ts, "args": {"External id": number}} for number, ts in enumerate(times)]
        (tmp_path / name).write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    _, out, _ = run(capsys, "diff", tmp_path / "a.json", tmp_path / "b.json")
    assert "B's whole trace is 60 µs longer than A's by wall time, idle time included" in " ".join(out.split())


def test_show_as_csv_is_a_table_of_nanoseconds(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", trace, "--by", "name", "--format", "csv")
    rows = {row["name"]: row for row in csv.DictReader(out.splitlines())}
    assert code == 0
    assert {name: float(row["total_ns"]) for name, row in rows.items()} == {
        "aten::relu": 6000.0,
        "mylib::gated": 2000.0,
    }
    assert float(rows["aten::relu"]["share"]) == 0.75


def test_show_as_json_names_the_columns_that_its_rows_are_grouped_by(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "show", trace, "--format", "json")
    assert (code, json.loads(out)["keys"]) == (0, ["op", "phase"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--by", "nonsense"), "invalid choice: 'nonsense'"),
        (("--rows", "0"), "--rows"),
        (("--rows", "x"), "not a whole number"),
    ],
)
def test_show_refuses_what_cannot_be_with_exit_code_2(
    words: tuple[str, ...], told: str, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["show", str(trace), *words])
    except SystemExit as end:
        code = int(str(end.code))
    error, hint = capsys.readouterr().err.splitlines()
    assert code == 2
    assert told in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize("verb", ["show", "diff", "verify"])
def test_a_file_that_is_not_there_is_an_error_and_exit_code_1(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent.json"
    code, out, err = run(capsys, verb, absent, *([absent] if verb == "diff" else []))
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {absent}: ")


def test_diff_of_a_trace_with_itself_finds_no_difference_and_gives_no_verdict(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "diff", trace, trace, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert {row["delta_ns"] for row in found["rows"]} == {0}
    assert not any(item["verdict"] in ("faster", "slower") for item in found["items"])


def test_an_imported_trace_is_shown_and_verified_like_a_capture(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trace.with_name("capture")
    code, out, _ = run(capsys, "import", trace, "-o", folder)
    assert (code, out.splitlines()[-1]) == (0, str(folder))
    assert run(capsys, "verify", folder)[0] == 0
    _, out, _ = run(capsys, "show", folder, "--format", "csv")
    assert {row["op"] for row in csv.DictReader(out.splitlines())} == {"Relu", "mylib::gated"}


def test_an_import_over_a_folder_that_is_there_is_refused(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trace.with_name("capture")
    folder.mkdir()
    code, _, err = run(capsys, "import", trace, "-o", folder)
    assert code == 1
    assert "exists already" in err


def test_verify_finds_a_table_that_was_changed(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trace.with_name("capture")
    run(capsys, "import", trace, "-o", folder)
    events = folder / "events.parquet"
    pq.write_table(pq.read_table(events).slice(0, 1), events)
    code, out, err = run(capsys, "verify", folder)
    assert code != 0
    assert "differ" in out + err


@pytest.mark.parametrize("to", ["chrome", "parquet", "csv", "json"])
def test_export_writes_the_file_and_says_where(to: str, trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = trace.with_name(f"made.{to}")
    code, out, _ = run(capsys, "export", trace, "--to", to, "-o", target)
    assert (code, out) == (0, f"{target}\n")
    assert target.stat().st_size > 0


def test_an_exported_chrome_trace_can_be_shown_again(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = trace.with_name("made.json")
    run(capsys, "export", trace, "--to", "chrome", "-o", target)
    code, out, _ = run(capsys, "show", target, "--by", "name")
    assert code == 0
    assert "aten::relu" in out


def test_export_does_not_replace_the_trace_that_it_reads(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = trace.read_bytes()
    code, _, err = run(capsys, "export", trace, "--to", "chrome", "-o", trace, "--force")
    assert code == 1
    assert "would replace what is read" in err
    assert trace.read_bytes() == before


def test_workloads_lists_what_compare_takes_and_shows_one_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "workloads")
    assert code == 0
    assert {"lenet", "matmul"} <= {line.split()[0] for line in out.splitlines() if line[:1].strip()}
    assert len({len(text) - len(text.partition(" ")[2].lstrip()) for text in out.splitlines() if text[0] != " "}) == 1
    code, out, _ = run(capsys, "workloads", "lenet")
    assert code == 0
    assert "batch_size" in out


def test_frameworks_lists_modes_and_versions(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "frameworks")
    assert code == 0
    assert "hybrid" in out
    assert "2.21.0" in out


def test_show_writes_markdown(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "show", trace, "--format", "markdown")
    assert (code, err) == (0, "")
    assert "| Relu | – | 1 |" in out
    assert run(capsys, "show", trace, "--view", "slowest", "--format", "markdown")[1].startswith("**Slowest")


def test_show_prints_the_report_of_a_comparison_once_more(capsys: pytest.CaptureFixture[str]) -> None:
    cells = ROOT / "analysis" / "versions" / "data" / "cells"
    folder = cells / "mxnet-tasks-mxnet-1.5.1-imperative-vs-mxnet-1.6.0-imperative"
    code, out, err = run(capsys, "show", folder, "--format", "json")
    assert (code, err) == (0, "")
    told = json.loads((folder / "comparison.json").read_text())
    assert [one["item"] for one in json.loads(out)["items"]] == [one["item"] for one in told["items"]]
    code, _, err = run(capsys, "show", folder, "--by", "op")
    assert code != 0
    assert "a comparison, not one capture" in err
