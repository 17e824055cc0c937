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
        ("skips updates", {"run/moved", "replay/moved/dense1/w"}),
        ("first batch", {"replay/losses"}),
    ],
)
def test_what_begins_after_parity_is_found_after_the_timing(mlp, cheat, shown):
    before, later = found_by(*mlp, cheat)
    assert not before, "it is honest while it is looked at"
    assert shown <= later


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


def trained(sides: Sides, cheat: str | None, burst: int = 0) -> after.Answer:
    """burst: blocks in each timed burst; none where all are warm-up."""
    with sides.start(cheat) as worker:
        scales = after.scales(worker.parity())
        for _ in range(MANY // 7 // burst if burst else 1):
            worker.run("train_block", burst or MANY // 7, timed=bool(burst))
        return after.Answer(*worker.recheck(7, MANY, scales))


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
    found = {one["where"]: one["sentence"] for one in after.check(honest, trained(sides, cheat), sides.workloads)}
    assert found.keys() >= shown.keys()
    assert shown or not found, "honest"
    assert all(said in found[where] for where, said in shown.items())


LAYERS = {f"{layer}/{which}" for layer in ("dense1", "dense2", "logits") for which in "wb"}
SUBTLE = {
    "bfloat16 steps": {f"replay/one/{name}@0" for name in LAYERS},
    "bfloat16 updates": {f"replay/given/{name}" for name in LAYERS},
    "decays weights": {f"replay/still/{name}" for name in LAYERS if name.endswith("w")},
    "clips gradients": {f"replay/bright/{name}" for name in LAYERS},
    "freezes a layer": {"run/last/dense1/w", "run/last/dense1/b"},
    "ends training": {f"run/last/{name}" for name in LAYERS},
    "keeps batches": {f"replay/one/{name}@0" for name in LAYERS},
    "bfloat16 until set back": {f"run/blocks/{name}" for name in LAYERS},
    "skips a tenth": {f"run/blocks/{name}" for name in LAYERS},
    "freezes a tenth": {"run/blocks/dense1/w", "run/blocks/dense1/b"},
    "bfloat16 blocks": {f"run/blocks/{name}" for name in LAYERS},
    "keeps a block": {f"run/blocks/{name}" for name in LAYERS},
    "merges blocks": {"replay/losses", *(f"run/blocks/{name}" for name in LAYERS)},
    "four of seven": {"replay/losses", *(f"run/blocks/{name}" for name in LAYERS)},
}
"""Cheats that move the weights nearly as far as honest steps do, and what must show them."""


@pytest.mark.parametrize("burst", [0, 2])
@pytest.mark.parametrize("cheat", SUBTLE)
def test_training_that_differs_by_little_or_late_is_found_after_the_timing(training, cheat, burst):
    """By blocks more after steps of which none were timed, and after two blocks at a time that were."""
    sides, honest = training
    answer = trained(sides, cheat, burst)
    found = {one["where"] for one in parity.blocking(after.check(honest, answer, sides.workloads))}
    assert {name.partition("@")[0] if name.startswith("run/blocks") else name for name in found} >= SUBTLE[cheat]
    assert "run/moved" not in found, "what was asked before would have found it"


@pytest.mark.parametrize(
    ("cheat", "burst", "shown"),
    [
        (None, 3, False),
        ("honest when looked at", 20, True),
        ("honest for a block", 3, True),
        ("honest when looked at", 3, False),  # it is looked at before it is sure: all its steps were honest
    ],
)
def test_a_side_that_is_honest_when_it_is_looked_at_is_looked_at_before_each_timed_burst(training, cheat, burst, shown):
    sides, honest = training
    found = after.check(honest, trained(sides, cheat, burst), sides.workloads)
    told = {one["where"].partition("@")[0] for one in found if one["where"].startswith("run/blocks")}
    assert told == ({f"run/blocks/{name}" for name in LAYERS} if shown else set())
    assert shown or not found


@pytest.mark.parametrize("burst", [0, 2])
def test_a_side_that_merges_blocks_while_the_feed_holds_what_it_held_first_is_found(training, burst):
    sides, honest = training
    answer = trained(sides, "knows the feed", burst)
    found = {one["where"] for one in parity.blocking(after.check(honest, answer, sides.workloads))}
    assert found >= {"replay/fed_losses", *(f"replay/fed/{name}" for name in LAYERS)}


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
        ("drops passes", {"replay/logits", "replay/known"}),
        ("puts passes off", {"replay/logits", "replay/fed_logits", "timed/infer_block"}),
        ("knows its weights", {"timed/infer_block"}),
        ("remembers passes", {"replay/known", "timed/infer_block"}),
        ("remembers parts", {"replay/known", "timed/infer_block"}),
        ("remembers well", {"timed/infer_block"}),
    ],
)
def test_forward_passes_that_are_left_out_or_put_off_are_found_where_nothing_is_trained(inferring, cheat, shown):
    sides, honest = inferring
    found = after.check(honest, inferred(sides, cheat), sides.workloads)
    assert {one["where"] for one in parity.blocking(found)} == shown
    assert all("infer_block" in one["sentence"] for one in found)


