"""`dlprof run` with real frameworks: cells run, fail, are stopped and taken up again; the result is read back."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from processes import start, wait_for

import dlprof as package

pytestmark = pytest.mark.frameworks

HEAD = 'name = "tiny"\ntitle = "A tiny study"\n[defaults]\ntrials = 1\ntraces = 0\nsettings = { count = 2 }\n'
MATMUL = '[[experiments]]\nname = "product"\nworkloads = "matmul"\nsizes = 20\n'
ONE_FRAMEWORK = 'sides = [["mxnet:hybrid", "mxnet:imperative"]]\n'
"""For tests of a run's end, of which it makes no difference what is compared: MXNet starts faster than TensorFlow."""
BROKEN = """name = "broken"
kind = "op"
title = "A call that does not exist"
[run]
sizes = [10]
count = 2
dtype = "float32"
[[tasks]]
name = "broken"
op = "Nothing"
operands = [{ name = "x", shape = ["n"] }]
[tasks.calls.idiomatic]
tf = "tf.no_such_function(x)"
mxnet = "F.abs(x)"
"""


def documented() -> list[str]:
    """The study files that docs/studies.md shows."""
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text()
    return re.findall(r"```toml\n(.*?)```", page, re.DOTALL)


def write(folder: Path, *experiments: str) -> Path:
    (folder / "broken.toml").write_text(BROKEN)
    file = folder / "study.toml"
    file.write_text(HEAD + "".join(experiments))
    return file


def states(folder: Path) -> dict[str, str]:
    return {cell["id"]: cell["status"] for cell in json.loads((folder / "study.json").read_text())["cells"]}


@pytest.fixture(scope="module")
def ran(dlprof, tmp_path_factory):
    """A study of a comparison with monitors, a capture, the study's own method, and a cell whose call does not exist."""
    folder = tmp_path_factory.mktemp("study")
    file = write(
        folder,
        '[[experiments]]\nname = "fails"\nmethod = "capture"\nworkloads = "broken.toml"\nframeworks = "tf"\n',
        MATMUL + 'monitors = ["cpu", "memory", "disk"]\n',
        '[[experiments]]\nname = "traced"\nmethod = "capture"\nworkloads = "relu"\nsizes = 500\nframeworks = "mxnet"\n',
        '[[experiments]]\nname = "published"\nmethod = "as-published"\nworkloads = "flatten"\nsizes = 50\n',
    )
    done = dlprof("run", file, "-o", folder / "out")
    return file, folder / "out", done


def test_a_failing_cell_is_told_and_does_not_stop_the_others(ran) -> None:
    _, out, done = ran
    assert done.returncode == 1, done.stderr
    assert states(out) == {
        "fails-broken-tf": "failed",
        "product-matmul-tf-vs-mxnet": "done",
        "traced-relu-mxnet": "done",
        "published-flatten": "done",
    }
    assert "no_such_function" in done.stdout
    assert "3 done" in done.stdout
    assert "1 failed" in done.stdout


def test_cells_are_what_compare_and_capture_write(ran) -> None:
    _, out, _ = ran
    study = package.load(out)
    assert isinstance(study, package.StudyResult)
    loaded = {cell.id: cell.load() for cell in study.cells if cell.has_result}
    assert isinstance(loaded["product-matmul-tf-vs-mxnet"], package.ComparisonResult)
    assert isinstance(loaded["traced-relu-mxnet"], package.CaptureResult)
    assert loaded["traced-relu-mxnet"].events.num_rows > 0
    assert list(loaded) == ["product-matmul-tf-vs-mxnet", "traced-relu-mxnet", "published-flatten"]


def test_all_items_of_all_cells_are_one_table(ran) -> None:
    _, out, _ = ran
    rows = package.load(out).items.rows
    assert [(row["experiment"], row["task"], row["size"], row["variant"]) for row in rows] == [
        ("product", "matmul", 20, None),
        ("published", "flatten", 50, "study"),
    ]
    assert (rows[0]["a_framework"], rows[0]["b_version"]) == ("tf", "1.9.1")
    assert rows[0]["ratio"] == pytest.approx(rows[0]["b_median_ns"] / rows[0]["a_median_ns"], rel=0.5)


def test_what_the_children_used_is_kept_with_the_cell(ran) -> None:
    _, out, _ = ran
    table = package.load(out).cell("product-matmul-tf-vs-mxnet").monitors()
    assert set(table["process"].to_pylist()) == {"trial-0-a", "trial-0-b"}
    assert max(table["rss_bytes"].to_pylist()) > 20_000_000
    assert any(value for value in table["cpu_percent"].to_pylist())
    assert set(table["gpu_percent"].to_pylist()) == {None}, "was not asked for"
    assert float(table.schema.metadata[b"cost_cpu_s"]) < 1


