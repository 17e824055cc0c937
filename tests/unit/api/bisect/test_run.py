"""A bisection from its command line to its answer, with comparisons that are drawn instead of run."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dlprof.analysis.bisection import Place
from dlprof.analysis.model import Comparison, ItemResult, Ratio, Side
from dlprof.api.bisect import run, subject
from dlprof.api.bisect.run import Asked, bisect
from dlprof.api.bisect.search import Search
from dlprof.api.bisect.subject import Scripts, Workloads
from dlprof.api.options import CompareOptions
from dlprof.api.progress import Stages
from dlprof.api.script import ground
from dlprof.api.script.options import ScriptCompare
from dlprof.capture.script.command import Command
from dlprof.cli.main import main
from dlprof.cli.verbs import compare as compare_verb
from dlprof.errors import ChildFailed, Interrupted, UsageError
from dlprof.report.text import bisect_text

SIDE = Side("python", "3", "cpu:0", "", "3.11", "train")


class Quiet(Stages):
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def shown(self, line: str) -> None:
        self.lines.append(line)


class Drawn:
    """Stands for the processes: revisions with heights, and a verdict by the true difference."""

    def __init__(self, heights: dict[str, float], sd: float = 0.01) -> None:
        self.heights, self.generator, self.sd = heights, np.random.default_rng(1), sd
        self.values: dict[Path, list[float]] = {}
        self.asked: list[ScriptCompare] = []
        self.broken: set[str] = set()
        self.once_broken: list[str] = []
        self.interrupt_at = 0
        self.verdict = ""

    def __call__(self, asked: ScriptCompare, _: object) -> tuple[Comparison, int]:
        self.asked.append(asked)
        if len(self.asked) == self.interrupt_at:
            raise KeyboardInterrupt
        a, b = (one.revision or one.packages[-1] for one in (asked.a, asked.b))
        if asked.trials == 1 and b in self.once_broken and any(one.b == asked.b for one in self.asked[:-1]):
            self.once_broken.remove(b)
            raise ChildFailed("killed by signal 9")
        if b in self.broken:
            raise ChildFailed("SyntaxError: invalid syntax")
        true = self.heights[b] - self.heights[a]
        values = list(self.generator.normal(true, self.sd, asked.trials or 8))
        assert asked.output is not None
        asked.output.mkdir(parents=True)
        self.values[asked.output] = values
        verdict = "equivalent" if abs(true) < 0.01 else "negligible" if abs(true) < 0.045 else "slower"
        verdict = self.verdict or verdict
        item = ItemResult(
            "step", verdict, Ratio(float(np.exp(np.mean(values))), 1, 2, 0.99, len(values), "t"), 1, 1, verdict
        )
        found = Comparison("w", SIDE, SIDE, (item,), (), {}, {}, (), (), {})
        return replace(found, facts=replace(found.facts, folder=str(asked.output))), 0


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes of twelve commits."""
    monkeypatch.chdir(tmp_path)
    for words in (
        ["init", "-q", "-b", "main"],
        *(["commit", "-q", "--allow-empty", "-m", f"c{at}"] for at in range(12)),
    ):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)
    return subprocess.run(
        ["git", "rev-list", "--reverse", "main"], check=True, capture_output=True, text=True
    ).stdout.split()


def drawn(monkeypatch: pytest.MonkeyPatch, heights: dict[str, float], **options: float) -> Drawn:
    made = Drawn(heights, **options)
    monkeypatch.setattr(subject, "compare_scripts", made)
    monkeypatch.setattr(run, "_log_ratios", lambda path, *_: made.values[path])
    return made


def asked(**changes) -> Asked:
    command = Command(("python", "train.py"))
    script = ScriptCompare(
        a=command, b=command, budget_s=60, trials=None, precision=None, margin=0.05, traces=None, gate=None,
        output=Path("made"),
    )  # fmt: skip
    return Asked(Scripts(script, changes.pop("package", "")), "main~11", "main", **changes)


def test_the_commit_is_found_and_compared_with_the_one_before(repository, monkeypatch):
    made = drawn(monkeypatch, {name: 0.1 * (at >= 7) for at, name in enumerate(repository)})
    found, folder = bisect(asked(), Quiet())
    assert found.state == "found"
    assert [one.revision for one in found.culprits] == [repository[7]]
    assert found.culprits[0].before == repository[6]
    assert [one.traces for one in made.asked] == [0] * (len(made.asked) - 1) + [None], (
        "what is told at the end is traced"
    )
    assert json.loads((folder / "bisect.json").read_text())["state"] == "found"