@pytest.mark.parametrize(
    ("cheat", "shown"), [("follows rhythm", "replay/logits"), ("knows images", "replay/fed_logits")]
)
def test_forward_passes_that_differ_where_they_come_as_timed_ones_do_are_found(inferring, cheat, shown):
    sides, honest = inferring
    found = after.check(honest, inferred(sides, cheat), sides.workloads)
    assert shown in {one["where"] for one in parity.blocking(found)}


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
    "follows order": ({"array", "precision"}, {"@2"}),
    "follows rhythm": ({"array", "precision"}, {"@2"}),
}
HALVES = ("remembers between", "follows order", "follows rhythm")
"""Of these some calls are made, so that no rate is more than the processor has."""


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
    if cheat not in HALVES:
        assert "product[size=400]" in {one["item"] for one in fast}, "128 million operations in less than 128 us"


@pytest.mark.parametrize("cheat", [None, "knows values", "knows corners", "knows late"])
def test_an_operator_that_knows_its_operands_by_their_values_is_found_by_the_time_that_saves(numpy_calls, cheat):
    sides, _, answer = numpy_calls
    with sides.start(cheat) as worker:
        worker.run("product[size=400]", 25)
        later = after.check(answer, after.Answer(*worker.recheck(7, 0)), sides.workloads)
    found = {one["where"]: one for one in parity.blocking(later) if one["item"] == "product[size=400]"}
    assert found.keys() == ({"timed/product[size=400]"} if cheat else set())
    assert all("product[size=400] of B saves" in one["sentence"] for one in found.values())


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


def test_a_side_that_remembers_its_results_is_not_comparable_to_the_user(here, cheating, tmp_path):
    workload = tmp_path / "calls.toml"
    workload.write_text(CALLS)
    done = here("compare", workload, "--a", "np", "--b", "cheat", "--trials", 2, "--traces", 0, "--format", "json",
                  "-o", tmp_path / "out", env=cheating)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "not the same work: timed/product[size=400]@0 differs" in done.stderr
    items = {one["item"]: one["verdict"] for one in json.loads(done.stdout)["items"]}
    assert items["product[size=400]"] == "not_comparable"


@pytest.mark.parametrize(
    ("cheat", "said"),
    [
        pytest.param("bfloat16 steps", "single steps through the timed feed", marks=pytest.mark.slow),
        pytest.param("bfloat16 updates", "updates with given gradients", marks=pytest.mark.slow),
        pytest.param(
            "decays weights", "steps whose gradient of dense1/w is zero move it by 0 on A", marks=pytest.mark.slow
        ),
        pytest.param("clips gradients", "a step with large gradients move", marks=pytest.mark.slow),
        ("freezes a layer", "a block more after the timed ones moves dense1/w by"),
        pytest.param("ends training", "a block more after the timed ones moves logits/w by", marks=pytest.mark.slow),
        pytest.param("keeps batches", "single steps through the timed feed", marks=pytest.mark.slow),
        pytest.param("merges blocks", "train_block: replay/losses differs", marks=pytest.mark.slow),
        pytest.param("honest for a block", "whole blocks of B move dense1/b elsewhere", marks=pytest.mark.slow),
        pytest.param("bfloat16 blocks", "whole blocks of B move dense1/b elsewhere", marks=pytest.mark.slow),
        pytest.param("skips a tenth", "whole blocks of B move dense1/b elsewhere", marks=pytest.mark.slow),
        pytest.param("freezes a tenth", "whole blocks of B move dense1/b elsewhere", marks=pytest.mark.slow),
        pytest.param("remembers passes", "infer_block: replay/known differs", marks=pytest.mark.slow),
        pytest.param("remembers well", "infer_block of B saves", marks=pytest.mark.slow),
        pytest.param("knows the feed", "known steps on the timed feed's batches", marks=pytest.mark.slow),
    ],
)
def test_training_that_differs_by_little_is_not_comparable_to_the_user(here, cheating, tmp_path, cheat, said):
    done = here("compare", "mlp", "--a", "np", "--b", "cheat:" + cheat.replace(" ", "-"), "--trials", 2, "--traces", 0,
                  "-o", tmp_path / "out", env=cheating)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert said in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cheat", "said"),
    [
        ("follows-rhythm", "infer_block: replay/logits differs"),
        ("knows-images", "infer_block: replay/fed_logits differs"),
    ],
)
def test_passes_that_differ_where_they_come_as_timed_ones_do_are_not_comparable_to_the_user(
    here, cheating, tmp_path, cheat, said
):
    done = here("compare", "mlp", "--set", "task=infer", "--a", "np", "--b", "cheat:" + cheat, "--trials", 2, "--traces", 0,
                  "-o", tmp_path / "out", env=cheating)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert said in done.stderr


def test_a_network_of_which_updates_are_left_out_is_not_comparable_to_the_user(here, cheating, tmp_path):
    done = here("compare", "mlp", "--a", "np", "--b", "cheat", "--trials", 2, "--traces", 0, "--format", "json",
                  "-o", tmp_path / "out", env=cheating)  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "not the same work: after timing: train_block: B was asked for" in done.stderr
    items = {one["item"]: one["verdict"] for one in json.loads(done.stdout)["items"]}
    assert items["train_block"] == "not_comparable"
