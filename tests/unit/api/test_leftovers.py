"""What killed runs left goes with the next run; finished trials never go, and it is said how to go on with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dlprof import temporary
from dlprof.api import leftovers
from dlprof.cli.main import main
from dlprof.cli.output import deliver
from dlprof.errors import StoreError
from dlprof.manifest import LockstepOptions, Manifest, Session, TrialFacts
from dlprof.store import CaptureWriter, taken_up


@pytest.fixture
def dead() -> str:
    """pid and start of a process that has ended."""
    code = "from dlprof import temporary; print(temporary.owner())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def comparison(trials: int, *, begun: str = "2026-01-01T00:00:00+00:00", complete: bool = False) -> Manifest:
    return Manifest(
        kind="compare",
        dlprof_version="0",
        created="now",
        complete=complete,
        options=LockstepOptions(trials=6, margin=0.05, sessions=[Session(created=begun, trials=trials)]),
        trials=[TrialFacts(number=n, rounds=[2], wall_s=1.0, idle={}, machine=None) for n in range(trials)],
    )


def killed(place: Path, dead: str, trials: int, token: str = "0123456789abcdef", begun: str = "") -> Path:
    """What a run of `place` that was killed after so many trials has left."""
    folder = place.with_name(f".{place.name}.partial-{dead}-{token}")
    folder.mkdir(parents=True)
    made = comparison(trials, begun=begun) if begun else comparison(trials)
    (folder / "manifest.json").write_bytes(made.encoded())
    return folder


def cleared(folder: Path, **more) -> tuple[leftovers.Cleared, str]:
    said: list[str] = []
    return leftovers.clear(folder, said.append, **more), "\n".join(said)


def test_a_run_that_was_killed_before_its_first_trial_leaves_nothing_to_the_next(tmp_path, dead):
    folder = killed(tmp_path / "out", dead, trials=0)
    found, said = cleared(tmp_path)
    assert (found.removed, found.kept) == (1, ())
    assert "removed 1 leftover" in said
    assert not folder.exists()


def test_finished_trials_are_named_with_how_to_go_on_and_stay(tmp_path, dead):
    folder = killed(tmp_path / "out", dead, trials=3)
    found, said = cleared(tmp_path)
    assert [one.trials for one in found.kept] == [3]
    assert f"dlprof compare --resume {tmp_path / 'out'}" in said
    assert folder.exists()


def test_finished_trials_that_the_result_holds_as_well_go(tmp_path, dead):
    place = tmp_path / "out"
    with CaptureWriter(place) as writer:
        writer.commit(comparison(4))
    fewer, more = killed(place, dead, trials=3), killed(place, dead, trials=5, token="f" * 16)
    other = killed(place, dead, trials=2, token="e" * 16, begun="2025-05-05T05:05:05+00:00")
    found, _ = cleared(tmp_path)
    assert found.removed == 1
    assert not fewer.exists()
    assert {one.path for one in found.kept} == {more, other}, "what has more trials, and what is another comparison"


def test_a_new_run_does_not_pass_over_finished_trials_of_the_same_name(tmp_path, dead):
    killed(tmp_path / "out", dead, trials=1)
    with pytest.raises(StoreError, match="1 finished trials") as caught:
        leftovers.check_free(tmp_path / "out")
    assert f"--resume {tmp_path / 'out'}" in str(caught.value.hint)
    leftovers.check_free(tmp_path / "another")


def test_the_result_with_the_most_trials_is_taken_up(tmp_path, dead):
    place = tmp_path / "out"
    assert taken_up(place) is None
    fewer, more = killed(place, dead, trials=1), killed(place, dead, trials=2, token="f" * 16)
    assert taken_up(place) == more
    assert taken_up(fewer) == more, "the hidden name stands for the result"
    with CaptureWriter(place, source=more) as writer:
        assert writer.keep_partial
        writer.commit(comparison(6, complete=True))
    assert taken_up(place) == place
    cleared(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_capture_that_was_cut_short_is_not_taken_over(tmp_path, dead):
    folder = killed(tmp_path / "out", dead, trials=1)
    killed(folder / "a-exact-1", dead, trials=0)
    (folder / "a-native-1").mkdir()
    with CaptureWriter(tmp_path / "out", source=folder) as writer:
        assert sorted(path.name for path in writer.partial.iterdir()) == ["a-native-1", "manifest.json", "raw"]
        writer.commit(comparison(6))


def test_a_damaged_manifest_is_no_finished_trial(tmp_path, dead):
    folder = killed(tmp_path / "out", dead, trials=1)
    (folder / "manifest.json").write_text('{"kind": "compare", ')
    found, _ = cleared(tmp_path)
    assert (found.removed, found.kept) == (1, ())


def test_env_clean_removes_leftovers_and_says_how_many(tmp_path, system_folder, dead, monkeypatch, capsys):
    monkeypatch.setenv("DLPROF_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "envs" / ".making-tf-2.21.0-cpu-0badf00d").mkdir(parents=True)
    (tmp_path / "cache" / "datasets" / ".making-mnist-0badf00d").mkdir(parents=True)
    (system_folder / "dlprof-child-abc.log").write_text("why it failed")
    killed(tmp_path / "results" / "out", dead, trials=0)
    kept = killed(tmp_path / "results" / "other", dead, trials=2)
    assert main(["env", "clean", str(tmp_path / "results")]) == 0
    printed = capsys.readouterr()
    assert printed.out == "4 removed, 1 kept for their finished trials\n"
    assert "2 finished trials" in printed.err
    assert list((tmp_path / "results").iterdir()) == [kept]
    assert list(system_folder.iterdir()) == []


def test_a_file_that_is_written_again_takes_its_leftovers_along(tmp_path, dead):
    (tmp_path / f".report.html.tmp-{dead}-0123456789abcdef").write_text("half")
    (tmp_path / f".other.html.tmp-{dead}-0123456789abcdef").write_text("half")
    deliver("whole", tmp_path / "report.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f".other.html.tmp-{dead}-0123456789abcdef",
        "report.html",
    ]


def test_old_reports_of_failures_are_no_leftovers_of_killed_runs(tmp_path, system_folder):
    for number in range(temporary.KEPT_REPORTS + 1):
        (system_folder / f"dlprof-child-{number}.log").write_text("why it failed")
    found, said = cleared(tmp_path)
    assert (found.removed, said) == (1, "")
    assert len(list(system_folder.iterdir())) == temporary.KEPT_REPORTS
    found, said = cleared(tmp_path, reports=True)
    assert (found.removed, said) == (temporary.KEPT_REPORTS, f"removed {temporary.KEPT_REPORTS} reports of failures")
