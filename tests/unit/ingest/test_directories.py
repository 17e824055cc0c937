"""A folder as one run: hosts of a profile run, older runs and empty files that are passed over, files of several kinds."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest
from reading import read
from xspace_bytes import PlaneBytes, block, space

from dlprof import frameworks, ingest
from dlprof.errors import TraceError
from dlprof.ingest.directories import traces_below

KINETO = (
    b'{"schemaVersion":1,"traceEvents":[{"ph":"X","cat":"cpu_op","name":"aten::mm","pid":1,"tid":1,"ts":5,"dur":2}]}'
)


def trace(hostname: str = "", start: int = 0) -> bytes:
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line("XLA Ops", [tpu.event("dot.1", start, 100)])
    return space(tpu) + (block(4, hostname) if hostname else b"")


def profile_run(logdir: Path, name: str, **files: bytes) -> Path:
    run = logdir / "plugins" / "profile" / name
    run.mkdir(parents=True)
    for host, data in files.items():
        (run / f"{host}.xplane.pb").write_bytes(data)
    return run


def test_two_hosts_tpus_are_two_devices(tmp_path: Path) -> None:
    profile_run(tmp_path, "2025_01_01", w0=trace(), w1=trace())
    table, _ = read(tmp_path, frameworks.vocabularies())
    assert sorted(zip(table["host"].to_pylist(), table["device"].to_pylist(), strict=True)) == [
        ("w0", "tpu:0"),
        ("w1", "tpu:0"),
    ]


def test_the_host_that_a_file_names_itself_comes_before_its_name(tmp_path: Path) -> None:
    profile_run(tmp_path, "2025_01_01", w0=trace("node-7"), w1=trace())
    table, _ = read(tmp_path, frameworks.vocabularies())
    assert sorted(table["host"].to_pylist()) == ["node-7", "w1"]


def test_a_single_file_is_not_named_after_itself(tmp_path: Path) -> None:
    profile_run(tmp_path, "2025_01_01", w0=trace())
    table, _ = read(tmp_path, frameworks.vocabularies())
    assert table["host"].to_pylist() == [None]


def test_older_profile_runs_are_passed_over_and_said(tmp_path: Path) -> None:
    profile_run(tmp_path / "z", "2024_01_01", w0=trace())
    newest = profile_run(tmp_path / "a", "2025_01_01", w0=trace())
    table, info = read(tmp_path, frameworks.vocabularies())
    assert set(table["source"].to_pylist()) == {str((newest / "w0.xplane.pb").relative_to(tmp_path))}
    assert info.anomalies["older_run"] == 1
    assert (
        info.completeness["older profile runs"] == "2025_01_01 is read; passed over: 2024_01_01 (name one to read it)"
    )


def test_a_hosts_empty_file_is_said(tmp_path: Path) -> None:
    run = profile_run(tmp_path, "2025_01_01", w0=trace(), w1=b"")
    _, info = read(tmp_path, frameworks.vocabularies())
    assert info.anomalies["empty_file"] == 1
    where = str((run / "w1.xplane.pb").relative_to(tmp_path))
    assert info.completeness["empty files"] == f"{where}: what these hosts did is missing"


def test_a_hosts_file_of_nothing_compressed_and_one_that_is_no_trace_are_said(tmp_path: Path) -> None:
    run = profile_run(tmp_path, "2025_01_01", w0=trace(), w1=b"no protobuf at all")
    (run / "w2.trace.json.gz").write_bytes(gzip.compress(b""))
    (run / "w3.trace.json.gz").write_bytes(gzip.compress(b"x" * 5000)[:20])
    (run / "notes.json").write_bytes(b'{"of": "mine"}')
    _, info = read(tmp_path, frameworks.vocabularies())
    assert (info.anomalies["empty_file"], info.anomalies["refused_file"]) == (1, 2)
    assert info.completeness["empty files"].endswith("w2.trace.json.gz: what these hosts did is missing")
    said = info.completeness["refused files"]
    assert "w1.xplane.pb: passed over, for not a trace" in said
    assert "w3.trace.json.gz: passed over, for damaged compression" in said
    assert "notes" not in said
    assert info.completeness["files that are no traces"].endswith("notes.json (JSON without an event)")


def test_every_file_of_a_folder_is_a_trace_or_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(KINETO)
    held = {
        "conf.json": (b'{"lr": 0.1}', "JSON without an event"),
        "empty.json": (b"", "empty"),
        "list.json": (b"\xef\xbb\xbf [1, 2]", "JSON without an event"),
        "log.out": (b"[INFO] begun", "text"),
        "long.out": ("é".encode() * 5000, "text"),
        "plot.png": (b"\x89PNG\r\n\x1a\n", "image"),
        "raw.bin": (b"\x00\x01\x02", "unknown bytes"),
        "run.out.gz": (gzip.compress(b"epoch 1"), "text"),
        "results.csv": (b"a,b", "table"),
        ".hidden.json": (KINETO, "hidden file"),
        "events.out.tfevents.1.profile-empty": (b"x", "TensorBoard's mark of a profile"),
        "w.overview_page.pb": (b"x", "result of TensorBoard's profile plugin"),
    }
    for name, (content, _) in held.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "gone.json").symlink_to("nowhere.json")
    (tmp_path / "elsewhere").symlink_to(tmp_path.parent)
    os.mkfifo(tmp_path / "pipe.json")
    found = traces_below(tmp_path)
    assert [path.name for path in found.traces] == ["a.json"]
    assert {path.name: what for path, what in found.others.items()} == {
        **{name: what for name, (_, what) in held.items()},
        "gone.json": "link to nothing",
        "elsewhere": "link to a folder, not followed",
        "pipe.json": "no regular file",
    }
    _, info = read(tmp_path, frameworks.vocabularies())
    assert info.anomalies == {"other_file": 15}
    said = info.completeness["files that are no traces"]
    assert said.startswith("15 files are no traces: .hidden.json (hidden file), conf.json (JSON without an event), ")
    assert " and 7 more (" in said
    assert "2 × text" in said


def test_the_names_of_files_that_are_no_traces_are_one_printable_line_and_of_long_ones_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(KINETO)
    (tmp_path / "b\x1b[31m\nred\u202e.json").write_bytes(b"{}")
    (tmp_path / ("c" * 200 + ".json")).write_bytes(b"{}")
    _, info = read(tmp_path, frameworks.vocabularies())
    said = info.completeness["files that are no traces"]
    assert said == (
        rf"2 files are no traces: b\x1b[31m\nred\u202e.json (JSON without an event), …{'c' * 114}.json (JSON without an event)"
    )


def test_a_trace_made_of_an_xplane_beside_it_is_said_and_not_read(tmp_path: Path) -> None:
    run = profile_run(tmp_path, "2025_01_01", w0=trace())
    (run / "w0.trace.json.gz").write_bytes(gzip.compress(KINETO))
    table, info = read(tmp_path, frameworks.vocabularies())
    assert len(table) == 1
    assert info.completeness == {
        "made of others": "plugins/profile/2025_01_01/w0.trace.json.gz was made of w0.xplane.pb, which is read"
    }
    assert info.anomalies["derived_file"] == 1


@pytest.mark.parametrize("source", ["h.xplane.pb", "h.trace.json.gz"])
def test_what_jax_makes_for_perfettos_viewer_is_read_alone_and_not_twice(tmp_path: Path, source: str) -> None:
    run = tmp_path / "plugins" / "profile" / "2026_01_31_10_20_30"
    run.mkdir(parents=True)
    host = PlaneBytes("/host:CPU")
    host.line("python", [host.event("x", 0, 5)])
    events = b'{"displayTimeUnit":"ns","metadata":{"highres-ticks":true},"traceEvents":['
    events += b'{"args":{"name":"/host:CPU"},"name":"process_name","ph":"M","pid":1},'
    events += b'{"ph":"X","pid":1,"tid":2,"ts":1.5,"dur":2.5,"name":"x"},{}]}'
    (run / source).write_bytes(space(host) if source.endswith(".pb") else gzip.compress(events))
    made = run / "perfetto_trace.json.gz"
    made.write_bytes(gzip.compress(events + b" "))
    table, info = read(tmp_path)
    assert (table.num_rows, info.anomalies["derived_file"]) == (1, 1)
    assert f"perfetto_trace.json.gz was made of {source}, which is read" in info.completeness["made of others"]
    assert read(made)[0].num_rows == 1


def test_what_two_folders_hold_besides_traces_is_said_of_both(tmp_path: Path) -> None:
    rows: list[pa.RecordBatch] = []
    for name, at in (("one", b"5"), ("two", b"6")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.json").write_bytes(KINETO.replace(b'"ts":5', b'"ts":' + at))
        (tmp_path / name / "notes.txt").write_text("mine")
    info = ingest.read([tmp_path / "one", tmp_path / "two"], root=tmp_path, vocabularies={}, sink=rows.append)
    assert info.completeness["files that are no traces"] == (
        "1 file is no trace: one/notes.txt (text); 1 file is no trace: two/notes.txt (text)"
    )


def test_a_folder_whose_only_trace_is_damaged_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    profile_run(tmp_path, "2025_01_01", w0=b"no protobuf at all")
    with pytest.raises(TraceError, match=r"no trace in this folder; of .*w0\.xplane\.pb: not a trace"):
        read(tmp_path)


def test_a_hosts_file_without_events_is_said(tmp_path: Path) -> None:
    profile_run(tmp_path, "2025_01_01", w0=trace(), w1=space(PlaneBytes("/host:CPU")))
    _, info = read(tmp_path, frameworks.vocabularies())
    assert info.anomalies["empty_file"] == 1
    assert [text for name, text in info.completeness.items() if name.endswith("empty")] == [
        "plugins/profile/2025_01_01/w1.xplane.pb holds no event"
    ]


def test_a_folder_of_nothing_but_empty_files_is_refused(tmp_path: Path) -> None:
    profile_run(tmp_path, "2025_01_01", w0=b"")
    with pytest.raises(TraceError, match="no trace in this folder"):
        read(tmp_path)


def test_what_each_file_of_a_mixed_folder_is_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(KINETO)
    (tmp_path / "b.xplane.pb").write_bytes(trace())
    _, info = read(tmp_path, frameworks.vocabularies())
    assert info.completeness["files of several kinds"] == "a.json: kineto (pytorch); b.xplane.pb: xplane (xplane)"
    assert info.producer == "pytorch+xplane"


def test_a_trace_without_operators_is_no_frameworks(tmp_path: Path) -> None:
    host = PlaneBytes("/host:CPU")
    host.line("python", [host.event("$main.py:3 work", 0, 100)])
    (tmp_path / "t.xplane.pb").write_bytes(space(host))
    assert read(tmp_path / "t.xplane.pb")[1].producer == "xplane"
    data = b'{"displayTimeUnit":"ns","metadata":{"highres-ticks":true},"traceEvents":[{"ph":"M","pid":1,"name":"process_name",'
    data += b'"args":{"name":"/host:CPU"}},{"ph":"X","pid":1,"tid":1,"ts":1.5,"dur":2,"name":"$main.py:3 work"},{}]}'
    (tmp_path / "t.trace.json.gz").write_bytes(gzip.compress(data))
    assert read(tmp_path / "t.trace.json.gz")[1].producer == "xplane"


def test_a_newest_run_that_is_empty_is_said_and_an_older_one_named(tmp_path: Path) -> None:
    for run, content in (("2024_01_01", b"older"), ("2025_01_01", b"")):
        folder = tmp_path / "plugins" / "profile" / run
        folder.mkdir(parents=True)
        (folder / "a.xplane.pb").write_bytes(content)
    with pytest.raises(TraceError, match=r"empty files: .*2025_01_01.a\.xplane\.pb") as caught:
        read(tmp_path)
    assert "2024_01_01" in (caught.value.hint or "")


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    for split in ("eval", "train"):
        folder = tmp_path / split / "plugins" / "profile" / "r"
        folder.mkdir(parents=True)
        plane = PlaneBytes("/device:TPU:0")
        plane.line("XLA Ops", [plane.event("fusion.1", 0, 100)])
        (folder / "a.xplane.pb").write_bytes(space(plane))
    _, info = read(tmp_path)
    said = info.completeness["older profile runs"]
    assert said == "train/plugins/profile/r is read; passed over: eval/plugins/profile/r (name one to read it)"


@pytest.mark.parametrize("names", [("w0.xplane.pb",), ("w0.trace.json",)])
def test_of_dated_folders_without_a_profilers_own_layout_the_newest_is_read(tmp_path: Path, names: tuple[str]) -> None:
    for run, start in (("2024_01_01_10_00_00", 0), ("2025_01_01_10_00_00", 40)):
        (tmp_path / run).mkdir()
        for name in names:
            content = trace(start=start) if name.endswith("pb") else KINETO.replace(b'"ts":5', b'"ts":%d' % (5 + start))
            (tmp_path / run / name).write_bytes(content)
    table, info = read(tmp_path, frameworks.vocabularies())
    assert len(table) == 1
    assert info.anomalies["older_run"] == 1
    assert info.completeness["older profile runs"].startswith("2025_01_01_10_00_00 is read; passed over: 2024_01_01")


def test_a_trace_beside_a_profile_run_is_passed_over_and_said(tmp_path: Path) -> None:
    profile_run(tmp_path, "2025_01_01", w0=trace())
    (tmp_path / "own.json").write_bytes(KINETO)
    (tmp_path / "notes.json").write_text("{}")
    table, info = read(tmp_path, frameworks.vocabularies())
    assert len(table) == 1
    assert info.completeness["files beside the profile run"] == "own.json: passed over (name one to read it)"


def test_a_link_to_a_trace_and_a_copy_of_it_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(KINETO)
    (tmp_path / "b.json").symlink_to("a.json")
    (tmp_path / "c.json").write_bytes(KINETO)
    (tmp_path / "d.json").write_bytes(KINETO.replace(b'"dur":2', b'"dur":3'))
    table, info = read(tmp_path, frameworks.vocabularies())
    assert sorted(table["source"].to_pylist()) == ["a.json", "d.json"]
    assert info.anomalies["copied_file"] == 2
    assert info.completeness["copies"] == "b.json is a.json; c.json is a.json: read once"


def test_one_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(KINETO)
    rows: list[pa.RecordBatch] = []
    info = ingest.read([path, path], root=tmp_path, vocabularies={}, sink=rows.append)
    assert info.events == sum(map(len, rows)) == 1


def test_the_same_bytes_of_two_hosts_are_both_read_and_said(tmp_path: Path) -> None:
    profile_run(tmp_path, "2025_01_01", w0=trace(), w1=trace())
    table, info = read(tmp_path, frameworks.vocabularies())
    assert len(table) == 2
    assert info.anomalies["identical_file"] == 1
    assert "w1.xplane.pb as " in info.completeness["files of the same bytes"]


def test_a_link_to_another_hosts_file_is_read_once_whatever_it_is_called(tmp_path: Path) -> None:
    run = profile_run(tmp_path, "2025_01_01", w0=trace())
    (run / "w1.xplane.pb").symlink_to("w0.xplane.pb")
    table, info = read(tmp_path, frameworks.vocabularies())
    assert len(table) == 1
    assert info.anomalies["copied_file"] == 1


def test_one_hosts_file_in_two_folders_without_a_date_is_said(tmp_path: Path) -> None:
    for run, start in (("first", 0), ("second", 40)):
        (tmp_path / run).mkdir()
        (tmp_path / run / "w0.xplane.pb").write_bytes(trace(start=start))
    _, info = read(tmp_path, frameworks.vocabularies())
    assert info.anomalies["repeated_host"] == 2
    assert info.completeness["one host's name"].startswith("first/w0.xplane.pb, second/w0.xplane.pb: read together")
