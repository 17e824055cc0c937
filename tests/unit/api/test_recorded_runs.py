"""Several recorded runs a side: which times count, what the order and the machines are said to be, what is no run."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from rank_traces import job, trace

from dlprof.api.ranks.build import build
from dlprof.api.recorded_runs import diff
from dlprof.cli.main import main
from dlprof.errors import UsageError
from dlprof.report.json import json_schema

US = 1000.0
HOUR = 3.6e9  # µs


def recorded(folder: Path, name: str, wall: float, when: float, host: str = "a") -> Path:
    """One run, whose five steps take `wall` µs."""
    folder.mkdir(exist_ok=True)
    plain = trace(0, lambda step: 300.0, lambda step: 350.0, world=1, steps=5, wall=wall, ahead=when, host=host)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(plain))
    return file


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Six runs a side: B takes 1.5 times as long. `late`: B after A; `turns`: A and B in turns."""
    place = tmp_path_factory.mktemp("runs")
    found: dict[str, list[Path]] = {}
    for order in ("late", "turns"):
        for side, base in (("a", 1000.0), ("b", 1500.0)):
            found[order + side] = [
                recorded(place / f"{order}-{side}", f"run{at}", base + 7.0 * ((at * 3) % 5),
                         HOUR * (2 * at + (side == "b") if order == "turns" else at + 6 * (side == "b")))
                for at in range(6)
            ]  # fmt: skip
    return found


def test_runs_are_trials_and_give_a_verdict(sides: dict[str, list[Path]]) -> None:
    found = diff(sides["latea"], sides["lateb"], margin=0.05)
    assert [run.time_ns for run in found.a] == [(1000 + 7 * ((at * 3) % 5)) * US for at in range(6)]
    assert (found.basis, found.result.verdict, found.result.a_runs) == ("step", "slower", 6)
    assert found.result.estimate == pytest.approx(1.5, rel=0.02)
    assert found.sentence.startswith("B is slower than A: +49")
    assert {run.host for run in found.a} == {"a"}


def test_the_order_is_told_from_the_clocks(sides: dict[str, list[Path]]) -> None:
    late = diff(sides["latea"], sides["lateb"], margin=0.05)
    turns = diff(sides["turnsa"], sides["turnsb"], margin=0.05)
    assert any("all runs of A were recorded before the first of B" in one for one in late.rests_on)
    assert any("took turns: 11 changes of side in 12 recordings" in one for one in turns.rests_on)
    assert any("All hosts of A are hosts of B (a)" in one for one in late.rests_on)


def test_other_machines_and_copies_are_said(sides: dict[str, list[Path]], tmp_path: Path) -> None:
    other = [recorded(tmp_path, f"run{at}", 1000.0 + at, at * HOUR, host="z") for at in range(2)]
    copy = Path(shutil.copy(sides["latea"][0], tmp_path / "copy.json"))
    found = diff([*sides["latea"], copy, sides["latea"][1]], other, margin=0.05)
    assert len(found.a) == 6
    assert any("is the same recording as" in one and "copy.json" in one for one in found.rests_on)
    assert any("A ran on a, B on z" in one for one in found.rests_on)
    with pytest.raises(UsageError, match="the same recording as"):
        diff(sides["latea"], [copy], margin=0.05)


def test_ranks_of_one_job_are_one_run_and_their_data_sets_are_runs(tmp_path: Path) -> None:
    sets = []
    for at in range(3):
        folder = job(tmp_path / f"job{at}", lambda rank, step: 10.0 * rank, ranks=2, steps=3, aheads=(HOUR * at,) * 2)
        build(folder, tmp_path / f"set{at}", jobs=1)
        sets.append(tmp_path / f"set{at}")
    with pytest.raises(UsageError, match="ranks 0, 1: of one job all are one run"):
        diff(sorted((tmp_path / "job0").iterdir()), [sets[2]], margin=0.05)
    found = diff(sets[:2], sets[2:], margin=0.05)
    assert [run.time_ns for run in (*found.a, *found.b)] == [1000 * US] * 3
    assert found.result.verdict == "inconclusive"


def test_a_step_never_stands_beside_a_recording(sides: dict[str, list[Path]], tmp_path: Path) -> None:
    plain = json.loads(sides["lateb"][0].read_bytes())
    plain["traceEvents"] = [one for one in plain["traceEvents"] if one["cat"] != "user_annotation"]
    (tmp_path / "unmarked.json").write_text(json.dumps(plain))
    with pytest.raises(UsageError, match="marks no steps, and others do"):
        diff(sides["latea"], [tmp_path / "unmarked.json"], margin=0.05)
    plain["traceEvents"][0]["ts"] += 1.0
    (tmp_path / "other.json").write_text(json.dumps(plain))
    found = diff([tmp_path / "unmarked.json"], [tmp_path / "other.json"], margin=0.05)
    assert (found.basis, found.result.low) == ("recording", None)


def test_the_command_in_all_forms(sides: dict[str, list[Path]], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["diff", "--a", *map(str, sides["latea"]), "--b", *map(str, sides["lateb"])]
    assert main(words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("B is slower than A")
    assert "whether both sides did the same work was not checked" in said
    assert main([*words, "--format", "json"]) == 0
    jsonschema.validate(json.loads(capsys.readouterr().out), json_schema("recorded_runs"))
    assert main([*words, "--format", "csv"]) == 0
    assert [row["side"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["a"] * 6 + ["b"] * 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "two recordings are needed"),
        (["x.json"], "two recordings are needed"),
        (["--a", "x.json"], "runs are named for both sides"),
        (["y.json", "--a", "x.json", "--b", "z.json"], "runs are named for both sides"),
        (["--a", "x.json", "--b", "z.json", "--format", "markdown"], "text, json or csv"),
    ],
)
def test_what_is_missing_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *words]) == 2
    assert said in capsys.readouterr().err
