"""A workload from a file of one's own, in the real frameworks; a third party's framework through its entry point."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from installed import installed
from places import ROOT

GUIDE = ROOT / "docs" / "adding-a-workload.md"

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]


def block(language: str, containing: str) -> str:
    """The first code block of the guide in that language that holds the text: what is tested is what is shown."""
    parts = GUIDE.read_text(encoding="utf-8").split("```")
    return next(part.removeprefix(language) for part in parts[1::2] if part.startswith(language) and containing in part)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    file = tmp_path / "clip.toml"
    file.write_text(block("toml", 'name = "clip"'), encoding="utf-8")
    return file


@pytest.fixture
def plugged(tmp_path: Path) -> dict[str, str]:
    """An environment in which the NumPy framework and its trace format are installed."""
    return installed(tmp_path / "site")


@pytest.mark.slow
def test_the_op_workload_of_the_guide_is_compared_in_both_frameworks(here, clip, tmp_path):
    done = here("compare", clip, "--trials", 1, "--set", "sizes=1000,5000", "--format", "json", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [item["item"] for item in found["items"]] == ["clip[size=1000]", "clip[size=5000]"]
    assert all(item["ratio"]["estimate"] > 0 for item in found["items"])
    assert not [difference for difference in found["parity"] if difference["blocks"] == "yes"]
    rows = [row for row in found["rows"] if row["layer"] == "clip[size=1000]"]
    calls = found["ledger"]["a_steps"] // 2
    assert calls >= 4, "marked calls of each of the two items"
    assert {row["op"] for row in rows if row["a_count"] == calls} >= {"Min", "Max"}, "what TensorFlow makes of it"
    assert {row["op"] for row in rows if row["b_count"] == calls} >= {"Clip"}


def test_a_call_that_computes_something_else_is_not_comparable(here, clip, tmp_path):
    clip.write_text(clip.read_text().replace("F.clip(x, 0.2, 0.8)", "F.clip(x, 0.2, 0.7)"))
    done = here("compare", clip, "--trials", 1, "--traces", 0, "--format", "json", "-o", tmp_path / "out")
    assert done.returncode == 5, done.stderr
    found = json.loads(done.stdout)
    assert {item["verdict"] for item in found["items"]} == {"not_comparable"}
    assert "out/clip[size=1000]" in {difference["where"] for difference in found["parity"]}


@pytest.fixture
def cut(tmp_path: Path) -> tuple[Path, Path]:
    """The guide's workload whose calls are functions, and their Python file."""
    file, code = tmp_path / "cut.toml", tmp_path / "cut.py"
    file.write_text(block("toml", 'name = "cut"'), encoding="utf-8")
    code.write_text(block("python", "def cut_tf"), encoding="utf-8")
    return file, code


