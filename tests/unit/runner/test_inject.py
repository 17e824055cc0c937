"""What dlprof puts into a script: where it acts and where not, what it answers, how the step is chosen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watched_script import LOOP, STEP, Script

from dlprof.capture.script.command import INJECTED
from dlprof.capture.script.link import ScriptEnded

SWALLOWING = """
import time
def train_step(n):
    time.sleep(0.001)
for n in range(100000):
    try:
        train_step(n)
    except BaseException:
        print("swallowed", flush=True)
        if n > 40:
            raise
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    """Starts scripts; they are gone after the test."""
    made: list[Script] = []

    def start(text: str, *words: object, **more: str) -> Script:
        made.append(Script(tmp_path, text, words, more))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_a_named_function_of_the_script_itself_is_a_step_and_takes_as_many_as_asked(start) -> None:
    script = start(LOOP, 100_000, **STEP)
    job = script.job
    assert job.hello.pid == script.process.pid
    assert "--step" in job.hello.found
    [first] = job.ask({"cmd": "run", "iterations": 4, "units": 3}, 30)
    assert len(first.wall_ns) == 4
    assert min(first.wall_ns) >= 3_000_000
    [then] = job.ask({"cmd": "unprofiled", "iterations": 2}, 30)
    assert then.step - first.step == 3
    job.send({"cmd": "end"})
    code, out, _ = script.ended()
    assert code == 0
    assert "finished" not in out


def test_a_script_that_is_let_go_runs_to_its_end(start) -> None:
    script = start(LOOP, 200, **STEP)
    script.job.send({"cmd": "free"})
    assert script.ended() == (0, "finished\n", "")


def test_a_stream_tells_all_steps_and_stops_where_it_is_asked_to(start) -> None:
    job = start(LOOP, 100_000, **STEP).job
    job.send({"cmd": "stream", "until": 150})
    walls, event = [], "steps"
    while event != "stopped":
        message = job.links[0].read(time.monotonic() + 30)
        walls, event = walls + message.wall_ns, message.event
    assert message.step == 150
    assert len(walls) == 150 - job.hello.step


def test_an_end_that_a_script_swallows_is_raised_again_at_the_next_step(start) -> None:
    script = start(SWALLOWING, **STEP)
    script.job.send({"cmd": "end"})
    code, out, _ = script.ended()
    assert code == 0
    assert out.count("swallowed") > 1


def test_a_program_that_never_takes_a_step_never_reports_and_runs_as_without(start) -> None:
    script = start("import sys; print(sys.path[0] != '', 'inject' in str(sys.path))")
    assert script.job is None
    assert script.ended() == (0, "True False\n", "")


def test_a_program_that_imports_a_framework_and_takes_no_step_says_at_its_end_what_it_had(
    start, tmp_path: Path
) -> None:
    (tmp_path / "jax.py").write_text("__version__ = '0.9'\n")
    script = start("import jax; print(jax.__version__)")
    assert script.job is None
    [told] = script.listener.without
    assert told.frameworks == {"jax": "0.9"}
    assert Path(told.executable).samefile(sys.executable)
    assert script.ended() == (0, "0.9\n", "")


@pytest.mark.parametrize(("name", "state"), [("__main__:train_step", "found"), ("__main__:other", "absent")])
def test_a_program_in_which_no_named_step_is_taken_says_whether_there_is_one(start, name: str, state: str) -> None:
    script = start(LOOP, 0, DLPROF_STEP=name)
    assert script.job is None
    [told] = script.listener.without
    assert told.named == state


def test_a_program_whose_work_cannot_be_asked_for_runs_on_and_dlprof_is_told(start) -> None:
    breaking = "\n    from dlprof_inject import packages\n    packages.versions = lambda: 1 // 0"
    script = start(LOOP.replace("time.sleep(0.001)", f"time.sleep(0.001){breaking}"), 50, **STEP)
    job = script.job
    [answer] = job.ask({"cmd": "facts"}, 30)
    assert "ZeroDivisionError" in answer.facts["untold"][0]
    assert answer.facts["start"]["seconds"] > 0
    job.send({"cmd": "free"})
    assert script.ended() == (0, "finished\n", "")


