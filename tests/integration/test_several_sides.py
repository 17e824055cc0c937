"""Three sides at once, in a framework that starts at once: from the command line to the directory, its page and back."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from installed import installed

import dlprof as package
from dlprof.report.json import json_schema

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

CLIP = """
name = "clip"
kind = "op"
title = "Values cut off at both ends"
[run]
sizes = [20000]
count = 20
dtype = "float32"
[[tasks]]
name = "clip"
op = "Clip"
operands = [{ name = "x", shape = ["n"], range = [-1.0, 1.0] }]
[tasks.calls.idiomatic]
np = "np.clip(x, 0.2, 0.8)"
cheat = "np.clip(x, 0.2, 0.8)"
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory) -> dict[str, str]:
    entries = "[dlprof.frameworks]\nnp = numpy_framework:NumpyFramework\ncheat = numpy_framework:RememberingFramework\n"
    readers = "[dlprof.readers]\nnumpy-calls = numpy_trace:numpy_calls\n"
    return installed(tmp_path_factory.mktemp("site"), entries + readers)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("workload") / "clip.toml"
    file.write_text(CLIP, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def three(here, clip, env, tmp_path_factory) -> tuple[Path, str]:
    """The directory of two trials of three sides, the third three times as slow; what the command printed as JSON."""
    target = tmp_path_factory.mktemp("three") / "out"
    done = here("compare", clip, "--side", "np:plain", "--side", "np:plain", "--side", "np:thrice", "--trials", 2,
                  "-o", target, "--format", "json", env=env)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target, done.stdout


def test_all_pairs_come_from_the_same_trials_and_the_json_is_as_described(three):
    target, printed = three
    found = json.loads(printed)
    assert found == json.loads((target / "ranking.json").read_text())
    jsonschema.validate(found, json_schema("ranking"))
    for one in found["comparisons"].values():
        jsonschema.validate(one, json_schema("comparison"))
    assert [side["letter"] for side in found["sides"]][-1] == "c", "the slow one is the last"
    assert {(pair["a"], pair["b"], pair["ratio"]["trials"]) for pair in found["pairs"]} == {
        ("a", "b", 2), ("a", "c", 2), ("b", "c", 2)
    }  # fmt: skip
    first = found["sides"][0]["letter"]
    with_ledger = {letters for letters, one in found["comparisons"].items() if one["ledger"]}
    assert with_ledger == {letters for letters in found["comparisons"] if first in letters}
    assert {path.name for path in target.glob("?-exact-*")} == {f"{side}-exact-{n}" for side in "abc" for n in (1, 2)}


def test_the_directory_agrees_with_itself_until_a_figure_is_changed(here, three, env, tmp_path):
    target, _ = three
    done = here("verify", target, env=env)
    assert done.returncode == 0, done.stdout
    file = target / "ranking.json"
    kept = file.read_text()
    changed = json.loads(kept)
    changed["sides"][2]["worst"] = 2
    file.write_text(json.dumps(changed))
    done = here("verify", target, env=env)
    file.write_text(kept)
    assert done.returncode == 1
    assert "sides[2].worst: stated 2" in done.stdout


def test_a_page_of_all_and_one_of_two_of_them(here, three, env, tmp_path):
    target, _ = three
    for words, said in (((), "All pairs"), (("--pair", "a,c"), "From A to B")):
        page = tmp_path / f"{len(words)}.html"
        done = here("report", target, *words, "-o", page, env=env)
        assert done.returncode == 0, done.stderr
        assert said in page.read_text(encoding="utf-8")
    drawn = tmp_path / "ranking.svg"
    assert here("plot", target, "--kind", "ranking", "-o", drawn, env=env).returncode == 0
    assert drawn.read_text().startswith("<?xml")
    two = here("plot", target, "--pair", "a,c", "--kind", "ranking", "-o", tmp_path / "x.svg", env=env)
    assert "needs a comparison of more than two sides" in two.stderr
    refused = here("plot", target, "--kind", "trials", "-o", tmp_path / "x.svg", env=env)
    assert refused.returncode == 2
    assert "--pair a,b" in refused.stderr
    assert "not two sides" in here("report", target, "--pair", "a,d", "-o", tmp_path / "y.html", env=env).stderr


def test_it_is_gone_on_with_by_the_sides_that_it_was_made_with(here, three, env):
    target, _ = three
    other = here("compare", "--resume", target, "--side", "np", "--side", "np", "--side", "np:plain", env=env)
    assert other.returncode == 2
    done = here("compare", "--resume", target, "--format", "json", env=env)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["sides"]) == 3, "its two trials are there already"


def test_a_side_that_does_not_do_the_work_is_found_by_each_of_its_pairs(here, clip, env, tmp_path):
    done = here("compare", clip, "--side", "np", "--side", "cheat", "--side", "np:thrice", "--trials", 1, "--traces", 0,
                  "-o", tmp_path / "out", env=env)  # fmt: skip
    assert done.returncode == 5, done.stdout
    assert "No order of 3 sides: some of them did different work" in done.stdout


def test_a_study_has_cells_of_several_sides_and_tells_each_pair(here, clip, env, tmp_path):
    file = clip.with_name("study.toml")
    file.write_text(
        'name = "s"\ntitle = "S"\n[[experiments]]\nname = "e"\nworkloads = "clip.toml"\ntrials = 1\ntraces = 0\n'
        'sides = [["np:plain", "np:thrice", "np:plain"]]\n'
    )
    done = here("run", file, "-o", tmp_path / "out", env=env)
    assert done.returncode == 0, done.stderr
    study = package.load(tmp_path / "out")
    (cell,) = study.cells
    assert (cell.id, cell.status) == ("e-clip-np-plain-vs-np-thrice-vs-np-plain", "done")
    assert isinstance(cell.load(), package.RankingResult)
    assert [(row["a"], row["b"]) for row in study.items.rows] == [
        (cell.load().pair(*two).found.a.label, cell.load().pair(*two).found.b.label) for two in ("ab", "ac", "bc")
    ]
    assert cell.record.sentence == cell.load().sentence
    assert cell.record.sentence in " ".join(done.stdout.split())
    assert here("verify", tmp_path / "out", env=env).returncode == 0