def test_running_again_tries_only_the_failed_cell(ran, dlprof) -> None:
    file, out, _ = ran
    before = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/manifest.json")}
    again = dlprof("run", file, "-o", out, "--format", "json")
    assert again.returncode == 1
    assert "3 of 4 cells are finished already" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in out.glob("cells/*/manifest.json")} == before
    assert json.loads(again.stdout) == json.loads((out / "study.json").read_text())


def test_a_study_that_changed_is_refused_and_one_that_grew_goes_on(ran, dlprof, tmp_path) -> None:
    file, out, _ = ran
    other = write(tmp_path, MATMUL.replace("20", "30"))
    refused = dlprof("run", other, "-o", out)
    assert refused.returncode == 2
    assert "product-matmul-tf-vs-mxnet: sizes was '20' and is '30'" in refused.stderr
    grown = tmp_path / "grown.toml"
    grown.write_text(file.read_text() + MATMUL.replace("product", "more"))
    (tmp_path / "broken.toml").write_text(BROKEN)
    done = dlprof("run", grown, "-o", out, "--only", "more-*")
    assert done.returncode == 0, done.stderr
    assert states(out)["more-matmul-tf-vs-mxnet"] == "done"


def test_ctrl_c_ends_the_study_and_the_next_run_takes_it_up(dlprof, tmp_path) -> None:
    ends, stopped = "product-matmul-mxnet-hybrid-vs-mxnet-imperative", "longer-dot-mxnet-hybrid-vs-mxnet-imperative"
    longer = MATMUL.replace("product", "longer").replace("matmul", "dot") + 'trials = 3\nmonitors = ["cpu"]\n'
    file = write(tmp_path, MATMUL + ONE_FRAMEWORK, longer + ONE_FRAMEWORK)
    process = start("run", str(file), "-o", "out", cwd=tmp_path)
    try:
        wait_for(process, r"\[2/2\] longer-dot")
        wait_for(process, r"trial 1:")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert states(tmp_path / "out") == {ends: "done", stopped: "interrupted"}, out
    kept = package.load(tmp_path / "out").cell(stopped).load()
    assert kept.items[0].ratio.trials < 3, "the finished trials are kept"
    finished = (tmp_path / "out" / "cells" / ends / "manifest.json").stat().st_mtime_ns
    again = dlprof("run", file, "-o", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert "1 of 2 cells are finished already" in again.stderr
    assert states(tmp_path / "out") == {ends: "done", stopped: "done"}
    assert (tmp_path / "out" / "cells" / ends / "manifest.json").stat().st_mtime_ns == finished
    whole = package.load(tmp_path / "out").cell(stopped)
    assert whole.load().items[0].ratio.trials == 3
    assert "1 trials, 0 traced runs are there" in again.stderr, "the trials of the first run count"
    children = whole.monitors()["process"].to_pylist()
    assert {"trial-0-a", "trial-2-a"} <= set(children), "the samples of both runs are there"
    checked = dlprof("verify", tmp_path / "out")
    assert checked.returncode == 0, checked.stdout


def test_a_killed_run_leaves_its_finished_cells_and_the_next_clears_up(dlprof, tmp_path) -> None:
    file = write(tmp_path, MATMUL + ONE_FRAMEWORK + "runs = 2\n")
    process = start("run", str(file), "-o", "out", cwd=tmp_path)
    try:
        wait_for(process, r"\[2/2\] trials")
        process.kill()
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert list(states(tmp_path / "out").values()) == ["done", "pending"]
    again = dlprof("run", file, "-o", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    left = sorted(path.name for path in (tmp_path / "out" / "cells").iterdir())
    one = "product-matmul-mxnet-hybrid-vs-mxnet-imperative"
    assert left == [one, f"{one}-run2"]


def test_the_example_of_the_documentation_is_a_study(dlprof, tmp_path) -> None:
    (tmp_path / "lenet.toml").write_text(documented()[0])
    done = dlprof("run", tmp_path / "lenet.toml", "--dry-run", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["cells"]) == 2 * 3 + 2 * 2 * 3
    assert [path.name for path in tmp_path.iterdir()] == ["lenet.toml"], "a dry run writes nothing"


@pytest.mark.slow
def test_the_blueprint_of_the_documentation_runs(dlprof, tmp_path) -> None:
    (tmp_path / "blueprint.toml").write_text(documented()[1])
    done = dlprof("run", "blueprint.toml", "--quick", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = package.load(tmp_path / "out")
    (cell,) = study.cells
    found = cell.load()
    assert found.found.workload == "dense"
    assert {row["side"] for row in study.epochs.rows} == {"a", "b"}
    assert all(0 < row["validation_accuracy"] < 1 for row in study.epochs.rows)
    layers = found.captures["b-exact-1"].manifest.workload["model"]["layers"]
    assert [layer["op"] for layer in layers] == ["Flatten", "Gemm", "Gemm"]
    assert {"trial-0-a", "b-native-1"} <= set(cell.monitors()["process"].to_pylist())
