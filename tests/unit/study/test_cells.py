"""Experiments become cells: axes multiplied, defaults and --quick laid over each other, sides paired."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof.errors import UsageError
from dlprof.study.cells import LONGEST_ID, expand
from dlprof.study.spec import parse


def cells(experiment: str, *, before: str = "", quick: bool = False):
    text = f'name = "s"\ntitle = "S"\n{before}\n[[experiments]]\nname = "e"\n{experiment}\n'
    return [planned.cell for planned in expand(parse(text, Path("s.toml")), quick=quick)]


def test_a_study_that_grows_to_more_runs_keeps_what_ran_once() -> None:
    once, twice = (
        cells(f'workloads = "matmul"\n{more}sides = [["tf:graph", "tf:eager"]]') for more in ("", "runs = 2\n")
    )
    assert [cell.id for cell in twice] == [once[0].id, f"{once[0].id}-run2"]


def test_axes_multiply_and_each_named_one_is_in_the_id() -> None:
    found = cells('workloads = ["matmul", "dot"]\nseeds = [1, 2]\nruns = 2\nsides = [["tf:graph", "tf:eager"]]')
    assert len(found) == 8
    assert found[0].id == "e-matmul-tf-graph-vs-tf-eager-seed1"
    assert {(cell.workload, cell.seed, cell.run) for cell in found} == {
        (workload, seed, run) for workload in ("matmul", "dot") for seed in (1, 2) for run in (1, 2)
    }


def test_whole_repetitions_come_one_after_the_other() -> None:
    assert [cell.run for cell in cells('workloads = ["matmul", "dot"]\nruns = 2')] == [1, 1, 2, 2]


def test_what_is_not_said_is_as_dlprof_compare_has_it() -> None:
    (cell,) = cells('workloads = "matmul"')
    assert (cell.method, cell.a, cell.b, cell.device, cell.seed, cell.run) == ("compare", "tf", "mxnet", "cpu", 0, 1)
    assert (cell.preset, cell.epochs, cell.settings, cell.changes) == (None, None, {}, {})
    assert cell.id == "e-matmul-tf-vs-mxnet"


def test_sizes_are_one_sweep_and_no_axis() -> None:
    assert cells('workloads = "matmul"\nsizes = [50, 100]')[0].settings == {"sizes": "50,100"}
    assert cells('workloads = "matmul"\nsizes = "50..550/50"')[0].settings == {"sizes": "50..550/50"}


def test_values_become_settings_as_the_command_line_takes_them() -> None:
    found = cells('workloads = "lenet"\nbatch_sizes = [100, 200]\ntask = "infer"\nsettings = { train = 500 }')
    assert [cell.settings for cell in found] == [
        {"train": "500", "batch_size": str(size), "task": "infer"} for size in (100, 200)
    ]


def test_a_setting_with_several_values_is_an_axis() -> None:
    found = cells('workloads = "matmul"\nsettings = { variant = ["study", "idiomatic"], count = 5 }')
    assert [cell.id for cell in found] == [
        "e-matmul-tf-vs-mxnet-variant-study",
        "e-matmul-tf-vs-mxnet-variant-idiomatic",
    ]


TABLES = """workloads = "lenet"
frameworks = ["tf", "mxnet"]
versions = { tf = ["2.1.0", "2.21.0"], mxnet = ["1.5.1", "1.9.1"] }
"""


@pytest.mark.parametrize(
    ("more", "pairs"),
    [
        (
            "",
            [(f"tf@{tf}", f"mxnet@{mxnet}") for tf in ("2.1.0", "2.21.0") for mxnet in ("1.5.1", "1.9.1")],
        ),
        ('pairing = "index"', [("tf@2.1.0", "mxnet@1.5.1"), ("tf@2.21.0", "mxnet@1.9.1")]),
        ('pairing = "neighbours"', [("tf@2.1.0", "tf@2.21.0"), ("mxnet@1.5.1", "mxnet@1.9.1")]),
    ],
)
def test_frameworks_and_versions_are_paired_as_asked(more, pairs) -> None:
    assert [(cell.a, cell.b) for cell in cells(TABLES + more)] == pairs


def test_more_than_two_sides_make_one_cell_that_compares_them_at_once() -> None:
    written = cells('workloads = "matmul"\nsides = [["tf:graph", "mxnet", "torch"], ["tf", "jax"]]')
    assert [(cell.a, cell.b, cell.more) for cell in written] == [("tf:graph", "mxnet", ["torch"]), ("tf", "jax", [])]
    assert written[0].id == "e-matmul-tf-graph-vs-mxnet-vs-torch"
    (together,) = cells(TABLES + 'pairing = "together"')
    assert (together.a, together.b, together.more) == ("tf@2.1.0", "tf@2.21.0", ["mxnet@1.5.1", "mxnet@1.9.1"])


def test_of_one_framework_alone_every_two_sides_are_compared() -> None:
    found = cells('workloads = "lenet"\nframeworks = "tf"\nmodes = { tf = ["graph", "eager", "xla"] }')
    assert [(c.a, c.b) for c in found] == [("tf:graph", "tf:eager"), ("tf:graph", "tf:xla"), ("tf:eager", "tf:xla")]


def test_a_capture_has_one_side_a_cell() -> None:
    found = cells(TABLES + 'method = "capture"\nfidelity = "native"')
    assert [(c.a, c.b) for c in found] == [
        ("tf@2.1.0", None), ("tf@2.21.0", None), ("mxnet@1.5.1", None), ("mxnet@1.9.1", None)
    ]  # fmt: skip
    assert {c.options.fidelity for c in found} == {"native"}


def test_the_nearest_table_counts_and_settings_merge() -> None:
    before = (
        '[defaults]\nseeds = 3\ntraces = 0\nsettings = { count = 5, dtype = "float64" }\n[quick]\nruns = 1\nsizes = 50'
    )
    experiment = 'workloads = "matmul"\nruns = 4\nsettings = { count = 7 }\n[experiments.quick]\nsizes = 60'
    full, quick = cells(experiment, before=before), cells(experiment, before=before, quick=True)
    assert (len(full), len(quick)) == (4, 1)
    assert full[0].settings == {"count": "7", "dtype": "float64"}
    assert quick[0].settings["sizes"] == "60"
    assert (quick[0].seed, quick[0].options.traces) == (3, 0)


def test_a_nearer_trials_ends_a_farther_budget() -> None:
    (quick,) = cells('workloads = "matmul"\nbudget = "20m"', before="[quick]\ntrials = 1", quick=True)
    assert (quick.options.trials, quick.options.budget_s) == (1, None)


def test_an_optimizer_takes_the_learning_rates_into_its_own_table() -> None:
    found = cells(
        'workloads = "mlp"\noptimizer = "SGD"\nlearning_rate = [0.1, 0.01]\nlayers = [{ op = "Gemm", units = 1 }]'
    )
    assert [cell.changes["optimizer"] for cell in found] == [
        {"op": "SGD", "learning_rate": 0.1},
        {"op": "SGD", "learning_rate": 0.01},
    ]
    assert found[0].settings == {}


def test_a_long_id_is_cut_and_stays_unlike_others() -> None:
    words = ", ".join(f'"{"x" * 150}{n}"' for n in range(2))
    ids = {cell.id for cell in cells(f"workloads = [{words}]")}
    assert len(ids) == 2
    assert all(len(name) <= LONGEST_ID for name in ids)


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        ("runs = 2", "s.toml:4: experiments.e.workloads: is missing"),
        ('workloads = "matmul"\nruns = 0', "s.toml:7: experiments.e.runs: must be at least 1"),
        ('workloads = "matmul"\nseeds = [1, -1]', "s.toml:7: experiments.e.seeds: must be at least 0"),
        ('workloads = "matmul"\nseeds = []', "s.toml:7: experiments.e.seeds: an empty list"),
        ('workloads = "matmul"\nseeds = [1, 1]', "s.toml:4: experiments.e: two cells are the same: e-matmul"),
        ('workloads = "matmul"\nbudget = "soon"', "s.toml:7: experiments.e.budget: not a duration"),
        ('workloads = "matmul"\nbudget = "5m"\ntrials = 3', "s.toml:8: experiments.e.trials: fixes the number"),
        ('workloads = "matmul"\nsides = [["tf"]]', "s.toml:7: experiments.e.sides: not two sides or more"),
        (f'workloads = "matmul"\nsides = [{["tf"] * 9}]', "s.toml:7: experiments.e.sides: 9 sides: at most 8"),
        ('workloads = "matmul"\nframeworks = "tf"', "s.toml:7: experiments.e.frameworks: one side alone"),
        ('workloads = "matmul"\nmodes = { jax = "x" }', "s.toml:7: experiments.e.modes: jax is not among"),
        ('workloads = "matmul"\nmethod = "capture"\ntrials = 3', "s.toml:8: experiments.e.trials: has no meaning"),
        (
            'workloads = "dot"\nmethod = "as-published"\nsides = [["tf", "mxnet"]]',
            "s.toml:8: experiments.e.sides: has no",
        ),
        (
            TABLES + 'modes = { tf = ["graph", "eager"] }\npairing = "index"',
            "s.toml:10: experiments.e.pairing: index needs",
        ),
    ],
)
def test_what_makes_no_sense_is_told_with_its_line(experiment, told) -> None:
    with pytest.raises(UsageError) as raised:
        cells(experiment)
    assert raised.value.message.startswith(told), raised.value.message
