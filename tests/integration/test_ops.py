"""Op workloads compared in the real frameworks: all tasks, parity of each item, a row a size, crossover, items without events."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess

import pytest

from dlprof import frameworks
from dlprof.api.sides import parse_side
from dlprof.capture.environments.env_store import EnvStore
from dlprof.workload import load

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1500)]

TASKS = {"create_numpy", "create_rowlist", "create_list", "dot", "matmul", "sigmoid", "relu", "tanh", "softrelu", "softsign",
         "flatten", "normalize"}  # fmt: skip


@pytest.fixture(scope="module")
def all_tasks(here, tmp_path_factory):
    """`compare ops` with one small size a task and one trial; the finished process and its directory."""
    target = tmp_path_factory.mktemp("ops") / "out"
    done = here("compare", "ops", "--set", "sizes=64", "--set", "count=5", "--trials", 1, "-o", target)
    assert done.returncode == 0, done.stderr
    return done, target


def test_all_tasks_of_the_study_are_comparable_and_timed_on_both_sides(all_tasks):
    found = json.loads((all_tasks[1] / "comparison.json").read_text())
    assert {item["item"] for item in found["items"]} == {f"{task}[size=64]" for task in TASKS}
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    assert all(item["ratio"]["estimate"] > 0 and item["a_median_ns"] > 0 for item in found["items"])
    assert all(item["verdict"] == "inconclusive" for item in found["items"]), "one trial decides nothing"
    assert found["facts"]["summary"].endswith("12 items: inconclusive for 12")


def test_an_item_that_a_framework_records_nothing_of_has_no_event_rather_than_zero_time(all_tasks):
    done, target = all_tasks
    found = json.loads((target / "comparison.json").read_text())
    events = found["facts"]["events_of_items"]
    assert events["b"]["create_numpy[size=64]"] == 0, "MXNet records no creation of arrays"
    assert events["a"]["matmul[size=64]"] == events["b"]["matmul[size=64]"] >= 4, "as many calls as are marked"
    assert "records no event for" in " ".join(done.stdout.split())
    assert "create_numpy (1 size)" in " ".join(done.stdout.split())
    assert found["facts"]["explained_of_items"]["a"]["relu[size=64]"] < 0.25, "64 numbers: the call is dispatch"
    assert "items are dispatch-bound, operators cover" in " ".join(done.stdout.split())


def test_what_profiling_costs_a_call_is_measured_beside_the_traced_ones(all_tasks):
    found = json.loads((all_tasks[1] / "comparison.json").read_text())
    assert all(isinstance(found["profiling_overhead"][side], float) for side in "ab")
    for side in "ab":
        child = json.loads((all_tasks[1] / f"{side}-exact-1" / "manifest.json").read_text())["child"]
        assert len(child["window"]["untraced_step_ns"]) >= child["window"]["steps"] / 2 > 0
    assert "profiling overhead unknown" not in all_tasks[0].stdout


def test_how_closely_each_task_agrees_is_stated(all_tasks):
    agreement = json.loads((all_tasks[1] / "comparison.json").read_text())["facts"]["agreement"]
    distances = agreement["largest_relative_difference"]
    assert {name.partition("/")[2] for name in distances if name.startswith("out/")} == {f"{t}[size=64]" for t in TASKS}
    assert max(distances.values()) <= agreement["tolerance"]["relative"]


@pytest.mark.slow
def test_a_sweep_gives_a_row_a_size_and_says_where_the_faster_side_changes(here, tmp_path):
    done = here("compare", "matmul", "--set", "sizes=20..420/200", "--trials", 6, "--traces", 0, "--format", "csv",
                  "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["item"] for row in rows] == [f"matmul[size={size}]" for size in (20, 220, 420)]
    assert all(float(row["low"]) < float(row["ratio"]) < float(row["high"]) for row in rows)
    (sweep,) = json.loads((tmp_path / "out" / "comparison.json").read_text())["facts"]["sweeps"]
    assert sweep["op"] == "matmul"
    assert sweep["sizes"] == [20, 220, 420]
    assert sweep["sentence"].startswith("matmul: ")
    crossing = sweep["crossover"]
    assert crossing["trials"] == 6
    if crossing["size"] is not None:
        assert crossing["low"] <= crossing["size"] <= crossing["high"]
        assert "is faster from about n = " in sweep["sentence"]
    else:
        assert crossing["why"] in sweep["sentence"] or "is faster wherever" in sweep["sentence"]


def test_a_variant_of_the_call_stands_beside_the_idiomatic_one(here, tmp_path):
    done = here("compare", "matmul", "--set", "size=50", "--set", "variant=all", "--trials", 1, "--traces", 0,
                  "--format", "json", "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    items = [item["item"] for item in json.loads(done.stdout)["items"]]
    assert items == ["matmul[size=50]", "matmul[call=study,size=50]", "matmul[call=np,size=50]"]


LAYERS = {"conv2d", "conv2d_gradient", "conv2d_resnet", "max_pool", "average_pool", "softmax", "batch_norm", "dense", "embedding",
          "batch_norm_training", "dense_gradient", "sum", "mean", "max", "add", "mul", "transpose", "sgd", "adam"}  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("tf:graph", "mxnet:hybrid"),
        pytest.param("tf:eager", "mxnet:imperative", marks=pytest.mark.slow),
        pytest.param("tf:xla", "mxnet:symbolic", marks=pytest.mark.slow),
        pytest.param("tf@2.1.0", "mxnet@1.5.1:hybrid-static", marks=pytest.mark.slow),
    ],
)
def test_layers_and_updates_give_the_same_values_and_gradients_in_every_mode(here, tmp_path, a, b):
    done = here("compare", "layers", "--a", a, "--b", b, "--set", "sizes=2", "--set", "count=2", "--trials", 1, "--traces", 0,
                  "--format", "json", "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    assert {item["item"] for item in found["items"]} == {f"{layer}[size=2]" for layer in LAYERS}
    assert all(item["ratio"]["estimate"] > 0 for item in found["items"])


LISTS = {
    "tf": "import tensorflow as tf\nk = tf.keras.losses\n"
    "print(*(n for n, c in vars(k).items() if isinstance(c, type) and issubclass(c, k.Loss) and c is not k.Loss))",
    "mxnet": "import mxnet as mx\nl = mx.gluon.loss\n"
    "print(*{vars(l)[n].__name__ for n in l.__all__} - {'Loss'})",  # the set: some have two names
}


@pytest.mark.parametrize("framework", LISTS)
def test_every_loss_of_both_frameworks_is_matched_or_named(framework):
    python = EnvStore().ensure(parse_side(framework).env).python
    listed = subprocess.run([python, "-c", LISTS[framework]], capture_output=True, text=True, check=True)
    losses = frameworks.with_calls(load("losses"), [framework]).description
    calls = " ".join(task["calls"]["idiomatic"][framework] for task in losses["tasks"])
    matched = set(re.findall(r"\.loss(?:es)?\.([A-Z]\w*)", calls))
    assert set(listed.stdout.split()) == matched | set(losses["unmatched"][framework])
