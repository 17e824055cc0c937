"""Every trace that is here can be exported as JSON, also one without an origin; what is damaged is refused in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from places import ROOT, TRACES

LARGEST = 400_000
"""Bytes of a file that is exported by default; larger ones where the slow tests run."""

SUFFIXES = (".json", ".json.gz", ".xplane.pb", ".trace")
OURS = ROOT / "tests"


def traces() -> list[Path]:
    """Files that may be traces: recorded ones of others, and the tests' own."""
    found = [*TRACES.rglob("*"), *(OURS / "golden").rglob("*"), *(OURS / "unit" / "ingest" / "data").rglob("*")]
    return sorted(path for path in found if path.name.endswith(SUFFIXES) and path.is_file())


def case(path: Path):
    name = str(path.relative_to(TRACES if path.is_relative_to(TRACES) else OURS))
    large = path.stat().st_size > LARGEST
    return pytest.param(path, id=name, marks=[pytest.mark.slow, pytest.mark.timeout(900)] if large else [])


@pytest.mark.parametrize("path", [case(path) for path in traces()])
def test_a_trace_is_exported_as_json_or_refused(attack, tmp_path, path):
    out = tmp_path / "events.json"
    done = attack("export", path, "--to", "json", "-o", out)
    if done.code:
        assert done.code == 1
        assert path.name in done.stderr
        assert not out.exists()
        return
    found = json.loads(out.read_bytes())
    assert found["kind"] == "events"
    assert found["origin_ns"] is None or found["origin_ns"] >= 0
    if not found["rows"]:
        assert "The trace holds no event that has a time." in attack("show", path).stdout


@pytest.mark.parametrize(
    "created", ["", "odd", "0001-01-01T00:00:00", "9999-12-31T23:59:59", "2026-11-28T10:00:00+99:99", "../../x"]
)
def test_a_time_that_is_none_is_no_fault_of_an_export_for_tensorboard(attack, tmp_path, created):
    pytest.importorskip("tensorboard")
    theirs = shutil.copytree(OURS / "older" / "schema-1" / "comparison" / "a-exact-1", tmp_path / "theirs")
    file = theirs / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"created": created}))
    done = attack("export", theirs, "--to", "tensorboard", "-o", tmp_path / "logs")
    assert done.code == 0 or "$.created: no time" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == (["logs", "theirs"] if done.code == 0 else ["theirs"])


@pytest.mark.parametrize("form", ["tensorboard", "chrome", "parquet"])
def test_a_folder_that_is_not_there_is_named(attack, tmp_path, form):
    ours = OURS / "older" / "schema-1" / "comparison" / "a-exact-1"
    done = attack("export", ours, "--to", form, "-o", tmp_path / "absent" / "out")
    assert done.code == 1
    assert "the folder" in done.stderr
    assert "absent does not exist" in done.stderr
    assert not list(tmp_path.iterdir())


def test_there_are_traces_to_export():
    if not TRACES.is_dir():
        pytest.skip("needs the traces of others, which do not ship with the project")
    assert len(traces()) > 30
