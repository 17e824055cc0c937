"""The child seen from the parent: real processes running a small fake child that behaves or misbehaves as told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from dlprof.capture.environments.env_store import Environment
from dlprof.capture.workers.launch import run_trace
from dlprof.capture.workers.launch_env import child_environ
from dlprof.capture.workers.worker import Worker
from dlprof.errors import ChildFailed, EnvironmentFailed, Unsupported
from dlprof.protocol import CaptureRequest, Done, EpochEnd

FAKE = """
import json, os, signal, subprocess, sys, time
control = sys.argv[1]
request = json.load(open(control + "/request.json"))
def say(**message):
    print(json.dumps(message), flush=True)
def result(**fields):
    with open(control + "/result.json.part", "w") as file:
        json.dump(dict({"protocol": 1, "status": "ok"}, **fields), file)
    os.rename(control + "/result.json.part", control + "/result.json")
def serve(answer):
    say(event="phase", name="import")
    say(event="ready", items=["x"], versions={}, runtime={}, startup_ns=1)
    for line in sys.stdin:
        command = json.loads(line)
        if command["cmd"] == "quit":
            result()
            say(ok=True)
            return
        answer(command)
sys.stderr.write("a word on stderr\\n")
"""


@pytest.fixture
def environment() -> Environment:
    return Environment("fake-1", "fake", Path(sys.executable), "1.0", "3", {}, root=Path("/nowhere"))


class Stage:
    """Runs fake children in a folder of their own."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.folder, self.environment = folder, environment
        self.control = folder / "control"

    def _script(self, body: str) -> Path:
        path = self.folder / "child.py"
        path.write_text(FAKE + textwrap.dedent(body))
        return path

    def trace(self, body: str, timeout_s: float = 30, **request: Any) -> Any:
        asked = CaptureRequest(task="trace", framework="fake", adapter="", mode="m", workload={}, **request)
        self.events: list[Any] = []
        return run_trace(
            self.environment, asked, self.control, timeout_s, self.events.append, runner=self._script(body)
        )

    def worker(self, body: str, timeout_s: float = 30) -> Worker:
        asked = CaptureRequest(task="serve", framework="fake", adapter="", mode="m", workload={})
        return Worker(self.environment, asked, self.control, timeout_s, runner=self._script(body))


