"""benchmarks/gpu: its check of kernel times, on a recorded GPU trace and on one made here; its packing."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import subprocess
import sys
import tarfile
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest
from places import ROOT, TRACES

RECORDED = TRACES / "kineto" / "h100"
BERT = "gaunernst_bert-small-uncased__1016001"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"gpu_{name}", ROOT / "benchmarks" / "gpu" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


checks, run = script("checks"), script("run")


@pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded traces of others are not here (../shared/traces)")
@pytest.mark.parametrize(("factor", "ok"), [(1.0, True), (1.03, False)])
def test_kernels_of_a_gpu_are_checked_against_a_profilers_sums_within_two_percent(factor: float, ok: bool):
    totals: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    with (RECORDED / f"{BERT}_csvs" / "kernel_summary.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            totals[line["Kernel name"]][0] += int(line["Kernel duration (µs)_count"])
            totals[line["Kernel name"]][1] += float(line["Kernel duration (µs)_sum"]) * factor
    facts = {"totals": [{"name": n, "where": "CUDA", "count": c, "us": us} for n, (c, us) in totals.items()]}
    facts["totals"].append({"name": "aten::mm", "where": "CPU", "count": 99, "us": 1.0})
    found = list(checks.of_profiler(RECORDED / f"{BERT}.json.gz", facts))
    assert len(found) == len(totals) + 2
    assert [entry["ok"] for entry in found if "time of all these" in entry["what"]] == [ok]
    assert all(entry["ok"] for entry in found if "count of" in entry["what"])


def kineto(folder: Path, durations: list[float]) -> Path:
    """A trace of kernels one after the other, µs."""
    events, at = [], 0.0
    for number, duration in enumerate(durations):
        args = {"correlation": number + 1, "device": 0, "stream": 7}
        base = {"ph": "X", "args": args}
        call = {"cat": "cuda_runtime", "name": "cudaLaunchKernel", "ts": number, "dur": 0.5, "pid": 1, "tid": 1}
        events.append({**base, **call})
        events.append({**base, "cat": "kernel", "name": "k", "ts": 100 + at, "dur": duration, "pid": 0, "tid": 7})
        at += duration + 1
    path = folder / "kernels.json"
    path.write_text(json.dumps({"schemaVersion": 1, "deviceProperties": [{"id": 0}], "traceEvents": events}))
    return path


@pytest.mark.parametrize(("events_us", "ok"), [(1004.0, True), (1030.0, False)])
def test_kernels_are_checked_against_cuda_events_also_where_a_product_is_two_kernels(
    tmp_path: Path, events_us: float, ok: bool
):
    path = kineto(tmp_path, [900.0, 100.0] * 3 + [200.0] * 3)  # three products of two kernels, three additions of one
    facts = {"repeats": 3, "cuda_events_us": {"matmul": [events_us] * 3, "add": [202.0] * 3}}
    product, addition, accounted = checks.of_events(path, facts)
    assert (product["ours"], product["ok"]) == (3000.0, ok)
    assert (addition["ours"], addition["ok"]) == (600.0, True)
    assert (accounted["ours"], accounted["ok"]) == (9, True)


def test_without_a_gpu_there_are_no_cuda_events_to_check(tmp_path: Path):
    facts = {"repeats": 3, "cuda_events_us": {"matmul": [], "add": []}}
    assert list(checks.of_events(kineto(tmp_path, [1.0]), facts)) == []


def test_a_stage_that_fails_is_recorded_with_its_error_line_and_the_others_go_on(tmp_path: Path):
    (tmp_path / "logs").mkdir()
    made = run.Run(tmp_path, True, None, {}, 30.0, environ={"PATH": "/usr/bin:/bin"})
    code = "import sys; print('error: no GPU 1\\nhint: …', file=sys.stderr); sys.exit(1)"
    made.stage("one", lambda: run.outcome(made.call([sys.executable, "-c", code], "one")))
    made.stage("two", lambda: run.outcome(made.call([sys.executable, "-c", ""], "two")))
    kept = json.loads((tmp_path / "results.json").read_text())
    assert (kept["one"]["status"], kept["one"]["why"], kept["two"]["status"]) == ("failed", "error: no GPU 1", "ok")
    assert "exit 1" in (tmp_path / "logs" / "one.txt").read_text()


def test_the_pack_names_what_was_too_big_and_holds_the_checksums(tmp_path: Path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "big.pb").write_bytes(b"\0" * (2 << 20))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "wheel").write_text("x")
    found = run.pack(run.Run(tmp_path, True, None, {}, 30.0), limit_mib=1)
    assert (found["files"], found["left_out"]) == (1, ["big.pb (2 MiB)"])
    with tarfile.open(tmp_path / "recordings.tar.gz") as archive:
        assert sorted(archive.getnames()) == ["SHA256SUMS", "a.json"]
        sums = archive.extractfile("SHA256SUMS")
        assert sums is not None
        assert sums.read().decode() == f"{hashlib.sha256(b'{}').hexdigest()}  a.json\n"


def test_what_would_be_carried_holds_both_devices_locks_and_dlprofs_own_needs():
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu" / "carry.py"), "--to", "unused", "--list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    locks = [line for line in listed if line.endswith(".txt")]
    assert len(locks) == 4
    assert all((ROOT / lock).is_file() for lock in locks)
    assert any(line.startswith("pyarrow") for line in listed)
