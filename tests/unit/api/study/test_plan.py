"""A study's plan: what cannot be run is told before anything runs; cells that the machine cannot run are set apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT

from dlprof.api.study.plan import plan, restricted
from dlprof.errors import UsageError
from dlprof.study import read
from dlprof.study.record import differing


def planned(tmp_path: Path, experiment: str, **more):
    file = tmp_path / "s.toml"
    file.write_text(f'name = "s"\ntitle = "S"\n[[experiments]]\nname = "e"\n{experiment}\n')
    return plan(read(file), **more)


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        ('workloads = "matmull"', "5: experiments.e.workloads: no workload 'matmull'"),
        ('workloads = "none.toml"', "5: experiments.e.workloads: "),
        ('workloads = "lenet"\npresets = ["report", "slide"]', "6: experiments.e.presets: lenet has no preset 'slide'"),
        ('workloads = "matmul"\nsizes = "9..5/1"', "6: experiments.e.sizes: "),
        ('workloads = "matmul"\nbatch_sizes = 5', "6: experiments.e.batch_sizes: matmul has no setting"),
        ('workloads = "lenet"\nsettings = { train = 5, colour = 1 }', "6: experiments.e.settings.colour: lenet has no"),
        ('workloads = "matmul"\nepochs = 5', "6: experiments.e.epochs: matmul has no setting"),
        ('workloads = "matmul"\nsides = [["tf:grahp", "mxnet"]]', "6: experiments.e.sides: TensorFlow has no mode"),
        ('workloads = "matmul"\nframeworks = ["tf", "caffe"]', "6: experiments.e.frameworks: unknown framework"),
        (
            'workloads = "matmul"\nmodes = { tf = "keras" }',
            "6: experiments.e.modes: mode keras of TensorFlow executes whole",
        ),
        ('workloads = "matmul"\ndevices = "tpu"', "6: experiments.e.devices: not a device"),
        ('workloads = "matmul"\nallow = ["everything"]', "6: experiments.e.allow: no such kind"),
        ('workloads = "lenet"\nmethod = "as-published"', "5: experiments.e.workloads: --method as-published is known"),
        ('workloads = "lenet"\noptimizer = "Lion"', "6: experiments.e.optimizer: no optimizer 'Lion'"),
        ('workloads = "lenet"\nlayers = [{ op = "Gem", units = 5 }]', "6: experiments.e.layers: "),
        ('workloads = "matmul"\nloss = "Hinge"', "6: experiments.e.loss: matmul is no network"),
    ],
)
def test_a_key_that_cannot_be_run_is_told_with_its_line(tmp_path, experiment, told) -> None:
    with pytest.raises(UsageError) as raised:
        planned(tmp_path, experiment)
    assert raised.value.message.startswith(f"{tmp_path}/s.toml:{told}"), raised.value.message


def test_a_cell_of_more_than_two_sides_is_compared_as_the_command_line_compares_them(tmp_path) -> None:
    four = planned(tmp_path, 'workloads = "mlp"\nsides = [["tf", "mxnet", "torch", "jax"]]').cells[0]
    pair = planned(tmp_path, 'workloads = "mlp"\nsides = [["tf", "mxnet"]]').cells[0]
    assert four.compare is not None
    assert four.compare.sides == ("tf", "mxnet", "torch", "jax")
    assert len(four.environments) == 4
    assert four.record.estimate_s > pair.record.estimate_s


def test_what_only_this_machine_lacks_hinders_its_cell_alone(tmp_path) -> None:
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has an NVIDIA GPU")
    cpu, gpu, huge = (
        planned(tmp_path, 'workloads = "matmul"\nsizes = 50\ndevices = ["cpu", "gpu"]').cells
        + planned(tmp_path, 'workloads = "matmul"\nsizes = 1000000').cells
    )
    assert cpu.hindrance == ""
    assert "no NVIDIA GPU" in gpu.hindrance
    assert "memory" in huge.hindrance
    assert gpu.environments == ()


def test_a_workload_file_is_found_beside_the_study(tmp_path) -> None:
    shipped = ROOT / "dlprof" / "workloads" / "mlp.toml"
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "mine.toml").write_text(shipped.read_text().replace('name = "mlp"', 'name = "mine"'))
    (cell,) = planned(tmp_path, 'workloads = "nets/mine.toml"').cells
    assert cell.record.id == "e-mine-tf-vs-mxnet"
    assert cell.run.resolve("tf").name == "mine"


def test_an_architecture_of_the_study_replaces_the_layers_and_renames_the_network(tmp_path) -> None:
    (cell,) = planned(
        tmp_path,
        'workloads = "lenet"\noptimizer = "SGD"\n'
        'layers = [{ op = "Flatten" }, { op = "Gemm", units = 32, activation = "Relu" }, '
        '{ name = "out", op = "Gemm", units = 10 }]',
    ).cells
    network = cell.run.resolve("mxnet")
    assert network.name == "e"
    assert [layer["name"] for layer in network.description["model"]["layers"]] == ["flatten1", "gemm2", "out"]
    assert network.description["optimizer"] == {"op": "SGD", "learning_rate": 0.001}


def test_a_pattern_chooses_cells_and_one_that_chooses_none_is_told(tmp_path) -> None:
    whole = planned(tmp_path, 'workloads = ["matmul", "dot"]\nseeds = [1, 2]')
    assert [cell.record.id for cell in restricted(whole, ["*-dot-*seed2"]).cells] == ["e-dot-tf-vs-mxnet-seed2"]
    assert restricted(whole, []).cells == whole.cells
    with pytest.raises(UsageError, match="--only x: no such cell"):
        restricted(whole, ["x"])


def test_quick_without_anything_quicker_is_told(tmp_path) -> None:
    with pytest.raises(UsageError, match="--quick would change nothing"):
        planned(tmp_path, 'workloads = "matmul"', quick=True)
    assert planned(tmp_path, 'workloads = "matmul"\nquick = { trials = 1 }', quick=True).cells


def test_a_changed_study_is_seen_cell_by_cell(tmp_path) -> None:
    old = [cell.record for cell in planned(tmp_path, 'workloads = ["matmul", "dot"]\nsizes = 50').cells]
    more = [cell.record for cell in planned(tmp_path, 'workloads = ["matmul", "dot", "relu"]\nsizes = 50').cells]
    other = [cell.record for cell in planned(tmp_path, 'workloads = "dot"\nsizes = 50\ntrials = 2').cells]
    assert differing(old, old) == {}
    assert differing(old, more) == {}, "a study may grow"
    assert differing(old, other) == {
        "e-matmul-tf-vs-mxnet": "no longer in the study file",
        "e-dot-tf-vs-mxnet": "trials was None and is 2",
    }


def test_a_workload_file_that_changed_makes_another_cell(tmp_path) -> None:
    shipped = (ROOT / "dlprof" / "workloads" / "mlp.toml").read_text()
    (tmp_path / "mine.toml").write_text(shipped)
    old = [cell.record for cell in planned(tmp_path, 'workloads = "mine.toml"').cells]
    (tmp_path / "mine.toml").write_text(shipped.replace("units = 64", "units = 65"))
    new = [cell.record for cell in planned(tmp_path, 'workloads = "mine.toml"').cells]
    assert differing(old, new) == {"e-mine-tf-vs-mxnet": "the workload itself has changed"}
