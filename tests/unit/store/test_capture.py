"""A capture directory: whole or not there, and read back as it was written."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlprof import schema
from dlprof.errors import StoreError
from dlprof.manifest import ImportOptions, LockstepOptions, Manifest
from dlprof.store import Capture, CaptureWriter
from dlprof.store.capture import inside
from dlprof.store.unfinished import taken_up, unfinished

IMPORTED = Manifest(
    kind="import",
    dlprof_version="0",
    created="2026-01-01T00:00:00+00:00",
    options=ImportOptions(sources=["trace.json"], repair=False),
    workload={},
)
COMPARED = Manifest(
    kind="compare", dlprof_version="0", created="now", options=LockstepOptions(trials=None, margin=0.05)
)


def batch(*starts_ps: int) -> pa.RecordBatch:
    """Events of which only the times and the places matter."""
    count = len(starts_ps)
    columns = []
    for field in schema.EVENTS:
        if field.name in ("id", "start_ps"):
            values: list[object] = list(range(count)) if field.name == "id" else list(starts_ps)
        elif field.nullable:
            values = [None] * count
        elif pa.types.is_integer(field.type):
            values = [0] * count
        else:
            values = ["op"] * count
        array = pa.array(values, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        columns.append(array.dictionary_encode().cast(field.type) if pa.types.is_dictionary(field.type) else array)
    return pa.RecordBatch.from_arrays(columns, schema=schema.EVENTS)


def test_events_come_back_as_they_were_given_batch_after_batch(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        writer.sink(batch(5, 7))
        writer.sink(batch(11))
        writer.commit(IMPORTED)
    events = Capture.open(tmp_path / "out").events()
    assert events["start_ps"].to_pylist() == [5, 7, 11]
    assert events.schema.names == schema.EVENTS.names


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        writer.sink(batch(5))
        writer.commit(IMPORTED)
    assert Capture.open(tmp_path / "out").events(["start_ps", "name"]).schema.names == ["name", "start_ps"]


def test_a_capture_without_events_has_an_empty_table(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        writer.commit(IMPORTED)
    assert Capture.open(tmp_path / "out").events().num_rows == 0


def test_nothing_is_there_until_it_is_committed_and_nothing_stays_where_it_never_was(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with CaptureWriter(place) as writer:
        writer.sink(batch(1))
        assert not place.exists()
    assert list(tmp_path.iterdir()) == []


def test_an_exception_removes_what_was_begun(tmp_path: Path) -> None:
    def fail() -> None:
        with CaptureWriter(tmp_path / "out") as writer:
            writer.sink(batch(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(StoreError, match="exists already"), CaptureWriter(tmp_path / "out"):
        pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_the_manifest_holds_the_size_and_digest_of_every_file_but_itself(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        (writer.partial / "raw" / "trace.json").write_bytes(b"[]")
        capture = writer.commit(IMPORTED)
    files = Capture.open(capture.path).manifest.files
    assert set(files) == {"raw/trace.json", "events.parquet"}
    assert files["raw/trace.json"].bytes == 2
    assert files["raw/trace.json"].sha256 == hashlib.sha256(b"[]").hexdigest()


def test_the_childs_files_move_into_logs(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        (writer.partial / "stderr.log").write_text("chatter")
        writer.commit(IMPORTED)
    assert (tmp_path / "out" / "logs" / "stderr.log").read_text() == "chatter"


def test_a_folder_without_a_manifest_is_no_capture_and_the_error_says_what_is(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a capture directory") as error:
        Capture.open(tmp_path)
    assert "raw trace file" in str(error.value.hint)


def test_a_directory_of_a_newer_dlprof_is_refused_by_its_version(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        writer.commit(IMPORTED)
    file = tmp_path / "out" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": schema.SCHEMA_VERSION + 1}))
    with pytest.raises(StoreError, match="which is newer than this one"):
        Capture.open(tmp_path / "out")


def test_a_field_that_does_not_fit_is_named_with_its_file(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        writer.commit(IMPORTED)
    file = tmp_path / "out" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "complete": "yes"}))
    with pytest.raises(StoreError, match=r"manifest\.json: \$\.complete: expected `bool`"):
        Capture.open(tmp_path / "out")


def test_a_column_that_is_missing_or_of_another_type_is_named(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        writer.sink(batch(1))
        writer.commit(IMPORTED)
    file = tmp_path / "out" / "events.parquet"
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["start_ps"]), file)
    with pytest.raises(StoreError, match="column start_ps is missing"):
        Capture.open(tmp_path / "out").events()
    at = table.schema.get_field_index("start_ps")
    pq.write_table(table.set_column(at, "start_ps", pa.array(["soon"])), file)
    with pytest.raises(StoreError, match="column start_ps: holds string, not int64"):
        Capture.open(tmp_path / "out").events()


@pytest.mark.parametrize("name", ["/etc/passwd", "../other", "raw/../../other"])
def test_a_stated_path_that_leads_out_of_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="outside of itself"):
        inside(tmp_path, name)


def test_a_link_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "raw").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="outside of itself"):
        inside(tmp_path / "out", "raw/trace.json")


KILLED = """
import os, sys
from pathlib import Path
from dlprof.manifest import LockstepOptions, Manifest, TrialFacts
from dlprof.store import CaptureWriter

trial = TrialFacts(number=0, rounds=[3], wall_s=1.0, idle={}, machine=None)
options = LockstepOptions(trials=None, margin=0.05)
with CaptureWriter(Path(sys.argv[1])) as writer:
    writer.checkpoint(Manifest(kind="compare", dlprof_version="0", created="now", options=options, trials=[trial]))
    os._exit(9)
"""
"""A comparison whose process dies after its first trial."""


def test_what_a_killed_comparison_had_finished_is_found_and_can_be_gone_on_with(tmp_path: Path) -> None:
    place = tmp_path / "out"
    assert subprocess.run([sys.executable, "-c", KILLED, place], check=False).returncode == 9
    assert not place.exists()
    left = taken_up(place)
    assert left is not None
    found = unfinished(left, place)
    assert found is not None
    assert (found.trials, found.captures, found.place) == (1, 0, place)
    assert not Capture.open(left).manifest.complete


def test_a_comparison_that_another_living_process_is_at_work_on_is_not_taken_up(tmp_path: Path) -> None:
    asked = "import sys; from pathlib import Path; from dlprof.store.unfinished import taken_up; taken_up(Path(sys.argv[1]))"
    with CaptureWriter(tmp_path / "out") as writer:
        writer.checkpoint(COMPARED)
        done = subprocess.run(
            [sys.executable, "-c", asked, tmp_path / "out"], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "another dlprof is at work on it" in done.stderr


def test_folders_that_were_made_for_it_go_with_it_unless_others_write_there(tmp_path: Path) -> None:
    def fail(output: str, others: str) -> None:
        with CaptureWriter(tmp_path / output):
            (tmp_path / others).mkdir(exist_ok=True)
            raise RuntimeError

    (tmp_path / "mine").mkdir()
    for output, others in (("mine/a/b/made", "mine"), ("mine/c/made", "mine/c/other")):
        with pytest.raises(RuntimeError):
            fail(output, others)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "mine",
        "mine/c",
        "mine/c/other",
    ]


def test_a_comparison_without_a_finished_trial_leaves_nothing(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out") as writer:
        writer.checkpoint(COMPARED)
    assert list(tmp_path.iterdir()) == []
    assert taken_up(tmp_path / "out") is None