def test_a_revision_that_ran_before_and_is_killed_once_is_tried_again_and_stays_in_the_row(repository, monkeypatch):
    """Memory that was short for a moment would take the guilty one out of the row, or end the search where it is the bad end."""
    made = drawn(monkeypatch, {name: 0.06 * (at >= 7) for at, name in enumerate(repository)}, sd=0.04)
    made.once_broken = list(repository)
    progress = Quiet()
    found, _ = bisect(asked(), progress)
    assert [one.revision for one in found.culprits] == [repository[7]]
    assert not found.skipped
    assert any("killed by signal 9; it did run before, and is tried once more" in line for line in progress.lines)


def test_an_end_that_cannot_be_run_ends_it_with_what_to_do(repository, monkeypatch):
    made = drawn(monkeypatch, dict.fromkeys(repository, 0.0))
    made.broken = {repository[-1]}
    with pytest.raises(ChildFailed, match="SyntaxError") as failed:
        bisect(asked(), Quiet())
    assert failed.value.hint == "name ends that can both be run"


def test_changes_that_are_in_no_commit_are_said_to_be_in_no_revision(repository, monkeypatch):
    made = drawn(monkeypatch, {name: 0.1 * (at >= 7) for at, name in enumerate(repository)})
    Path("train.py").write_text("")
    subprocess.run(["git", "add", "train.py"], check=True)
    found, _ = bisect(asked(), Quiet())
    assert made.asked
    assert found.notes == (
        "the working folder has changes that are in no commit: train.py; no revision that is tried has them",
    )


@pytest.mark.parametrize(
    ("height", "verdict", "state"),
    [(0.0, "", "no difference"), (0.03, "", "no difference"), (0.1, "inconclusive", "open")],
)
def test_ends_that_are_alike_end_it_and_ends_that_are_not_known_to_be_do_not_count_as_alike(
    repository, monkeypatch, height, verdict, state
):
    made = drawn(monkeypatch, {name: height * (at >= 7) for at, name in enumerate(repository)})
    made.verdict = verdict
    assert bisect(asked(), Quiet())[0].state == state
    assert len(made.asked) == 1
    again = bisect(asked(), Quiet(), resume=True)[0]
    assert again.state == state, "also when it is asked again"
    assert len(made.asked) == 1 + (state == "open"), "what is not known is measured further"


def test_an_interrupted_search_keeps_its_trials_and_compares_the_ends_once(repository, monkeypatch):
    made = drawn(monkeypatch, {name: 0.1 * (at >= 7) for at, name in enumerate(repository)})
    made.interrupt_at = 4
    with pytest.raises(Interrupted, match="interrupted") as stopped:
        bisect(asked(), Quiet())
    assert "10 trials are kept: dlprof bisect --resume made" in str(stopped.value.hint)
    found, _ = bisect(asked(), Quiet(), resume=True)
    assert found.state == "found"
    assert sum(one.output == Path("made/ends") for one in made.asked) == 1
    count = len(made.asked)
    assert bisect(asked(), Quiet(), resume=True)[0] == found
    assert len(made.asked) == count, "a search that has ended measures nothing again"


def test_what_every_comparison_says_of_the_sides_is_said_once_and_what_is_known_once_a_trial(repository, monkeypatch):
    made = drawn(monkeypatch, {name: 0.1 * (at >= 7) for at, name in enumerate(repository)})

    def compare(options: ScriptCompare, progress: Stages) -> tuple[Comparison, int]:
        for line in ("warning: threads sleep", "  A: each call of train_step", "putting it together"):
            progress.say(line)
        return made(options, progress)

    monkeypatch.setattr(subject, "compare_scripts", compare)
    progress = Quiet()
    found, _ = bisect(asked(), progress)
    said = [line.partition("] ")[2] for line in progress.lines]
    assert said.count("warning: threads sleep") == said.count("  A: each call of train_step") == 1
    assert said.count("putting it together") == len(made.asked) > 5
    trials = [at for at, line in enumerate(said) if line.startswith("trial ")]
    assert len(trials) == len(found.probes) - 8, "beside those of the ends"
    assert sum(line.startswith("  likeliest ") for line in said) == len(trials)


def test_another_step_is_another_search(repository, monkeypatch):
    drawn(monkeypatch, {name: 0.1 * (at >= 7) for at, name in enumerate(repository)})
    bisect(asked(), Quiet())
    other = asked()
    with pytest.raises(UsageError, match="its options is another one"):
        bisect(
            replace(other, subject=Scripts(replace(other.subject.options, step="train:other"))), Quiet(), resume=True
        )


def test_two_changes_are_told_apart_though_one_was_taken_for_the_only_one(repository, monkeypatch):
    heights = {name: 0.08 * (at >= 4) + 0.08 * (at >= 6) for at, name in enumerate(repository)}
    drawn(monkeypatch, heights, sd=0.02)
    found, _ = bisect(asked(), Quiet())
    assert (found.state, [one.revision for one in found.culprits]) == ("found", [repository[4], repository[6]])


