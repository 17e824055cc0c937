"""A run that is ended from outside, however: what was finished is kept, no child lives on, and nothing else stays behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import kill_points
import psutil
import pytest
from kill_points import Place, attack, chosen
from processes import wait_for

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

WORDS = ["compare", "tiny.toml", "--a", "np", "--b", "np", "--traces", "0", "--trials"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with a workload of microseconds, for the NumPy framework of these tests."""
    return Place(tmp_path, chosen("compare", "np", "np")[1])


@pytest.fixture
def running(place: Place) -> Iterator[subprocess.Popen[str]]:
    """A long comparison, after its first trial."""
    command = [sys.executable, "-m", "dlprof", *WORDS, "1000", "-o", "out"]
    with subprocess.Popen(command, cwd=place.work, env=place.environ, text=True, start_new_session=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        wait_for(process, r"trial 1: ")
        yield process
        process.kill()


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Its workers, once there are some."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [one for one in psutil.Process(process.pid).children(recursive=True) if "run.py" in str(one.cmdline())]
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("no worker was started")


def trials(folder: Path) -> int:
    return len(json.loads((folder / "manifest.json").read_text())["trials"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_with_what_was_finished_and_how_to_go_on(place, running, number):
    alive = children(running)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert "dlprof compare --resume out goes on with it" in err
    assert trials(place.work / "out") >= 1
    assert "trial" in out
    psutil.wait_procs(alive, timeout=10)
    assert [one for one in alive if one.is_running()] == []
    assert place.leftovers() == []


def test_a_terminal_that_goes_away_ends_the_run_as_ctrl_c_does(place):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place.work)
        words = [sys.executable, "-m", "dlprof", *WORDS, "1000", "-o", "out"]
        os.execve(sys.executable, words, {**place.environ, "TERM": "xterm"})
    seen = b""
    while b" rounds, " not in seen:  # of the line that says how the first trial went
        seen += os.read(terminal, 65_536)
    # As when its window is closed: the system sends SIGHUP, and nothing can be written there any more.
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert trials(place.work / "out") >= 1
    assert place.orphans() == []
    assert place.leftovers() == []


def test_hang_up_is_ignored_where_it_was_ignored_before(place):
    code = "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    code += "from dlprof.cli.main import main; main(sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", code, *WORDS, "2", "-o", "out"], cwd=place.work, env=place.environ, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:  # fmt: skip
        wait_for(process, r"same work")
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=120)
    assert "interrupted" not in err
    assert trials(place.work / "out") == 2


def test_after_kill_9_the_trials_are_named_kept_and_gone_on_with(place, running):
    alive = children(running)
    running.kill()
    running.communicate()
    psutil.wait_procs(alive, timeout=10)
    assert [one for one in alive if one.is_running()] == []
    (partial,) = [path for path in place.work.iterdir() if path.name.startswith(".out.partial-")]
    before, finished = trials(partial), kill_points.of_comparison(partial)
    assert before >= 1

    code, said = place.run([*WORDS, "1", "-o", "out"])
    assert code == 1, "a new run does not pass over them"
    assert f"{before} finished trials" in said
    assert "dlprof compare --resume out goes on with it" in said
    code, said = place.run([*WORDS, "1", "-o", "another"])
    assert code == 0, said
    assert f"{before} finished trials" in said.replace("\n", " ")
    assert partial.exists()

    with place.start(["compare", "--resume", "out"]) as process:
        assert process.stdout is not None
        while f"trial {before + 1}:" not in (line := process.stdout.readline()):
            assert line, "ended"
        other, told = place.run(["compare", "--resume", partial.name])
        assert (other, "another dlprof is at work on it" in told) == (1, True)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    after = kill_points.of_comparison(place.work / "out")
    assert len(after) > before
    assert {name: after[name] for name in finished} == finished
    assert sorted(path.name for path in place.work.iterdir()) == sorted([*place.given, "another", "out"])
    assert list(place.temporary.iterdir()) == []


def test_a_run_that_was_killed_before_it_stated_anything_leaves_nothing_to_the_next_of_the_same_name(place):
    ended = subprocess.run([sys.executable, "-c", "from dlprof import temporary; print(temporary.owner())"], env=place.environ,
                           capture_output=True, text=True, check=True)  # fmt: skip
    (place.work / f".out.partial-{ended.stdout.strip()}-0123456789abcdef" / "raw").mkdir(parents=True)
    code, said = place.run([*WORDS, "1", "-o", "out"])
    assert code == 0, said
    assert "removed 1 leftover" in said
    assert place.leftovers() == []


def test_trials_under_other_variables_of_the_shell_are_not_added(place):
    for name in ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # what the shell of the tests sets reaches both sides too
        place.environ.pop(name, None)
    place.environ["OMP_NUM_THREADS"] = "1"
    code, said = place.run([*WORDS, "1", "-o", "out"])
    assert code == 0, said
    sides = json.loads((place.work / "out" / "manifest.json").read_text())["sides"]
    assert [side["variables"] for side in sides.values()] == ["OMP_NUM_THREADS=1"] * 2
    place.environ["OMP_NUM_THREADS"] = "2"
    code, said = place.run(["compare", "--resume", "out"])
    assert code == 2
    assert "variables: OMP_NUM_THREADS=1 then, OMP_NUM_THREADS=2 now" in said.replace("\n  ", " ")


def test_scripts_that_were_killed_before_their_first_trial_are_gone_on_with(tmp_path):
    place, verb = Place(tmp_path, kill_points.program_file), kill_points.script_verb()
    with place.start(verb.first) as process:
        while not (found := list(place.work.glob(".out.partial-*/manifest.json"))):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    place.orphans()
    assert trials(found[0].parent) == 0
    code, said = place.run(verb.again)
    assert code == 0, said
    assert trials(place.work / "out") == kill_points.TRIALS
    assert place.leftovers() == []


@pytest.mark.parametrize("verb", ["compare", "run", "import"])
def test_a_few_kills_at_random_points_lose_nothing(verb):
    found = attack(*chosen(verb, "np", "np"), points=2, seed=5, tell=print, runs=1)
    assert found.failures == []
    assert found.counts["points"] == 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("verb", ["compare", "run"])
def test_kills_of_runs_in_mxnet_lose_nothing(verb):
    found = attack(*chosen(verb, "mxnet", "mxnet"), points=4, seed=int(time.time()), tell=print)
    assert found.failures == []
