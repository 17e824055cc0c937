"""Formats: each file is told by its content, and a package outside adds a format by its entry point."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from installed import installed

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.dialects.registry import CERTAIN, GENERAL, kind_of, reader_for, told
from dlprof.ingest.source import Source

CALLS = "numpy calls 1\ndlprof:step=0\t1000\t500\nnp.clip\t1100\t300\nnp.odd\t1450\t50\n"


def test_every_kind_has_a_reader_of_its_own_name() -> None:
    kinds = [known.kind for known in (*CERTAIN, *GENERAL)]
    assert len(kinds) == len(set(kinds))
    assert all(reader_for(kind).producer for kind in kinds)


@pytest.mark.parametrize("head", [b"hello", b"\0" * 64, b"numpy calls 1\n", b"%PDF-1.7"])
def test_a_file_that_nobody_knows_is_no_trace(head: bytes) -> None:
    assert told(head) is None


@pytest.mark.parametrize(
    ("name", "head", "says", "instead"),
    [
        ("run.nsys-rep", b"\x0b\0\0\0QuadD", "a report of Nsight Systems", "nsys export --type sqlite run.nsys-rep"),
        ("run.ncu-rep", b"NVR\0", "a report of Nsight Compute", "record with nsys"),
        ("1_results.json", b'{"rocprofiler-sdk-tool": [{"metadata": {"pid": 7}}]}', "rocprofv3's own JSON", "rocpd"),
        ("perf.data", b"PERFILE2h\0", "a recording of Linux perf", "the framework's own profiler"),
    ],
)
def test_another_profilers_recording_is_refused_with_what_to_do_instead(
    name: str, head: bytes, says: str, instead: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(head)
    with pytest.raises(TraceError) as refused:
        kind_of(Source(file, name, Anomalies()))
    assert says in str(refused.value)
    assert instead in str(refused.value.hint)


def test_a_format_of_another_package_is_read_where_it_is_installed(dlprof, tmp_path: Path) -> None:
    file = tmp_path / "calls.txt"
    file.write_text(CALLS)
    refused = dlprof("show", file)
    assert refused.returncode == 1
    assert "not a trace" in refused.stderr
    shown = dlprof("show", file, "--format", "json", env=installed(tmp_path / "site"))
    assert shown.returncode == 0, shown.stderr
    rows = [(row["op"], row["calls"], row["self_ns"]) for row in json.loads(shown.stdout)["rows"]]
    assert ("Clip", 1, 300.0) in rows


def test_its_damage_is_told_with_the_byte(dlprof, tmp_path: Path) -> None:
    file = tmp_path / "calls.txt"
    file.write_text(CALLS + "np.clip\tsoon\t1\n")
    env = installed(tmp_path / "site")
    assert f"damaged at byte {len(CALLS)}" in dlprof("show", file, env=env).stderr


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("absent_module:make", "ModuleNotFoundError"),
        ("numpy_trace:absent", "AttributeError"),
        ("numpy_trace:NumpyReader", "returns no Format"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_named(dlprof, tmp_path: Path, entry: str, says: str) -> None:
    file = tmp_path / "calls.txt"
    file.write_text(CALLS)
    env = installed(tmp_path / "site", f"[dlprof.readers]\nnumpy-calls = {entry}\n")
    failed = dlprof("show", file, env=env)
    assert failed.returncode == 1
    assert f"numpy-framework: dlprof.readers numpy-calls = {entry}: " in failed.stderr
    assert says in failed.stderr
    assert "repair or uninstall numpy-framework" in failed.stderr


def test_a_package_does_not_take_over_a_format_that_dlprof_reads(dlprof, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    file.write_text('{"traceEvents": [{"ph": "X", "name": "a", "pid": 1, "tid": 1, "ts": 1, "dur": 2}]}')
    (tmp_path / "thief.py").write_text(
        "from dlprof.ingest.reader import Format\n"
        "def make():\n    return Format('chrome-trace', lambda head: True, lambda: None)\n"
    )
    env = installed(tmp_path / "site", "[dlprof.readers]\nx = thief:make\n")
    env["PYTHONPATH"] += f":{tmp_path}"
    shown = dlprof("show", file, "--format", "json", env=env)
    assert shown.returncode == 0, shown.stderr
