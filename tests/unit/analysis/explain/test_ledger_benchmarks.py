"""The benchmarks of the ledger: they judge as the ledger does, on windows whose truth is known."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from places import ROOT

from dlprof.analysis.explain import ledger


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


coverage, planted, under_load = module("ledger_coverage"), module("planted_causes"), module("ledger_under_load")


# ledger_coverage


def test_many_comparisons_at_once_are_judged_as_the_ledger_judges_one() -> None:
    random = np.random.default_rng(1)
    for _ in range(50):
        a = random.normal(1e9, 1e7, (6, 12))
        b = a + random.normal(0, 3e6, (6, 12)) * random.choice([1, 1, 1, 0], 12) + random.choice([0, 0, 0, 4e6], 12)
        held, wrong = coverage.judged(((b - a) / 1000)[None])
        assert held[0].tolist() == [low <= 0 <= high for low, high in ledger._bounds(a, b)]
        assert wrong[0] == any(q is not None and q <= 0.05 for q in ledger._adjusted(a, b))


def packed(path, deltas: np.ndarray, levels: np.ndarray) -> None:
    """A file as `pack` writes it, of windows on as many lines as there are levels."""
    trials, lines = deltas.shape
    tables = []
    for letter, sign in (("a", -0.5), ("b", 0.5)):
        columns = {
            "of": ["tf:graph"] * deltas.size,
            "trial": np.repeat(np.arange(trials), lines),
            "side": [letter] * deltas.size,
            "line": [f"line {at}" for at in range(lines)] * trials,
            "ns": (levels + sign * deltas).ravel(),
        }
        tables.append(pa.table({name: pa.array(values) for name, values in columns.items()}))
    facts = {"tf:graph": {"versions": {}, "busy": [{"other_cpu": 0.1}] * trials}}
    pq.write_table(pa.concat_tables(tables).replace_schema_metadata({"facts": json.dumps(facts)}), path)


def test_a_pool_without_differences_is_covered_as_promised_and_small_lines_do_not_count(tmp_path) -> None:
    levels = np.array([5e6, 3e6, 1e6, 2e3])
    packed(tmp_path / "pool.parquet", np.random.default_rng(2).normal(0, 1e5, (60, 4)), levels)
    (found,) = coverage.evaluate(tmp_path / "pool.parquet", 2000)
    assert (found.trials, found.lines, found.all_lines, found.biased) == (60, 3, 4, 0)
    assert found.step_ns == pytest.approx(9.002e6, rel=0.01)
    assert 0.93 < found.covered.value < 0.97
    assert found.any_false.value < 0.08
    assert found.ran[1] == 10 * 3


def test_a_line_that_favours_one_side_shows_in_the_trials_as_they_ran_though_signs_hide_it(tmp_path) -> None:
    deltas = np.random.default_rng(3).normal(0, 1e5, (60, 2))
    deltas[:, 1] += 4e5
    packed(tmp_path / "pool.parquet", deltas, np.array([5e6, 3e6]))
    (found,) = coverage.evaluate(tmp_path / "pool.parquet", 500)
    assert found.biased == 1
    assert found.ran_any_false == (10, 10)
    assert "10 of 10 (100.0%)" in "\n".join(coverage._lines([found]))


# planted_causes


def found_of(
    name: str, first: str, first_deltas: list[float], lines: list[float] | None, planted_ms: list[float]
) -> Any:
    run = next(run for run in planted.RUNS if run.name == name)
    wall = np.array(lines or [0.0] * len(first_deltas))
    return planted.Found(
        run=run,
        windows=len(first_deltas),
        timed_ms=5.0,
        first=first,
        remark="",
        first_amount=planted.Amount.of(np.array(first_deltas) * 1e6),
        lines=0 if lines is None else 1,
        work=planted.Amount.of(wall * 1e6),
        wall=planted.Amount.of(wall * 1e6),
        off=planted.Amount.between(wall, np.array(planted_ms)),
        planted=tuple(planted_ms),
        how="around the piece",
        agrees=True,
    )


def test_there_are_ten_causes_in_either_framework_and_each_is_planted() -> None:
    assert len(planted.RUNS) == 20
    text = (ROOT / "benchmarks" / "planted_adapter.py").read_text()
    assert all(text.count(f'"{cause.name}"') >= 1 for cause in planted.CAUSES if cause.name != planted.THREADS)


@pytest.mark.parametrize(
    ("run", "refused"),
    [
        (lambda into: planted._compare(planted.RUNS[0], into / "comparison", into), "nothing was planted"),
        (lambda into: under_load.one(argparse.Namespace(number=0, target=str(into / "run"))), "beside a busy process"),
    ],
    ids=["planted causes", "under load"],
)
def test_what_a_benchmark_changes_of_a_comparison_is_what_a_comparison_runs(
    run, refused, monkeypatch, tmp_path
) -> None:
    """Both put a class of their own in the place of WorkloadTrials: one that overrides what is called, and a comparison that
    does not use it is an error, not a run without a cause."""
    from dlprof.api.compare import run as walk
    from dlprof.cli import main

    put: list[type] = []

    def compared(words: list[str]) -> int:
        put.append(walk.WorkloadTrials)
        return 0

    base = walk.WorkloadTrials
    monkeypatch.setattr(walk, "WorkloadTrials", base)
    monkeypatch.setattr(main, "main", compared)
    with pytest.raises(RuntimeError, match=refused):
        run(tmp_path)
    changed = {name for name in vars(put[0]) if not name.startswith("_")}
    assert issubclass(put[0], base)
    assert "worker" in changed
    assert all(callable(getattr(base, name, None)) for name in changed)


def test_a_cause_is_named_by_a_line_or_its_remark_and_covered_within_99_percent_of_both_measurements() -> None:
    lines = [5.0, 5.1, 5.2, 4.9]
    right = found_of("tf:graph/sleeping-input", "input pipeline", lines, lines, [5.3, 5.4])
    assert (right.names, right.excludes, right.covers) == (True, True, True)
    wrong = found_of("tf:graph/sleeping-input", "Conv forward conv1", [5.0, -5.1, 5.2, 4.9], None, [5.3, 5.4])
    assert (wrong.names, wrong.excludes, wrong.covers) == (False, False, False)
    far = found_of("tf:graph/sleeping-input", "input pipeline", lines, lines, [7.0, 7.01])
    assert (far.covers, far.covers_alone) == (False, False)
    loose = found_of("tf:graph/sleeping-input", "input pipeline", lines, lines, [6.0, 6.5, 7.1])
    assert (loose.covers, loose.covers_alone) == (True, False)
    waits = next(cause for cause in planted.CAUSES if cause.name == "extra synchronisation")
    assert waits.of("framework dispatch B waits for its work 10 times a step, A 1")
    assert "1 of 2 runs" in planted._lines([right, wrong])[-1]


def test_a_watch_tells_the_traced_steps_from_the_others(tmp_path: Path) -> None:
    """The lines are of the traced steps; a sleep takes longer there."""
    script = """