@pytest.fixture
def stage(tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # logs that outlive a failed run
    return Stage(tmp_path, environment)


def gone(pid: int) -> bool:
    """Whether a process has ended, given a moment for the system to reap it."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_a_trace_run_gives_its_result_and_its_events(stage: Stage) -> None:
    done = stage.trace('say(event="epoch", epoch=1)\nresult(warmup_steps=request["seed"])\nsay(event="done")', seed=7)
    assert done.warmup_steps == 7
    assert stage.events == [EpochEnd(epoch=1), Done()]
    assert (stage.control / "stderr.log").read_text() == "a word on stderr\n"


def test_a_crash_is_told_by_its_signal_with_last_words_and_log(stage: Stage) -> None:
    with pytest.raises(ChildFailed, match=r"the fake 1.0 child crashed with signal 11 \(SIGSEGV\)") as error:
        stage.trace("os.kill(os.getpid(), signal.SIGSEGV)")
    assert "    a word on stderr" in error.value.message
    kept = Path(error.value.message.rsplit("log: ", 1)[1])
    assert kept.read_text() == (stage.control / "stderr.log").read_text()
    assert not kept.is_relative_to(stage.control)  # the control directory goes with the failed run


def test_an_exit_without_result_is_a_crash_with_its_code(stage: Stage) -> None:
    with pytest.raises(ChildFailed, match="crashed with exit code 3"):
        stage.trace("sys.exit(3)")


def test_a_kill_hints_at_memory(stage: Stage) -> None:
    with pytest.raises(ChildFailed, match="SIGKILL") as error:
        stage.trace("os.kill(os.getpid(), signal.SIGKILL)")
    assert "memory" in str(error.value.hint)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("unsupported", Unsupported), ("framework_missing", EnvironmentFailed), ("failed", ChildFailed)],
)
def test_each_status_is_the_error_it_stands_for(stage: Stage, status: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="because of this") as error:
        stage.trace(f'result(status="{status}", message="because of this", hint="do that")\nsys.exit(1)')
    expected = "dlprof env remove fake-1" if status == "framework_missing" else "do that"
    assert expected in str(error.value.hint)  # type: ignore[attr-defined]


def test_a_result_of_an_old_run_does_not_stand_for_a_crash(stage: Stage) -> None:
    stage.trace("result()")
    with pytest.raises(ChildFailed, match="exit code 3"):
        stage.trace("sys.exit(3)")


def test_a_crash_after_the_result_is_in_place_does_not_lose_it(stage: Stage) -> None:
    assert stage.trace('result()\nsay(event="done")\nos.kill(os.getpid(), signal.SIGSEGV)').status == "ok"


def test_a_child_that_hangs_is_stopped_with_all_its_descendants(stage: Stage) -> None:
    body = '''
    grandchild = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, lambda *a: 0); time.sleep(99)"])
    say(event="phase", name="%d %d" % (os.getpid(), grandchild.pid))
    time.sleep(99)
    '''  # fmt: skip
    with pytest.raises(ChildFailed, match=r"did not answer within 1\.5 s and was stopped"):
        stage.trace(body, timeout_s=1.5)
    assert all(gone(int(pid)) for pid in stage.events[0].name.split())


def test_descendants_do_not_outlive_a_child_that_ends_by_itself(stage: Stage) -> None:
    stage.trace(
        body="""
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
    say(event="phase", name=str(sleeper.pid))
    result()
    """
    )
    assert gone(int(stage.events[0].name))


def test_an_interrupt_stops_the_child(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = []

    def interrupt(event: Any) -> None:
        pids.append(int(event.name))
        raise KeyboardInterrupt

    asked = CaptureRequest(task="trace", framework="fake", adapter="", mode="m", workload={})
    script = stage._script('say(event="phase", name=str(os.getpid()))\ntime.sleep(99)')
    with pytest.raises(KeyboardInterrupt):
        run_trace(stage.environment, asked, stage.control, 30, interrupt, runner=script)
    assert gone(pids[0])


def test_a_child_dies_with_a_parent_that_is_killed(stage: Stage) -> None:
    script = stage._script('open(control + "/pid", "w").write(str(os.getpid()))\nsay(event="done")\ntime.sleep(99)')
    code = f"""
    import os, signal, sys
    from pathlib import Path
    from dlprof.capture.environments.env_store import Environment
    from dlprof.capture.workers.launch import run_trace
    from dlprof.protocol import CaptureRequest
    env = Environment("fake", "fake", Path(sys.executable), "1", "3", {{}})
    request = CaptureRequest(task="trace", framework="fake", adapter="", mode="m", workload={{}})
    run_trace(env, request, Path({str(stage.control)!r}), 30, lambda _: os.kill(os.getpid(), signal.SIGKILL),
              runner=Path({str(script)!r}))
    """
    parent = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=60)
    assert parent.returncode == -signal.SIGKILL
    assert gone(int((stage.control / "pid").read_text()))


def test_a_line_that_is_no_protocol_is_shown(stage: Stage) -> None:
    with pytest.raises(ChildFailed, match="wrote a line that is no protocol: b'chatter'"):
        stage.trace('print("chatter", flush=True)\ntime.sleep(99)')


def test_a_python_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    broken = Stage(tmp_path, Environment("fake-1", "fake", tmp_path / "none", "1.0", "3", {}, root=tmp_path))
    with pytest.raises(ChildFailed, match="crashed with exit code") as error:
        broken.trace("result()")
    assert "No such file" in error.value.message


ANSWER = """
import numpy
def answer(command):
    if command["cmd"] == "parity":
        numpy.savez(control + "/" + command["out"], loss=numpy.float32(2.5))
        say(ok=True, arrays=["loss"])
    elif command["item"] == "bad":
        say(ok=False, status="unsupported", message="no item bad", hint="try x")
    else:
        n = command["iterations"]
        say(ok=True, wall_ns=[10] * n, cpu_ns=[5] * n, start_ns=list(range(n)), units=4)
serve(answer)
"""


def test_a_worker_answers_until_it_is_told_to_quit(stage: Stage) -> None:
    with stage.worker(ANSWER) as worker:
        assert worker.ready.items == ["x"]
        burst = worker.run("x", 3)
        assert (burst.wall_ns, burst.start_ns, burst.units) == ([10, 10, 10], [0, 1, 2], 4)
        assert worker.parity() == {"loss": np.float32(2.5)}
        with pytest.raises(Unsupported, match="no item bad"):
            worker.run("bad", 1)
        assert worker.close().status == "ok"
    assert gone(worker.pid)


def test_two_workers_start_side_by_side(tmp_path: Path, environment: Environment) -> None:
    stages = []
    for name in "ab":
        (tmp_path / name).mkdir()
        stages.append(Stage(tmp_path / name, environment))
    with stages[0].worker(ANSWER) as a, stages[1].worker(ANSWER) as b:
        assert psutil.pid_exists(a.pid)
        assert psutil.pid_exists(b.pid)
        assert b.ready.items == a.ready.items


def test_a_waiting_worker_uses_no_cpu_and_a_busy_one_does(stage: Stage) -> None:
    body = """
    def answer(command):
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        say(ok=True, wall_ns=[1], cpu_ns=[1], start_ns=[1], units=1)
    serve(answer)
    """
    with stage.worker(body) as worker:
        assert worker.ready
        before = worker.cpu_ns()
        worker.run("x", 1)
        busy = worker.cpu_ns()
        time.sleep(0.2)
        assert 0.2e9 <= busy - before < 2e9
        assert worker.cpu_ns() - busy < 0.05e9


SPINNER = """
import threading
spinner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
def spin():
    while True:
        pass
threading.Thread(target=spin, daemon=True).start()
open(control + "/spinner", "w").write(str(spinner.pid))
serve(lambda command: say(ok=True, wall_ns=[1], cpu_ns=[1], start_ns=[1], units=1))
"""


def test_threads_and_processes_that_spin_stand_still_while_their_worker_waits(stage: Stage) -> None:
    with stage.worker(SPINNER) as worker:
        assert worker.ready
        spinner = psutil.Process(int((stage.control / "spinner").read_text()))

        def used_while_it_waits() -> float:
            before = worker.cpu_ns() / 1e9 + spinner.cpu_times().user
            time.sleep(0.5)
            return worker.cpu_ns() / 1e9 + spinner.cpu_times().user - before

        assert used_while_it_waits() < 0.05
        before = worker.cpu_ns()
        worker.run("x", 1)
        assert worker.cpu_ns() > before
        assert used_while_it_waits() < 0.05


def test_a_waiting_worker_is_ended_without_delay(stage: Stage) -> None:
    worker = stage.worker(SPINNER)
    assert worker.ready
    spinner = int((stage.control / "spinner").read_text())
    worker.stop()
    assert worker._child.process.returncode != -signal.SIGKILL, "one that stands still would have to be killed"
    assert gone(worker.pid)
    assert gone(spinner)


def test_a_waiting_worker_that_is_killed_is_told(stage: Stage) -> None:
    with stage.worker(ANSWER) as worker:
        worker.run("x", 1)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(ChildFailed, match=r"ended (instead of answering|before) 'run'.*\(signal 9 \(SIGKILL\)\)"):
            worker.run("x", 1)
        worker.stop()


def test_what_a_waiting_worker_started_does_not_outlive_a_parent_that_is_killed(stage: Stage) -> None:
    script = stage._script(SPINNER)
    code = f"""
    import os, signal, sys
    from pathlib import Path
    from dlprof.capture.environments.env_store import Environment
    from dlprof.capture.workers.worker import Worker
    from dlprof.protocol import CaptureRequest
    env = Environment("fake", "fake", Path(sys.executable), "1", "3", {{}})
    request = CaptureRequest(task="serve", framework="fake", adapter="", mode="m", workload={{}})
    worker = Worker(env, request, Path({str(stage.control)!r}), 30, runner=Path({str(script)!r}))
    worker.run("x", 1)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    parent = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=60)
    assert parent.returncode == -signal.SIGKILL
    assert gone(int((stage.control / "spinner").read_text()))


