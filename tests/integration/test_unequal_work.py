"""Sides that do other work than they are asked for, each in a real child of TensorFlow or NumPy: none gets a verdict."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest
from installed import installed

from dlprof import frameworks
from dlprof.analysis.same_work import after, parity, rates, rules
from dlprof.api.compare.work_checks import answers_of
from dlprof.api.options import RunOptions
from dlprof.api.record import Bench
from dlprof.capture.workers.worker import Worker
from dlprof.workload import Workload

CALLS = """
name = "calls"
kind = "op"
title = "A product and a normalisation"

[run]
sizes = [20, 400]
count = 10
dtype = "float32"

[[tasks]]
name = "product"
op = "MatMul"
gradient = false           # parity looks at the result alone, and nothing remembered shows in it
operands = [{ name = "a", shape = ["n", "n"] }, { name = "b", shape = ["n", "n"] }]

[tasks.calls.idiomatic]
tf = "tf.matmul(a, b)"
np = "np.matmul(a, b)"
cheat = "np.matmul(a, b)"

[[tasks]]
name = "norm"
op = "BatchNormalization"
gradient = false
operands = [
  { name = "x", shape = ["n", 4, 4, 3] }, { name = "g", shape = [3] }, { name = "b", shape = [3] }, { name = "m", shape = [3] },
  { name = "v", shape = [3], range = [0.5, 2.0] },
]
calls.idiomatic.tf = "tf.compat.v1.nn.fused_batch_norm(x, g, b, epsilon=0.001, is_training=True)[0]"
calls.idiomatic.np = "(x - np.mean(x, axis=(0, 1, 2))) / np.sqrt(np.var(x, axis=(0, 1, 2)) + 0.001) * g + b"
calls.idiomatic.cheat = "(x - np.mean(x, axis=(0, 1, 2))) / np.sqrt(np.var(x, axis=(0, 1, 2)) + 0.001) * g + b"
"""
ITEMS = ("product[size=20]", "product[size=400]", "norm[size=20]", "norm[size=400]")
PLUGIN = Path(__file__).parent.parent / "plugin"
STEPS = 35  # five blocks of seven
MANY = 140

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]


class Silent:
    """A progress display that shows nothing."""

    def stage(self, text: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def say(self, text: str) -> None: ...
    def plan(self, stages: object) -> None: ...
    def expect(self, seconds: float) -> None: ...


class Sides:
    """Starts workers of one workload: honest ones, and those that cheat in a named way."""

    def __init__(self, workload: str, scratch: Path, framework: str = "tf", **settings: str) -> None:
        self.options = RunOptions(
            workload=workload, preset=None, settings=settings, epochs=None, device="cpu", mode=None, seed=0,
            python=None, data=None, threads=None, max_steps=None, timeout_s=600,
        )  # fmt: skip
        self.bench = Bench(self.options, Silent(), scratch)
        self.side = self.bench.side(framework)
        self.workload: Workload = self.options.resolve(self.side.framework.name)
        self.workloads = {"a": self.workload, "b": self.workload}

    def start(self, cheat: str | None = None) -> Worker:
        made = self.bench.inputs(self.workload, 1)
        request = self.bench.request(self.side, self.workload, made, task="serve")
        if cheat is not None:
            options = {**request.options, "inner_adapter": request.adapter, "cheat": cheat}
            request = msgspec.structs.replace(request, adapter=str(PLUGIN / "cheating_adapter.py"), options=options)
        name = (cheat or "honest").replace(" ", "-")
        return Worker(self.bench.environment(self.side), request, self.bench.scratch / name, 600)


@pytest.fixture(scope="module")
def mlp(tmp_path_factory) -> tuple[Sides, rules.Answers, after.Answer]:
    """An honest side of the MLP, trained for STEPS steps, and what it answers afterwards."""
    sides = Sides("mlp", tmp_path_factory.mktemp("mlp"))
    with sides.start() as worker:
        recorded = answers_of(worker)
        worker.run("train_block", STEPS // 7)
        return sides, recorded, after.Answer(*worker.recheck(7, STEPS))


def found_by(sides: Sides, honest: rules.Answers, answer: after.Answer, cheat: str | None) -> tuple[set[str], set[str]]:
    """What parity and the check after the timing say: the names that block."""
    with sides.start(cheat) as worker:
        before = rules.check(honest, answers_of(worker), sides.workloads)
        worker.run("train_block", STEPS // 7)
        later = after.check(answer, after.Answer(*worker.recheck(7, STEPS)), sides.workloads)
    return (
        {one["where"] for one in parity.blocking(before.differences)},
        {one["where"] for one in parity.blocking(later)},
    )


def test_two_honest_sides_do_the_same_work(mlp):
    assert found_by(*mlp, None) == (set(), set())


@pytest.mark.parametrize(
    ("cheat", "shown"),
    [
        ("skips updates", "run/moved"),
        ("skips updates", "replay/moved/dense1/w"),
        ("first batch", "replay/losses"),
    ],
)
def test_what_begins_after_parity_is_found_after_the_timing(mlp, cheat, shown):
    before, later = found_by(*mlp, cheat)
    assert not before, "it is honest while it is looked at"
    assert shown in later


@pytest.mark.parametrize(
    ("cheat", "shown"),
    [
        ("learning rate", "replay/given/dense1/w"),
        pytest.param("label smoothing", "replay/losses", marks=pytest.mark.slow),
        pytest.param("dropout", "replay/losses", marks=pytest.mark.slow),
        ("lower precision", "replay/logits"),
        pytest.param("other padding", "replay/logits", marks=pytest.mark.slow),
    ],
)
def test_other_work_from_the_first_step_on_is_found(mlp, cheat, shown):
    _, later = found_by(*mlp, cheat)
    assert shown in later


@pytest.fixture(scope="module")
def numpy_framework(tmp_path_factory):
    """NumPy as a framework, as if its package were installed: its children start in no time, and its networks count updates."""
    site = tmp_path_factory.mktemp("site")
    installed(site)
    sys.path.append(str(site))
    frameworks.registry.cache_clear()
    yield
    sys.path.remove(str(site))
    frameworks.registry.cache_clear()


@pytest.fixture(scope="module")
def training(numpy_framework, tmp_path_factory) -> tuple[Sides, after.Answer]:
    """An honest side of the MLP in NumPy, trained for MANY steps, and what it answers afterwards."""
    sides = Sides("mlp", tmp_path_factory.mktemp("training"), "np")
    return sides, trained(sides, None)


def trained(sides: Sides, cheat: str | None) -> after.Answer:
    with sides.start(cheat) as worker:
        worker.run("train_block", MANY // 7)
        return after.Answer(*worker.recheck(7, MANY))


@pytest.mark.parametrize(
    ("cheat", "shown"),
    [
        (None, {}),
        ("skips few", {"run/updates": "train_block: B was asked for 140 training steps"}),
        ("puts steps off", {"timed/train_block": "train_block of B does"}),
    ],
)
def test_steps_that_are_left_out_or_put_off_are_found_after_the_timing(training, cheat, shown):
    sides, honest = training
    found = after.check(honest, trained(sides, cheat), sides.workloads)
    assert {
        one["where"]: said in one["sentence"] for one, said in zip(found, shown.values(), strict=True)
    } == dict.fromkeys(shown, True)


@pytest.fixture(scope="module")
def inferring(numpy_framework, tmp_path_factory) -> tuple[Sides, after.Answer]:
    """An honest side of the MLP in NumPy that makes forward passes alone, and what it answers afterwards."""
    sides = Sides("mlp", tmp_path_factory.mktemp("inferring"), "np", task="infer")
    return sides, inferred(sides, None)


def inferred(sides: Sides, cheat: str | None) -> after.Answer:
    with sides.start(cheat) as worker:
        worker.run("infer_block", 5)
        return after.Answer(*worker.recheck(7, 0))


@pytest.mark.parametrize(
    ("cheat", "shown"),
    [
        (None, set()),
        ("drops passes", {"replay/logits"}),
        ("puts passes off", {"replay/logits", "timed/infer_block"}),
        ("knows its weights", {"timed/infer_block"}),
    ],
)
def test_forward_passes_that_are_left_out_or_put_off_are_found_where_nothing_is_trained(inferring, cheat, shown):
    sides, honest = inferring
    found = after.check(honest, inferred(sides, cheat), sides.workloads)
    assert {one["where"] for one in parity.blocking(found)} == shown
    assert all("infer_block" in one["sentence"] for one in found)


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> tuple[Sides, rules.Answers, after.Answer]:
    """An honest side of the calls in TensorFlow, and what it answers before and after they are timed."""
    folder = tmp_path_factory.mktemp("calls")
    (folder / "calls.toml").write_text(CALLS)
    return answered(Sides(str(folder / "calls.toml"), folder))


def answered(sides: Sides) -> tuple[Sides, rules.Answers, after.Answer]:
    with sides.start() as worker:
        recorded = answers_of(worker)
        for item in ITEMS:
            worker.run(item, 3)
        return sides, recorded, after.Answer(*worker.recheck(7, 0))


@pytest.fixture(scope="module")
def numpy_calls(numpy_framework, tmp_path_factory) -> tuple[Sides, rules.Answers, after.Answer]:
    """The same in NumPy."""
    folder = tmp_path_factory.mktemp("numpy-calls")
    (folder / "calls.toml").write_text(CALLS)
    return answered(Sides(str(folder / "calls.toml"), folder, "np"))


LEFT_OUT = {
    "remembers": ({"array", "precision"}, {"@0", "@1", "@2"}),
    "remembers between": ({"array", "precision"}, {"@2"}),
    "lazy": ({"array", "deferred"}, {"", "@2"}),
    "drops": ({"array", "precision"}, {"@0", "@1", "@2"}),
}


@pytest.mark.parametrize("cheat", LEFT_OUT)
@pytest.mark.parametrize("framework", ["numpy_calls", pytest.param("calls", marks=pytest.mark.slow)])
def test_an_operator_that_leaves_its_work_out_is_found_after_the_timing(request, framework, cheat):
    sides, honest, answer = request.getfixturevalue(framework)
    what, where = LEFT_OUT[cheat]
    with sides.start(cheat) as worker:
        assert not parity.blocking(rules.check(honest, answers_of(worker), sides.workloads).differences)
        bursts = {item: worker.run(item, 3) for item in ITEMS}
        later = after.check(answer, after.Answer(*worker.recheck(7, 0)), sides.workloads)
        known = rates.operations(sides.workload, None)
        times = {item: {"b": burst.wall_ns[-1] / burst.units} for item, burst in bursts.items()}
        fast = rates.check(times, known, 1e12)
    assert {one["item"] for one in parity.blocking(later)} == set(ITEMS)
    assert {one["what"] for one in later} <= what
    assert {one["where"].removeprefix(f"timed/{one['item']}") for one in later} == where
    if cheat != "remembers between":
        assert "product[size=400]" in {one["item"] for one in fast}, "128 million operations in less than 128 us"


def test_an_operator_of_tensorflow_that_remembers_its_results_is_found(calls):
    sides, _, answer = calls
    with sides.start("remembers between") as worker:
        for item in ITEMS:
            worker.run(item, 2)
        later = after.check(answer, after.Answer(*worker.recheck(7, 0)), sides.workloads)
    assert {one["where"] for one in parity.blocking(later)} == {f"timed/{item}@2" for item in ITEMS}


def test_a_batch_normalisation_in_inference_mode_is_found(calls):
    sides, honest, answer = calls
    with sides.start("inference mode") as worker:
        assert not parity.blocking(rules.check(honest, answers_of(worker), sides.workloads).differences)
        worker.run("norm[size=20]", 3)
        later = after.check(answer, after.Answer(*worker.recheck(7, 0)), sides.workloads)
    assert {one["where"] for one in later if one["item"] == "norm[size=20]"} == {
        f"timed/norm[size=20]@{number}" for number in range(3)
    }


@pytest.mark.slow
def test_work_that_xla_leaves_out_because_nobody_uses_it_is_found(calls, tmp_path):
    _, _, answer = calls
    (tmp_path / "calls.toml").write_text(CALLS)
    sides = Sides(str(tmp_path / "calls.toml"), tmp_path, "tf:xla")
    with sides.start("dead code") as worker:
        assert not parity.blocking(rules.check(calls[1], answers_of(worker), sides.workloads).differences)
        worker.run("product[size=400]", 1)
        later = after.check(answer, after.Answer(*worker.recheck(7, 0)), sides.workloads)
    assert {one["where"] for one in later if one["item"] == "product[size=400]"} == {
        f"timed/product[size=400]@{number}" for number in range(3)
    }


@pytest.fixture
def cheating(tmp_path) -> dict[str, str]:
    """Variables under which dlprof finds NumPy twice, as `np` and, cheating, as `cheat`."""
    return installed(
        tmp_path / "site",
        "[dlprof.frameworks]\nnp = numpy_framework:NumpyFramework\ncheat = numpy_framework:RememberingFramework\n",
    )


def test_a_side_that_remembers_its_results_is_not_comparable_to_the_user(dlprof, cheating, tmp_path):
    workload = tmp_path / "calls.toml"
    workload.write_text(CALLS)
    done = dlprof("compare", workload, "--a", "np", "--b", "cheat", "--trials", 2, "--traces", 0, "--format", "json",
                  "-o", tmp_path / "out", env=cheating, timeout=600)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "not the same work: timed/product[size=400]@0 differs" in done.stderr
    items = {one["item"]: one["verdict"] for one in json.loads(done.stdout)["items"]}
    assert items["product[size=400]"] == "not_comparable"


def test_a_network_of_which_updates_are_left_out_is_not_comparable_to_the_user(dlprof, cheating, tmp_path):
    done = dlprof("compare", "mlp", "--a", "np", "--b", "cheat", "--trials", 2, "--traces", 0, "--format", "json",
                  "-o", tmp_path / "out", env=cheating, timeout=600)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "not the same work: after timing: train_block: B was asked for" in done.stderr
    items = {one["item"]: one["verdict"] for one in json.loads(done.stdout)["items"]}
    assert items["train_block"] == "not_comparable"