import sys, types
sys.modules["dlprof_child"] = types.ModuleType("dlprof_child")
sys.modules["dlprof_child.session"] = types.SimpleNamespace(load_adapter=None)
sys.path.insert(0, sys.argv[1])
import planted_adapter as planted
class Inner:
    def start_trace(self, *_): pass
    def stop_trace(self): return "artefacts"
    def network(self, *_): return types.SimpleNamespace(batch=lambda *_: None)
backend = planted.PlantedBackend(Inner(), planted.sleeping_input, sys.argv[2])
planted.SLEEP_S = 0.0
network = backend.network(None, None)
for _ in range(3): network.batch(0, 0)
backend.start_trace("", "exact", {})
for _ in range(2): network.batch(0, 0)
assert backend.stop_trace() == "artefacts"
network.batch(0, 0)
"""
    subprocess.run([sys.executable, "-c", script, str(ROOT / "benchmarks"), str(tmp_path)], check=True)
    counted = json.loads(next(tmp_path.iterdir()).read_text())
    assert (counted["steps"], counted["traced_steps"]) == (6, 2)
    assert 0 < counted["traced_seconds"] < counted["seconds"]


# ledger_under_load


@pytest.mark.parametrize(
    ("verdict", "timed", "traced", "sure", "agrees", "silent"),
    [
        ("slower", 6.0, 5.0, True, True, False),
        ("slower", 6.0, -5.0, False, True, True),
        ("slower", 6.0, -5.0, False, False, False),
        ("slower", 6.0, 12.0, True, True, True),
        ("slower", 6.0, 12.0, False, True, False),
        ("inconclusive", 6.0, -5.0, True, True, False),
    ],
)
def test_a_ledger_contradicts_in_silence_where_it_is_shown_and_says_otherwise(
    tmp_path, verdict, timed, traced, sure, agrees, silent
) -> None:
    def bounded(value: float) -> dict[str, float]:
        return {"ns": value, "low_ns": value - 1e6 if sure else -1e9, "high_ns": value + 1e6 if sure else 1e9}

    written = {"items": [{"verdict": verdict}], "ledger": {"timed_gap_ns": timed * 1e6, "gap_ns": traced * 1e6}}
    for name, value in (("timed_gap", timed), ("traced_gap", traced)):
        written["ledger"] |= {f"{name}_low_ns": (value - 1) * 1e6, f"{name}_high_ns": (value + 1) * 1e6}
    parts = [{"name": "profiling", "amount": bounded((traced - timed) * 1e6)}]
    written["ledger"] |= {"agrees": agrees, "bridge": {"parts": parts}}
    written["ledger"] |= {"explained_share": 0.9, "explained_low": 0.8, "explained_high": 1.1}
    target = tmp_path / "run-00"
    target.mkdir()
    (target / "comparison.json").write_text(json.dumps(written))
    target.with_suffix(".load.json").write_text("[0, 2, 5]")
    found = under_load.read(target)
    assert found.silent is silent
    assert "1, 3, 6" in under_load._lines([found])[2]
    assert "90% [80%, 110%]" in under_load._lines([found])[2]
    assert "90% on the mean over the runs." in under_load._lines([found])[-1]