def test_functions_of_a_python_file_run_where_the_command_line_names_it(here, cut, tmp_path):
    file, code = cut
    quick = ("--trials", 1, "--traces", 0)
    refused = here("compare", file, *quick, "-o", tmp_path / "refused")
    assert refused.returncode == 2
    assert "cut_mxnet, cut_tf" in refused.stderr
    assert "--calls FILE.py" in refused.stderr
    out = tmp_path / "out"
    done = here("compare", file, *quick, "--calls", code, "-o", out, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["items"][0]["ratio"]["estimate"] > 0
    assert not [difference for difference in found["parity"] if difference["blocks"] == "yes"]
    again = here("compare", "--resume", out)
    assert again.returncode == 2
    assert f"to confirm that it may, repeat it: --calls {code}" in again.stderr


def test_an_expression_that_is_no_arithmetic_does_not_run(here, clip, tmp_path):
    mark = tmp_path / "mark"
    clip.write_text(clip.read_text().replace("tf.clip_by_value(x, 0.2, 0.8)", f"open('{mark}', 'w') and x"))
    done = here("compare", clip, "--trials", 1, "--traces", 0, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "is not allowed" in done.stderr
    assert not mark.exists()


def test_a_framework_of_a_third_party_is_listed_captured_and_compared(here, clip, plugged, tmp_path):
    listed = here("frameworks", env=plugged)
    assert "NumPy" in listed.stdout
    clip.write_text(clip.read_text() + 'np = "np.clip(x, 0.2, 0.8)"\n')
    captured = here("capture", clip, "--framework", "np", "-o", tmp_path / "capture", env=plugged)
    assert captured.returncode == 0, captured.stderr
    shown = json.loads(here("show", tmp_path / "capture", "--format", "json", env=plugged).stdout)
    sizes = len(json.loads((tmp_path / "capture" / "manifest.json").read_text())["workload"]["run"]["sizes"])
    assert [(row["op"], row["calls"]) for row in shown["rows"] if row["op"] == "Clip"] == [("Clip", 50 * sizes)]
    derived = here("capture", "relu", "--framework", "np", "--set", "size=500", "-o", tmp_path / "relu", env=plugged)
    assert derived.returncode == 0, derived.stderr
    (task,) = json.loads((tmp_path / "relu" / "manifest.json").read_text())["workload"]["tasks"]
    assert task["calls"]["idiomatic"] == {"np": "np.maximum(x, 0)"}, "by the package's own table"
    refused = here("compare", "mlp", "--a", "np:thrice", "--b", "tf", "-o", tmp_path / "no", env=plugged)
    assert refused.returncode != 0
    assert "mode thrice of NumPy executes single calls, not a network such as mlp" in refused.stderr
    assert "Traceback" not in refused.stderr
    done = here("compare", clip, "--a", "np:plain", "--b", "np:thrice", "--set", "size=100000", "--trials", 6,
                  "--traces", 0, "--format", "json", "-o", tmp_path / "out", env=plugged)  # fmt: skip
    assert done.returncode == 0, done.stderr
    (item,) = json.loads(done.stdout)["items"]
    assert item["verdict"] == "slower", "three calls take longer than one"
    assert item["ratio"]["low"] > 1.5


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


@pytest.mark.slow
def test_a_network_of_a_third_party_is_compared_with_a_shipped_framework(dlprof, plugged, tmp_path):
    shell = {**plugged, "NPY_DISABLE_CPU_FEATURES": "AVX512F", "NPY_PROMOTION_STATE": "legacy", "XLA_FLAGS": ""}
    done = dlprof("compare", "mlp", "--a", "np", "--b", "jax", "--trials", 1, "--no-reasons", "--format", "json", "-o",
                  tmp_path / "out", env=shell, timeout=900)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not [difference for difference in found["parity"] if difference["blocks"] == "yes"]
    steps = found["ledger"]["a_steps"]
    calls = sum(row["a_count"] for row in found["rows"] if (row["op"], row["phase"]) == ("MatMul", "backward")) / steps
    assert calls == 5, "both gradients of each of three layers, but for the input's"
    said = " ".join(found["warnings"])
    assert "NPY_DISABLE_CPU_FEATURES=AVX512F is set and reaches NumPy (plain); it is read by NumPy alone" in said
    (kept,) = [line for line in done.stderr.splitlines() if "set in this shell, and kept from both sides: " in line]
    assert "NPY_PROMOTION_STATE" in kept, "beside whatever else this shell has set"
    sides = manifest(tmp_path / "out")["sides"]
    # What the shell of the tests itself sets, OMP_NUM_THREADS for one, reaches both sides and is listed too.
    own = {side: [entry for entry in sides[side]["variables"].split() if entry.split("=")[0] in shell] for side in "ab"}
    assert own == {"a": ["NPY_DISABLE_CPU_FEATURES=AVX512F"], "b": ["XLA_FLAGS="]}
    read = {side: manifest(tmp_path / "out" / f"{side}-exact-1")["child"]["runtime"]["environment"] for side in "ab"}
    assert read["a"]["NPY_DISABLE_CPU_FEATURES"] == "AVX512F"
    assert "NPY_DISABLE_CPU_FEATURES" not in read["b"]


def test_a_third_partys_lock_lies_in_its_package_and_a_python_of_the_users_own_needs_none(here, plugged, tmp_path):
    done = here("capture", "relu", "--framework", "np", "--set", "size=500", "-o", tmp_path / "locked", env=plugged)
    assert done.returncode == 0, done.stderr
    assert "no lock file" not in done.stderr
    assert manifest(tmp_path / "locked")["environment"]["locked"] is True
    own = ("--python", sys.executable, "-o", tmp_path / "own")
    done = here("capture", "relu", "--framework", "np", "--set", "size=500", *own, env=plugged)
    assert done.returncode == 0, done.stderr
    assert manifest(tmp_path / "own")["child"]["versions"]["np"] == np.__version__
    refused = here("capture", "relu", "--framework", "np", "--device", "gpu", "-o", tmp_path / "gpu", env=plugged)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr


def test_an_exact_trace_holds_each_operator_and_a_native_one_what_the_profiler_keeps(here, plugged, tmp_path):
    counts = {}
    for fidelity in ("exact", "native"):
        options = ("--framework", "np", "--fidelity", fidelity, "--max-steps", 5, "-o", tmp_path / fidelity)
        done = here("capture", "mlp", *options, env=plugged)
        assert done.returncode == 0, done.stderr
        shown = json.loads(here("show", tmp_path / fidelity, "--format", "json", env=plugged).stdout)
        counts[fidelity] = sum(row["calls"] for row in shown["rows"])
    assert counts["exact"] == 5 * 40, "each operator of each step"
    assert 5 * 8 <= counts["native"] <= counts["exact"], "cheap ones may be left out, the products are not"


def test_a_capture_of_a_third_party_is_exported_and_read_back_as_its_own(here, plugged, tmp_path):
    done = here("capture", "mlp", "--framework", "np", "--max-steps", 3, "-o", tmp_path / "taken", env=plugged)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "trace.json"
    assert here("export", tmp_path / "taken", "--to", "chrome", "-o", file, env=plugged).returncode == 0
    assert here("import", file, "-o", tmp_path / "back", env=plugged).returncode == 0
    assert manifest(tmp_path / "back")["trace"]["producer"] == "numpy"
    rows = [json.loads(here("show", tmp_path / name, "--format", "json", env=plugged).stdout)["rows"]
            for name in ("taken", "back")]  # fmt: skip
    assert [(row["op"], row["calls"]) for row in rows[0]] == [(row["op"], row["calls"]) for row in rows[1]]
