"""Misspelt keys of workload and study files are errors that suggest the right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof import workload
from dlprof.errors import UsageError
from dlprof.study.spec import parse

OP = """
name = "clip"
kind = "op"
title = "t"
[run]
sizes = [10]
count = 5
dtype = "float32"
[[tasks]]
name = "clip"
operands = [{ name = "x", shape = ["n"], range = [-1.0, 1.0] }]
differentiate = true
[tasks.calls.idiomatic]
tf = { call = "tf.clip_by_value(x, 0.2, 0.8)", layout = "NHWC" }
"""

LENET = (Path(workload.__file__).parent / "workloads" / "lenet.toml").read_text()


@pytest.mark.parametrize(
    ("right", "wrong", "where", "meant"),
    [
        ("differentiate", "differentiat", "tasks[0].differentiat", "differentiate"),
        ("range =", "rnage =", "tasks[0].operands[0].rnage", "range"),
        ("count", "cuont", "run.cuont", "count"),
        ("[run]", 'unmatchd = {tf = ["a"]}\n[run]', "unmatchd", "unmatched"),
        ("layout", "laout", "tasks[0].calls[...][...].laout", "layout"),
    ],
)
def test_a_misspelt_key_of_an_op_workload_is_told_with_its_place(
    right: str, wrong: str, where: str, meant: str
) -> None:
    workload.parse(OP, "clip.toml")
    with pytest.raises(UsageError) as told:
        workload.parse(OP.replace(right, wrong), "clip.toml")
    assert told.value.message == f"clip.toml: {where}: no such key ({meant}?)"
    assert (told.value.hint or "").startswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("right", "wrong", "meant"),
    [
        ("learning_rate", "learing_rate", "learning_rate"),
        ("block_steps", "blok_steps", "block_steps"),
        ("filters", "filter", "filters"),
        ("initializer", "initialiser", "initializer"),
    ],
)
def test_a_misspelt_key_of_a_network_is_told(right: str, wrong: str, meant: str) -> None:
    workload.parse(LENET, "lenet.toml")
    with pytest.raises(UsageError, match=rf"{wrong}: no such key") as told:
        workload.parse(LENET.replace(f"{right} =", f"{wrong} ="), "lenet.toml")
    assert f"did you mean {meant}?" in (told.value.hint or "")


def test_a_misspelt_table_of_a_preset_is_told_and_one_of_a_framework_is_not() -> None:
    misspelt = LENET + "\n[presets.other.modell]\ndtype = 'float64'\n"
    with pytest.raises(UsageError, match="preset other: modell: no such key") as told:
        workload.parse(misspelt, "lenet.toml", preset="other")
    assert "did you mean model?" in (told.value.hint or "")
    workload.parse(LENET + "\n[presets.other.torch.run]\nbatch_size = 8\n", "lenet.toml", preset="other")


def test_a_kind_that_nobody_knows_is_told() -> None:
    with pytest.raises(UsageError, match="no kind 'netwrok'") as told:
        workload.parse(OP.replace('"op"', '"netwrok"'), "clip.toml")
    assert "did you mean network?" in (told.value.hint or "")


def test_every_shipped_workload_and_preset_has_known_keys_only() -> None:
    for name in workload.names():
        for preset in workload.load(name).presets:
            for framework in ("tf", "mxnet"):
                workload.resolve(name, preset=preset, framework=framework)


@pytest.mark.parametrize(
    ("text", "where", "meant"),
    [
        ("titel = 't'", "titel", "title"),
        ("[defaults]\nbudgt = '5m'", "defaults.budgt", "budget"),
        ("[[experiments]]\nname = 'a'\nworklods = ['lenet']", "experiments.a.worklods", "workloads"),
    ],
)
def test_a_misspelt_key_of_a_study_is_told_with_its_line(text: str, where: str, meant: str) -> None:
    line = text.count("\n") + 2
    with pytest.raises(UsageError, match=rf"study.toml:{line}: {where}: no such key") as told:
        parse(f"name = 's'\n{text}\n", Path("study.toml"))
    assert f"did you mean {meant}?" in (told.value.hint or "")