def test_a_fork_of_a_watched_process_is_not_watched(start) -> None:
    fork = (
        "if os.fork() == 0:\n    [train_step(n) for n in range(50)]; os._exit(7)\nprint('child', os.wait()[1] >> 8)\n"
    )
    script = start(LOOP.replace("print(", f"{fork}print("), 10, **STEP)
    script.job.send({"cmd": "stream"})
    assert script.ended()[1] == "child 7\nfinished\n"
    script.listener.release_late()
    assert script.listener.late == []


def test_another_sitecustomize_still_runs(start, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import builtins; builtins.customized = True\n")
    script = start("print(customized)", PYTHONPATH=f"{INJECTED}{os.pathsep}{other}")
    assert script.ended() == (0, "True\n", "")


def test_a_child_that_is_given_the_search_path_alone_runs_as_without(start) -> None:
    child = "import subprocess, sys, os; print(subprocess.run([sys.executable, '-c', 'print(1)'], env={'PYTHONPATH': "
    script = start(f"{child}os.environ['PYTHONPATH']}}, capture_output=True, text=True))")
    code, out, _ = script.ended()
    assert code == 0
    assert "stdout='1\\n', stderr=''" in out


def test_a_script_whose_dlprof_is_gone_runs_on(start) -> None:
    script = start(LOOP, 300, **STEP)
    job = script.job
    job.send({"cmd": "stream"})
    job.close()
    assert script.ended() == (0, "finished\n", "")


def test_what_cannot_be_recorded_is_said_and_the_script_waits_on(start, tmp_path: Path) -> None:
    script = start(LOOP, 100_000, **STEP)
    link = script.job.links[0]
    link.send({"cmd": "open_window", "folder": str(tmp_path), "full": True})
    answer = link.read(time.monotonic() + 30)
    assert answer.ok is False
    assert "no framework" in answer.message
    script.process.kill()
    with pytest.raises(ScriptEnded):
        link.read(time.monotonic() + 30)


@pytest.fixture
def candidates() -> Any:
    found: dict[str, Any] = {}
    exec(compile((INJECTED / "dlprof_inject" / "candidates.py").read_text(), "candidates.py", "exec"), found)
    return found["Candidates"]()


def test_the_call_that_is_given_its_own_results_is_the_step(candidates: Any) -> None:
    chosen = None
    for _ in range(10):
        candidates.add("preprocess", 900)
        chosen = chosen or candidates.add("step", 500, threaded=True)
    assert chosen == "step"


def test_among_others_the_one_of_most_time_but_for_its_first_call(candidates: Any) -> None:
    chosen = None
    candidates.add("init", 10_000)
    for _ in range(10):
        candidates.add("metric", 10)
        chosen = chosen or candidates.add("step", 500)
    assert chosen == "step"
    assert candidates.others("step")["metric"] > 1


def test_a_step_that_was_called_once_is_awaited_beside_short_calls_but_no_longer_than_that_call_took(
    candidates: Any,
) -> None:
    def found(others: int, fits: bool) -> str | None:
        candidates.seen.clear()
        candidates.add("step", 10_000, fits=fits)
        return next(filter(None, (candidates.add("sort", 100, fits=True) for _ in range(others))), None)

    assert found(90, fits=True) is None
    assert [candidates.add("step", 500, threaded=True, fits=True) for _ in range(5)] == [None] * 4 + ["step"]
    assert found(90, fits=False) == "sort", "what makes the weights is called once"
    assert found(110, fits=True) == "sort", "so is what changes them before the training"


TOLD = """
import dlprof_steps, time
def other():
    time.sleep(0.001)
for n in range(60):
    with dlprof_steps.scope("part"):
        other()
    dlprof_steps.step()
print("finished", flush=True)
"""


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """The file that users may copy, beside the script."""
    return Path(shutil.copy(INJECTED / "dlprof_steps.py", tmp_path))


def test_the_file_that_users_copy_is_short_and_does_nothing_without_dlprof(helper: Path) -> None:
    assert len(helper.read_text().splitlines()) < 100
    (helper.parent / "script.py").write_text(TOLD)
    done = subprocess.run([sys.executable, "script.py"], cwd=helper.parent, capture_output=True, text=True, check=True)
    assert done.stdout == "finished\n"


def test_a_script_that_tells_its_steps_is_taken_at_its_word(start, helper: Path) -> None:
    script = start(TOLD)
    job = script.job
    assert job.hello.found == "each call of dlprof_steps.step() in the script itself"
    assert job.hello.step == 1
    [answer] = job.ask({"cmd": "run", "iterations": 4, "units": 2}, 30)
    assert answer.step == 9
    job.send({"cmd": "free"})
    assert script.ended() == (0, "finished\n", "")


def test_what_the_command_line_names_as_step_comes_before_what_the_script_tells(start, helper: Path) -> None:
    script = start(TOLD, DLPROF_STEP="__main__:other")
    assert "--step" in script.job.hello.found


FAST = """
def train_step(n):
    return n
for n in range(300):
    train_step(n)
"""

REPLACED = """
import functools, time
def train_step(n):
    return n
def compiled(function):
    @functools.wraps(function)
    def run(n):
        function(n)
        function(n)
    return run
time.sleep(0.01)
train_step = compiled(train_step)
for n in range(300):
    train_step(n)
"""


NESTED = """
def train_step(n, depth=3):
    return train_step(n, depth - 1) if depth else n
for n in range(300):
    train_step(n)
"""


@pytest.mark.parametrize("text", [FAST, REPLACED, NESTED])
def test_a_script_of_a_few_milliseconds_is_seen_from_its_first_step(start, text: str) -> None:
    script = start(text, **STEP)
    job = script.job
    assert job.hello.step == 1
    [answer] = job.ask({"cmd": "run", "iterations": 4, "units": 2}, 30)
    assert answer.step == 9, "a call inside of the one that has the name by now is no step"
    job.send({"cmd": "free"})
    assert script.ended()[0] == 0


def test_what_came_before_the_timed_steps_is_told(start) -> None:
    script = start(LOOP, 60, **STEP)
    [answer] = script.job.ask({"cmd": "facts"}, 30)
    begun = answer.facts["start"]
    assert 0 < begun["first_step"] < begun["seconds"] < 30
    assert begun["first_call"] > 900_000
    assert len(begun["early_ns"]) == 2
    assert begun["compiled"] == 0


CLOSING = """
import os, time
def train_step(n):
    time.sleep(0.001)
for n in range(60):
    train_step(n)
    if n == 20:
        os.closerange(3, 256)
        other = open("other", "w")
print("finished", flush=True)
"""


def test_a_script_that_closes_all_files_runs_on_and_nothing_is_written_into_those_it_opens(start, tmp_path) -> None:
    script = start(f"import os\nos.chdir({str(tmp_path)!r})\n{CLOSING}", **STEP)
    with pytest.raises(ScriptEnded):
        script.job.ask({"cmd": "run", "iterations": 30, "units": 1}, 30)
    assert script.ended() == (0, "finished\n", "")
    assert (tmp_path / "other").read_text() == ""


THREADS = """
import threading, time
def train_step(n):
    time.sleep(0.001)
def loop():
    for n in range(200):
        train_step(n)
threads = [threading.Thread(target=loop) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("finished", flush=True)
"""


def test_a_script_whose_threads_all_take_steps_is_held_as_a_whole(start) -> None:
    script = start(THREADS, **STEP)
    job = script.job
    for number in range(1, 6):
        [answer] = job.ask({"cmd": "run", "iterations": 4, "units": 3}, 30)
        assert len(answer.wall_ns) == 4
        assert answer.step == 1 + 12 * number
        time.sleep(0.01)
    job.send({"cmd": "free"})
    assert script.ended() == (0, "finished\n", "")
