"""Sides that do other work than they are asked for, each in a real child of TensorFlow: none gets a verdict."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from dlprof.analysis.same_work import after, parity, rates, rules
from dlprof.api.compare.work_checks import answers_of
from dlprof.api.options import RunOptions
from dlprof.api.record import Bench
from dlprof.capture.workers.worker import Worker
from dlprof.workload import Workload

PRODUCT = """
name = "product"
kind = "op"
title = "A product"

[run]
sizes = [400]
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
"""
PLUGIN = Path(__file__).parent.parent / "plugin"
STEPS = 35  # five blocks of seven

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

    def __init__(self, workload: str, scratch: Path, **settings: str) -> None:
        self.options = RunOptions(
            workload=workload, preset=None, settings=settings, epochs=None, device="cpu", mode=None, seed=0,
            python=None, data=None, threads=None, max_steps=None, timeout_s=600,
        )  # fmt: skip
        self.bench = Bench(self.options, Silent(), scratch)
        self.side = self.bench.side("tf")
        self.workload: Workload = self.options.resolve("tf")
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
def product(tmp_path_factory) -> tuple[Sides, rules.Answers, after.Answer]:
    folder = tmp_path_factory.mktemp("product")
    (folder / "product.toml").write_text(PRODUCT)
    sides = Sides(str(folder / "product.toml"), folder)
    with sides.start() as worker:
        recorded = answers_of(worker)
        worker.run("product[size=400]", 3)
        return sides, recorded, after.Answer(*worker.recheck(7, 0))


@pytest.mark.parametrize(
    ("cheat", "what"),
    [("remembers", {"array", "precision"}), ("lazy", {"deferred"}), ("drops", {"array", "precision"})],
)
def test_an_operator_that_leaves_its_work_out_is_found_after_the_timing(product, cheat, what):
    sides, honest, answer = product
    with sides.start(cheat) as worker:
        assert not parity.blocking(rules.check(honest, answers_of(worker), sides.workloads).differences)
        burst = worker.run("product[size=400]", 3)
        later = after.check(answer, after.Answer(*worker.recheck(7, 0)), sides.workloads)
        known = rates.operations(sides.workload, None)
        fast = rates.check({"product[size=400]": {"b": burst.wall_ns[-1] / burst.units}}, known, 1e12)
    assert {one["item"] for one in parity.blocking(later)} == {"product[size=400]"}
    assert {one["what"] for one in later} <= what
    assert [one["item"] for one in fast] == ["product[size=400]"], "128 million operations in less than 128 us"


def test_a_side_that_remembers_its_results_is_not_comparable_to_the_user(dlprof, tmp_path):
    info = tmp_path / "site" / "cheating_framework-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cheating-framework\nVersion: 1.0\n")
    workload = tmp_path / "product.toml"
    workload.write_text(PRODUCT)
    (info / "entry_points.txt").write_text(
        "[dlprof.frameworks]\nnp = numpy_framework:NumpyFramework\ncheat = numpy_framework:RememberingFramework\n"
    )
    path = ":".join(map(str, (Path(__file__).parent.parent.parent, PLUGIN, info.parent)))
    done = dlprof("compare", workload, "--a", "np", "--b", "cheat", "--trials", 2, "--traces", 0, "--format", "json",
                  "-o", tmp_path / "out", env={"PYTHONPATH": path}, timeout=600)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "not the same work: timed/product[size=400]@0 differs" in done.stderr
    (item,) = json.loads(done.stdout)["items"]
    assert item["verdict"] == "not_comparable"
    assert item["item"] == "product[size=400]"