def test_a_worker_that_crashes_in_a_command_is_told(stage: Stage) -> None:
    with stage.worker("serve(lambda command: os.kill(os.getpid(), signal.SIGABRT))") as worker:
        with pytest.raises(ChildFailed, match=r"ended instead of answering 'run' \(signal 6 \(SIGABRT\)\)"):
            worker.run("x", 1)
        worker.stop()


def test_a_worker_that_fails_before_it_is_ready_says_why(stage: Stage) -> None:
    worker = stage.worker('result(status="framework_missing", message="No module named fake")\nsys.exit(1)')
    try:
        with pytest.raises(EnvironmentFailed, match="No module named fake"):
            worker.run("x", 1)
    finally:
        worker.stop()


def test_timings_of_the_wrong_length_are_refused(stage: Stage) -> None:
    with stage.worker("serve(lambda c: say(ok=True, wall_ns=[1], cpu_ns=[1], start_ns=[1], units=1))") as worker:
        worker.run("x", 1)
        with pytest.raises(ChildFailed, match="asked for 3 iterations and timed 1"):
            worker.run("x", 3)


def test_a_child_finds_no_settings_of_its_user(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> None:
    monkeypatch.setenv("KERAS_HOME", "/home/user/.keras")
    stage.trace(
        'say(event="phase", name=json.dumps([os.environ["KERAS_HOME"], os.listdir(os.environ["KERAS_HOME"])]))\nresult()'
    )
    where, held = json.loads(stage.events[0].name)
    assert where != "/home/user/.keras"
    assert held == []


def test_a_child_inherits_no_secret_and_no_python_path(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> None:
    monkeypatch.setenv("API_TOKEN", "hush")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    stage.trace('say(event="phase", name=json.dumps(dict(os.environ)))\nresult()', threads=2)
    seen = json.loads(stage.events[0].name)
    assert "API_TOKEN" not in seen
    assert "PYTHONPATH" not in seen
    assert (seen["OMP_NUM_THREADS"], seen["TF_CPP_MIN_LOG_LEVEL"], seen["CUDA_VISIBLE_DEVICES"]) == ("2", "2", "-1")
    assert child_environ()["OMP_NUM_THREADS"] == "3"
    assert os.environ["PATH"] == seen["PATH"]