def test_trials_that_end_with_a_second_change_open_tell_the_first_and_more_of_them_the_rest(repository, monkeypatch):
    made = drawn(monkeypatch, {name: 0.3 * (at >= 7) for at, name in enumerate(repository)}, sd=0.12)
    found, _ = bisect(asked(most=16), Quiet())
    assert (found.state, [one.revision for one in found.culprits]) == ("open", [repository[7]])
    assert found.two > 0.002
    count = len(made.asked)
    found, _ = bisect(asked(), Quiet(), resume=True)
    assert (found.state, [one.revision for one in found.culprits]) == ("found", [repository[7]])
    assert found.two <= 0.002
    assert not any(one.traces is None for one in made.asked[count:]), "its neighbours were compared already"


def test_a_second_change_that_is_too_small_to_be_of_interest_takes_no_trials(repository, monkeypatch):
    heights = {name: 2 * (at >= 4) + 0.03 * (at >= 8) for at, name in enumerate(repository)}
    drawn(monkeypatch, heights, sd=0.005)
    found, _ = bisect(asked(), Quiet())
    assert (found.state, [one.revision for one in found.culprits]) == ("found", [repository[4]])
    assert len(found.probes) < 20
    assert found.two < 0.002 < 0.03 < found.least < 0.1


@pytest.mark.parametrize(("sd", "state"), [(0.05, "in part"), (0.005, "found")])
def test_what_explains_a_part_of_the_difference_is_not_all_unless_the_trials_say_that_there_is_no_more(
    repository, monkeypatch, sd, state
):
    heights = {name: 0.1 * (at >= 7) for at, name in enumerate(repository)}
    made = drawn(monkeypatch, heights, sd=sd)
    monkeypatch.setattr(
        run, "_log_ratios", lambda path, *_: [one * (0.4 if "culprit" in path.name else 1) for one in made.values[path]]
    )
    progress = Quiet()
    found, _ = bisect(asked(most=24), progress)
    assert found.state == state
    assert [one.revision for one in found.culprits] == [repository[7]]
    assert any("looking for another change" in line for line in progress.lines)


@pytest.mark.parametrize(("first", "passes"), [(4, 1), (5, 2)], ids=["at once", "after it was looked for another"])
def test_two_changes_that_leave_something_are_found_in_part_and_no_third_is_searched_for(
    repository, monkeypatch, first, passes
):
    """Neighbours show .4 of each change, the ends all of it."""
    heights = {name: 0.15 * (at >= first) + 0.15 * (at >= 9) for at, name in enumerate(repository)}
    made = drawn(monkeypatch, heights, sd=0.02)
    monkeypatch.setattr(
        run, "_log_ratios", lambda path, *_: [one * (0.4 if "culprit" in path.name else 1) for one in made.values[path]]
    )
    if passes == 2:
        monkeypatch.setattr(run, "_begun", lambda work, begun=run._begun: asked_for_another(begun(work)))
    progress = Quiet()
    found, folder = bisect(asked(), progress)
    assert (found.state, [one.revision for one in found.culprits]) == ("in part", [repository[first], repository[9]])
    ends = np.mean(made.values[folder / "ends"])
    shown = sum(0.4 * np.mean(made.values[folder / one.neighbours.folder]) for one in found.culprits)
    assert np.log(found.left.estimate) == pytest.approx(ends - shown)
    assert 1 < found.left.low < found.left.estimate < found.left.high
    assert not any("looking for another change" in line for line in progress.lines)
    assert "A third one is not searched for" in bisect_text.statement(found)


def asked_for_another(search: Search) -> Search:
    search.look_for_another()
    return search


def test_commits_that_cannot_be_run_are_left_out_and_a_bad_end_that_cannot_is_an_error(repository, monkeypatch):
    made = drawn(monkeypatch, {name: 0.1 * (at >= 7) for at, name in enumerate(repository)})
    made.broken = {repository[5], repository[6]}
    found, _ = bisect(asked(), Quiet())
    (culprit,) = found.culprits
    assert (culprit.before, culprit.between) == (repository[4], (repository[5], repository[6]))
    made.broken = {repository[11]}
    with pytest.raises(ChildFailed, match="SyntaxError"):
        bisect(replace(asked(), subject=Scripts(replace(asked().subject.options, output=Path("other")))), Quiet())


