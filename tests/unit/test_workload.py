"""Workloads: what the shipped files say, what presets and --set change, and what is refused."""

from __future__ import annotations

import pytest

from dlprof import workload
from dlprof.errors import UsageError

TOML = """
name = "toy"
kind = "network"
title = "A toy"

[data]
dataset = "random"
train = 100
shape = [4]

[model]
input = [4]
layers = [{name = "one", op = "Gemm", units = 3, activation = "Relu"}, {name = "two", op = "Gemm", units = 2}]

[loss]
op = "SoftmaxCrossEntropyLoss"

[optimizer]
op = "Adam"
learning_rate = 0.001
beta1 = 0.9

[run]
batch_size = 10

[presets.slides]
differs = ["optimizer", "activation"]
run = {batch_size = 20}

[presets.slides.left]
optimizer = {op = "SGD", learning_rate = 0.02}
model = {layers = {one = {activation = "Tanh"}}}

[settings.noise]
path = "run.noise"
type = "float"
low = 0
high = 1
meaning = "how much"
"""

SWEEP = 'name = "mm"\nkind = "op"\ntitle = "t"\n[run]\nsizes = [50]\ncount = 50\ndtype = "float32"\n'


def parse(text: str = TOML, **options: object) -> workload.Workload:
    return workload.parse(text, "toy.toml", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", workload.names())
def test_every_shipped_workload_parses_with_each_of_its_presets_on_both_sides(name: str) -> None:
    for preset in workload.load(name).presets:
        for framework in ("tf", "mxnet", None):
            assert workload.resolve(name, preset, framework=framework).preset == preset


def test_lenet_is_typed() -> None:
    network = workload.load("lenet").network
    assert (network.data.train, network.data.validation, network.data.test) == (48_000, 12_000, 10_000)
    assert [layer.name for layer in network.model.layers] == [
        "conv1", "pool1", "conv2", "pool2", "flatten", "dense1", "dense2", "logits",
    ]  # fmt: skip
    assert network.run.batch_size == 200


def test_the_description_holds_no_presets_and_no_settings() -> None:
    assert set(parse().description) == {"name", "kind", "title", "data", "model", "loss", "optimizer", "run"}


def test_settings_change_the_description_and_are_recorded() -> None:
    resolved = parse(settings={"batch_size": "50", "learning_rate": "0.1", "noise": "0.5"})
    assert resolved.description["run"]["batch_size"] == 50
    assert resolved.description["optimizer"]["learning_rate"] == 0.1
    assert resolved.description["run"]["noise"] == 0.5
    assert resolved.chosen == {"batch_size": 50, "learning_rate": 0.1, "noise": 0.5}


def test_a_preset_changes_both_sides_and_its_framework_table_one() -> None:
    left, right = (parse(preset="slides", framework=side) for side in ("left", "right"))
    assert left.description["run"] == right.description["run"] == {"batch_size": 20}
    assert left.description["model"]["layers"][0]["activation"] == "Tanh"
    assert right.description["model"]["layers"][0]["activation"] == "Relu"
    assert left.differs == right.differs == ("optimizer", "activation")


def test_another_optimizer_leaves_no_constants_of_the_old_one_behind() -> None:
    assert parse(preset="slides", framework="left").description["optimizer"] == {"op": "SGD", "learning_rate": 0.02}


def test_resolving_does_not_change_what_the_next_call_gives() -> None:
    parse(preset="slides", framework="left", settings={"batch_size": "1"})
    assert parse().description["run"] == {"batch_size": 10}


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("7", [7]), ("1,5", [1, 5]), ("50..550/250", [50, 300, 550]), ("1..4/2", [1, 3]), ("3..5", [3, 4, 5])],
)
def test_sizes_are_one_a_list_or_a_range_with_step(text: str, sizes: list[int]) -> None:
    assert parse(SWEEP, settings={"sizes": text}).description["run"]["sizes"] == sizes


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("size", "-1", "out of bounds"),
        ("size", "x", "not allowed"),
        ("sizes", "9..1", "must not exceed"),
        ("sizes", "1..9/0", "at least 1"),
        ("sizes", "1..1000000", "over 1000"),
        ("count", "0", "out of bounds"),
        ("count", "1.5", "not allowed"),
        ("dtype", "int3", "not allowed"),
    ],
)
def test_bad_values_are_refused_saying_what_is_allowed(key: str, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        parse(SWEEP, settings={key: text})
    assert error.value.hint is not None
    assert error.value.hint.startswith(f"{key}: ")


@pytest.mark.parametrize("text", ["nan", "inf", "-0.1", "0"])
def test_a_learning_rate_must_be_a_number_above_zero(text: str) -> None:
    with pytest.raises(UsageError, match="out of bounds"):
        parse(settings={"learning_rate": text})


def test_unknown_names_are_answered_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="no workload 'lenett'") as error:
        workload.resolve("lenett")
    assert error.value.hint is not None
    assert error.value.hint.startswith("did you mean lenet?")
    with pytest.raises(UsageError, match="no preset 'slide'") as error:
        parse(preset="slide")
    assert error.value.hint == "did you mean slides? there are: matched, slides"
    with pytest.raises(UsageError, match="no setting 'batchsize'") as error:
        parse(settings={"batchsize": "3"})
    assert error.value.hint is not None
    assert "did you mean batch_size?" in error.value.hint


def test_a_setting_without_its_place_in_the_description_does_not_exist() -> None:
    assert "learning_rate" not in parse(TOML.replace("learning_rate = 0.001\n", "")).settings


def test_a_batch_beyond_the_data_and_a_split_beyond_mnist_are_refused() -> None:
    with pytest.raises(UsageError, match="batch_size 101 exceeds the 100"):
        parse(settings={"batch_size": "101"})
    with pytest.raises(UsageError, match="exceed MNIST's 60000"):
        workload.resolve("lenet", settings={"train": "48001"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "toy.toml: Invalid value"),
        ('kind = "network"\n', "`name` is missing"),
        (TOML.replace("train = 100", 'train = "many"'), "toy.toml: .*data.train"),
        (TOML.replace("[loss]", "[lose]"), "toy.toml: .*loss"),
        (TOML.replace('path = "run.noise"\n', ""), "settings.noise: .*path"),
        (TOML.replace("layers = {one", "layers = {on"), None),
    ],
)
def test_a_faulty_file_is_named_with_what_is_wrong(text: str, says: str | None) -> None:
    if says is None:
        with pytest.raises(UsageError, match="layers has no 'on'"):
            parse(text, preset="slides", framework="left")
        return
    with pytest.raises(UsageError, match=says):
        parse(text)


INCLUDING = """
name = "some"
kind = "op"
title = "Some of the study's tasks"
include = [{entry}, "relu"]

[run]
sizes = []
count = 5
dtype = "float32"
variant = "idiomatic"
"""


def test_an_op_workload_includes_others_with_sizes_of_its_own() -> None:
    found = workload.parse(INCLUDING.format(entry='{name = "matmul", sizes = [50, 550]}'), "some.toml")
    sizes = {task["name"]: task["sizes"] for task in found.description["tasks"]}
    assert sizes["matmul"] == [50, 550]
    assert len(sizes["relu"]) == 20


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('"matmull"', "no workload 'matmull'"),
        ('"lenet"', "include lenet: a network, which has no tasks"),
        ('{name = "matmul", size = 5}', "include matmul: no such key 'size'"),
    ],
)
def test_a_faulty_include_is_named(entry: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        workload.parse(INCLUDING.format(entry=entry), "some.toml")
