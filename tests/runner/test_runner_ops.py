"""The child's op workloads: items from tasks, sizes and calls; parity; a marker around each traced call."""

import json

import numpy as np
import pytest

TASK = {
    "name": "matmul",
    "op": "MatMul",
    "operands": [{"name": "a", "shape": ["n", "n"]}, {"name": "b", "shape": ["n", 3]}],
    "calls": {
        "idiomatic": {"fake": "a @ b"},
        "study": {"fake": "np.tensordot(a, b, axes=[[1], [0]])"},
    },
}
MAKE = {
    "name": "make",
    "op": "Constant",
    "operands": [{"name": "x", "shape": ["n"], "as": "numpy"}],
    "calls": {"idiomatic": {"fake": "np.array(x)"}, "alias": {"fake": "np.asarray(x)"}},
}


def workload(*tasks, **run):
    settings = {"sizes": [2, 4], "count": 5, "dtype": "float32", "variant": "idiomatic"}
    return {"name": "ops", "kind": "op", "tasks": list(tasks), "run": {**settings, **run}}


def ready(child):
    return child.until("ready")[-1]


def test_items_are_tasks_times_sizes_and_name_a_call_that_is_not_the_plain_one(control, start):
    assert ready(start(control(workload=workload(TASK))))["items"] == ["matmul[size=2]", "matmul[size=4]"]
    every = ready(start(control(workload=workload(TASK, variant="all", sizes=[2]))))["items"]
    assert every == ["matmul[size=2]", "matmul[call=study,size=2]"]


def test_a_task_of_its_own_sizes_keeps_them_where_the_run_names_none(control, start):
    tasks = ({**TASK, "sizes": [3]}, {**MAKE, "sizes": [7]})
    items = ready(start(control(workload=workload(*tasks, sizes=[]))))["items"]
    assert items == ["matmul[size=3]", "make[size=7]"]


def test_an_iteration_counts_its_items(control, start):
    child = start(control(workload=workload(TASK)))
    ready(child)
    burst = child.ask(cmd="run", item="matmul[size=4]", iterations=3)
    assert burst["units"] == 5
    assert len(burst["wall_ns"]) == 3


def test_parity_holds_value_and_gradient_of_the_same_operands_for_every_call(control, start):
    child = start(control(workload=workload(TASK, variant="all", sizes=[3])))
    ready(child)
    child.ask(cmd="parity", out="p.npz")
    with np.load(child.folder / "p.npz") as arrays:
        assert sorted(arrays) == [
            "grad/matmul[call=study,size=3]",
            "grad/matmul[size=3]",
            "out/matmul[call=study,size=3]",
            "out/matmul[size=3]",
        ]
        np.testing.assert_allclose(arrays["out/matmul[size=3]"], arrays["out/matmul[call=study,size=3]"], rtol=1e-6)
        gradient = arrays["grad/matmul[size=3]"]
        assert gradient.shape == (3, 3)
        np.testing.assert_allclose(gradient, np.broadcast_to(gradient[0], (3, 3)), atol=1e-6)  # row sums of b


@pytest.mark.parametrize(("variant", "aliased"), [("idiomatic", False), ("alias", True)])
def test_whether_a_creation_call_copies_is_found_out_by_writing_to_its_source(control, start, variant, aliased):
    facts = ready(start(control(workload=workload(MAKE, variant=variant))))["runtime"]["facts"]
    assert facts["input_aliased"] == {"make": aliased}


def test_operands_that_do_not_fit_in_memory_are_refused_before_they_are_made(control, start):
    status, result, _ = start(control(workload=workload(TASK, sizes=[10_000_000]))).finish()
    assert (status, result["status"]) == (1, "unsupported")
    assert "GB" in result["message"]
    assert "--set size" in result["hint"]


def test_a_framework_without_a_call_is_unsupported(control, start):
    task = {**TASK, "calls": {"idiomatic": {"other": "a @ b"}}}
    status, result, _ = start(control(workload=workload(task))).finish()
    assert (status, result["status"]) == (1, "unsupported")
    assert "matmul has no call for fake" in result["message"]


@pytest.mark.parametrize(("fidelity", "syncs_inside"), [("exact", 1), ("native", 0)])
def test_every_traced_call_has_a_marker_and_in_exact_its_own_synchronisation(control, start, fidelity, syncs_inside):
    child = start(control(task="trace", fidelity=fidelity, workload=workload(TASK), max_steps=3))
    status, result, _ = child.finish()
    assert status == 0, result
    assert result["window"]["steps"] == 2 * 3
    events = json.loads((child.folder / result["artefacts"][0]["path"]).read_text())
    spans, inside = [], None
    for kind, name in events:
        if kind == "begin" and "item=" in name:
            inside = []
        elif kind == "end" and "item=" in name:
            spans.append((name, inside))
            inside = None
        elif inside is not None:
            inside.append(kind)
    assert len(spans) == 6
    assert all("matmul[size=" in name for name, _ in spans)
    assert [inside for _, inside in spans] == [["call"] + ["sync"] * syncs_inside] * 6