@pytest.mark.parametrize("keep", [False, True])
def test_each_release_gets_one_environment_which_goes_with_the_search(tmp_path, monkeypatch, keep):
    monkeypatch.chdir(tmp_path)
    names = [f"pack==1.{at}" for at in range(9)]
    places = tuple(Place(f"1.{at}", f"pack 1.{at}") for at in range(9))
    installed: list[str] = []

    def install(_python: Path, wishes: tuple[str, ...], folder: Path, _say: object) -> Path:
        folder.mkdir(parents=True)
        installed.append(wishes[-1])
        return folder / "bin" / "python"

    made = drawn(monkeypatch, {name: 0.1 * (at >= 5) for at, name in enumerate(names)})

    def compare(options: ScriptCompare, progress: Quiet) -> tuple[Comparison, int]:
        for side, command in options.commands.items():
            ground.made(side, command, tmp_path / "scratch", progress, options.overlays)
        return made(options, progress)

    monkeypatch.setattr(subject, "compare_scripts", compare)
    monkeypatch.setattr(ground.overlay, "made", install)
    monkeypatch.setattr(subject.row, "releases", lambda *_: places)
    left = tmp_path / "made" / "environments" / "evil" / "bin"
    found, folder = bisect(asked(package="pack", keep=keep), Quiet())
    assert [one.revision for one in found.culprits] == ["1.5"]
    assert len(installed) == len(set(installed)) >= 4, "each once, however often it is tried"
    assert (folder / "environments").exists() is keep
    left.mkdir(parents=True)
    bisect(asked(package="pack", keep=True), Quiet(), resume=True)
    assert not left.exists(), "what lies in a folder that may be another's is not run"


def test_a_comparison_that_was_killed_before_its_first_trial_is_made_anew(tmp_path, monkeypatch):
    options, target = asked().subject.options, tmp_path / "ends"
    gone_on_with = asked().subject.gone_on_with
    assert gone_on_with(options, target).output == target
    left = SimpleNamespace(manifest=SimpleNamespace(trials=[]))
    monkeypatch.setattr(subject, "taken_up", lambda path: tmp_path / ".ends.partial" if path == target else None)
    monkeypatch.setattr(subject.Capture, "open", lambda _: left)
    made = gone_on_with(options, target)
    assert (made.output, made.resume) == (target, None)
    target.mkdir()
    assert gone_on_with(options, target).output == tmp_path / "ends-2"


class Releases:
    """Stands for the environments: the versions of a framework that are made."""

    def __init__(self, *versions: str) -> None:
        self.versions = versions

    def list(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(framework="tf", version=one) for one in (*self.versions, "9.9.9")]


def workload(**changes: object) -> CompareOptions:
    made = compare_verb.usual(["lenet", "--a", "tf", "--b", "tf", "-o", "made"])
    return replace(compare_verb.compare_options(made), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("heights", "found"),
    [
        ((0, 0, 0.2, 0.2, 0.2), ["2.3.0"]),
        ((0, 0.15, 0.15, 0.15, 0.4), ["2.2.0", "2.10.1"]),
    ],
)
def test_the_release_of_a_framework_that_made_a_workload_slower_or_the_two_that_did(
    tmp_path, monkeypatch, heights, found
):
    monkeypatch.chdir(tmp_path)
    versions = ("2.1.0", "2.2.0", "2.3.0", "2.4.0", "2.10.1")
    monkeypatch.setattr(subject.row, "EnvStore", lambda: Releases(*versions[1:4]))
    made = Drawn({f"tf@{one}:eager": height for one, height in zip(versions, heights, strict=True)})

    def compare(options: CompareOptions, progress: Quiet) -> tuple[Comparison, int]:
        a, b = (Command(("tf",), revision=one) for one in (options.a, options.b))
        script = ScriptCompare(
            a=a, b=b, budget_s=60, trials=options.trials, precision=None, margin=0.05, traces=options.traces, gate=None,
            output=options.output,
        )  # fmt: skip
        return made(script, progress)

    monkeypatch.setattr(subject, "compare_workloads", compare)
    monkeypatch.setattr(run, "_log_ratios", lambda path, *_: made.values[path])
    searched = Asked(Workloads(workload(), "tf", "eager"), "2.1.0", "2.10.1")
    told, folder = bisect(searched, Quiet())
    assert [one.revision for one in told.culprits] == found
    assert [one.name for one in told.row] == list(versions), "in the order of releases, and nothing beyond the ends"
    assert "whose environments are made here" in told.notes[0]
    assert folder == Path("made")


def test_a_workload_needs_a_framework_without_a_release(capsys):
    for words, said in (
        (["lenet"], "a workload needs --framework"),
        (["lenet", "--framework", "tf@2.1"], "without a release"),
        (["--framework", "tf", "--", "train"], "--framework needs a WORKLOAD"),
        (["lenet", "--framework", "tf", "--", "train"], "two things"),
        (["lenet", "--framework", "tf", "--with", "jax"], "belong to a script"),
    ):
        assert main(["bisect", "--good", "2.1.0", "--bad", "2.2.0", *words]) == 2
        assert said in capsys.readouterr().err
