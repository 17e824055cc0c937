"""Every release of the study and after it: its environment is made, it captures LeNet and an op, and its trace is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.slow, pytest.mark.timeout(1500)]

STEPS = 3
TENSORFLOW = ("2.21.0", "2.15.1", "2.10.1", "2.1.0", "2.0.0", "1.12.2")
MXNET = ("1.9.1", "1.8.0.post0", "1.7.0.post2", "1.6.0", "1.5.1", "1.4.1")
RELEASES = [*(f"tf@{version}" for version in TENSORFLOW), *(f"mxnet@{version}" for version in MXNET)]


def captured(here, target: Path, *words: object) -> dict:
    """The manifest of a capture, and its `show` by op under `rows`."""
    done = here("capture", *words, "--max-steps", STEPS, "-o", target)
    assert done.returncode == 0, done.stderr
    shown = here("show", target, "--format", "json")
    assert shown.returncode == 0, shown.stderr
    return {**json.loads((target / "manifest.json").read_text()), "rows": json.loads(shown.stdout)["rows"]}


def calls(capture: dict, op: str, phase: str | None = None) -> int:
    return sum(row["calls"] for row in capture["rows"] if row["op"] == op and phase in (None, row["phase"]))


@pytest.mark.parametrize("release", [*RELEASES, "tf@1.12.2:eager", "tf@2.1.0:eager"])
def test_lenet_is_captured_and_its_convolutions_are_counted(here, tmp_path, release):
    capture = captured(here, tmp_path / "lenet", "lenet", "--framework", release, "--epochs", 1)
    assert f"{capture['framework']}@{capture['version']}" == release.partition(":")[0].partition(".post")[0]
    assert calls(capture, "Conv", "backward") == calls(capture, "Conv", "forward") == 2 * STEPS
    assert capture["child"]["epochs"][0]["steps"] == STEPS
    assert capture["environment"]["locked"] is True


@pytest.mark.parametrize("release", RELEASES)
def test_an_op_is_captured_with_one_call_in_each_marker(here, tmp_path, release):
    capture = captured(here, tmp_path / "op", "matmul", "--set", "size=50", "--framework", release)
    assert calls(capture, "MatMul") == STEPS
    assert capture["child"]["window"]["steps"] == STEPS
    by_layer = json.loads(here("show", tmp_path / "op", "--by", "layer", "--format", "json").stdout)["rows"]
    assert "matmul[size=50]" in {row["layer"] for row in by_layer}


def test_sessions_of_tensorflow_1_do_the_same_work_as_the_mxnet_of_their_time(here, tmp_path):
    done = here("compare", "lenet", "--a", "tf@1.12.2", "--b", "mxnet@1.4.1", "--trials", 1, "--epochs", 1,
                  "--max-steps", STEPS, "--set", "train=2000", "--set", "validation=200", "--format", "json",
                  "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    facts = {d["where"] for d in found["parity"] if d["what"] == "fact"}
    assert facts >= {"layout", "synchronisation"}
    assert "python" not in facts  # both on 3.6, the only one that TensorFlow 1.12.2 runs on here; MXNet alone gets 3.7
    rows = {(row["op"], row["layer"]): row for row in found["rows"] if row["phase"] == "forward"}
    assert all(rows["Conv", layer]["a_ns"] > 0 and rows["Conv", layer]["b_ns"] > 0 for layer in ("conv1", "conv2"))


def test_a_release_outside_the_table_is_resolved_on_the_fly_with_a_warning(here, tmp_path):
    done = here("capture", "matmul", "--set", "size=50", "--framework", "tf@2.16.2", "--max-steps", STEPS,
                  "-o", tmp_path / "op")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no lock file here" in done.stderr
    manifest = json.loads((tmp_path / "op" / "manifest.json").read_text())
    assert manifest["version"] == "2.16.2"
    assert any("no lock file here" in warning for warning in manifest["warnings"])


@pytest.mark.parametrize("release", ["tf@2.0.0", "tf@2.1.0"])
def test_fit_of_early_tensorflow_2_trains_with_one_thread(here, tmp_path, release):
    """Its input generator, waiting, once held the only thread that the step needed."""
    capture = captured(here, tmp_path / "fit", "mlp", "--framework", f"{release}:keras", "--threads", 1, "--epochs", 1)
    assert capture["child"]["epochs"][0]["steps"] == STEPS


def test_calls_in_sessions_of_tensorflow_1_are_timed_and_checked_after_their_timing(here, tmp_path):
    done = here(
        *("compare", "matmul", "--a", "tf@1.12.2:graph", "--b", "tf@1.12.2:eager", "--trials", 1, "--no-reasons"),
        *("--traces", 0, "--set", "sizes=50", "--set", "count=3", "--format", "json", "-o", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    assert found["items"][0]["ratio"]["trials"] == 1
