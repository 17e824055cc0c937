"""Inputs that once broke a reader of documents stay mended, and every harness runs."""

import importlib

import pytest
from engine import HERE

HARNESSES = ("manifest", "comparison", "study", "workload", "calls")
FINDS = [(name, path) for name in HARNESSES for path in sorted((HERE / f"corpus_{name}").glob("*"))]


def harness(name):
    return importlib.import_module(f"fuzz_{name}").HARNESS


@pytest.mark.parametrize(("name", "find"), FINDS, ids=[f"{name}-{path.name}" for name, path in FINDS])
def test_a_find_is_read_or_refused(attacked, name, find):
    attacked()
    harness(name).one_input(find.read_bytes())


@pytest.mark.parametrize("name", HARNESSES)
def test_a_few_mutations_of_each_kind_of_document_are_read_or_refused(attacked, name, monkeypatch):
    import random

    made, chance = harness(name), random.Random(11)
    pool = made.seeds()
    for seed in pool:
        made.one_input(seed)
    for _ in range(60):
        attacked()
        made.one_input(made.mutated(pool, chance))


BROKEN = {
    "settings that are no table": 'settings = 1',
    "a setting that is no table": 'settings = {a = 1}',
    "presets that are no table": 'presets = "odd"',
    "a preset that is no table": 'presets = {matched = "odd"}',
    "differs that is no list": 'presets = {matched = {differs = 3}}',
    "include that is no list": 'include = 7',
    "include of numbers": 'include = [7]',
    "tasks that are no list": 'include = ["dot"]\ntasks = 3',
    "a change that is no table": 'tasks = [{name = "a"}]\npresets = {matched = {tasks = {a = 3}}}',
    "tasks without names to change": 'tasks = [3]\npresets = {matched = {tasks = {a = {}}}}',
    "a long number": "n = " + "9" * 5000,
    "nested deep": "n = " + "[" * 5000 + "]" * 5000,
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_workload_of_another_shape_is_refused_in_words(attack, tmp_path, what):
    file = tmp_path / "w.toml"
    file.write_text('name = "w"\nkind = "op"\ntitle = "t"\n' + BROKEN[what])
    done = attack("compare", file, "--a", "tf", "--b", "mxnet")
    assert done.code == 2
    assert "w.toml" in done.stderr


LAYERS = {
    "no units": '{name = "a", op = "Gemm"}',
    "no filters": '{name = "a", op = "Conv", kernel = 2}',
    "no kernel": '{name = "a", op = "MaxPool"}',
    "three strides": '{name = "a", op = "MaxPool", kernel = 2, stride = [1, 1, 1]}',
    "stride of nothing": '{name = "a", op = "MaxPool", kernel = 2, stride = 0}',
    "negative units": '{name = "f", op = "Flatten"}, {name = "a", op = "Gemm", units = -1}',
    "huge units": '{name = "f", op = "Flatten"}, {name = "a", op = "Gemm", units = 99999999999999}',
}


@pytest.mark.parametrize("what", LAYERS)
def test_a_layer_that_lacks_a_number_is_refused_in_words(what):
    import tomllib

    from dlprof.capture.data import inputs
    from dlprof.errors import UsageError

    layers = tomllib.loads(f"layers = [{LAYERS[what]}]")["layers"]
    with pytest.raises(UsageError, match="layer a: "):
        list(inputs.weight_shapes(inputs.model_of({"model": {"input": [4, 4, 1], "layers": layers}})))


STUDIES = {
    "an experiment that is no table": "experiments = [3]",
    "a huge number of runs": '[[experiments]]\nname = "e"\nworkloads = "lenet"\nruns = ' + "1" + "0" * 30,
    "a long number": "n = " + "9" * 5000,
    "nested deep": "n = " + "[" * 5000 + "]" * 5000,
}


@pytest.mark.parametrize("what", STUDIES)
def test_a_study_of_another_shape_is_refused_in_words(attack, tmp_path, what):
    file = tmp_path / "s.toml"
    file.write_text('name = "s"\ntitle = "t"\n' + STUDIES[what])
    done = attack("run", file, "--dry-run")
    assert done.code == 2
    assert "s.toml" in done.stderr
