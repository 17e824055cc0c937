"""What goes wrong gets one clear message, the right exit code, no traceback, and nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from processes import start, wait_for


def assert_told(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "dlprof itself failed" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["capture", "lenett", "--framework", "tf"], 2, "did you mean lenet?"),
        (["capture", "lenet", "--framework", "tensorfow"], 2, "unknown framework"),
        (["capture", "lenet", "--framework", "tf:quick"], 2, "its modes: graph"),
        (["capture", "lenet", "--framework", "tf", "--set", "batch_size=0"], 2, "batch_size"),
        (["capture", "lenet", "--framework", "tf", "--set", "batch_size"], 2, "KEY=VALUE"),
        (["capture", "lenet", "--framework", "tf", "--epochs", "0"], 2, "--epochs"),
        (["compare", "lenet", "--frameworks", "tf"], 2, "two sides"),
        (["compare", "lenet", "--trials", "6", "--budget", "5m"], 2, "--trials"),
        (["compare", "lenet", "--budget", "soon"], 2, "not a duration"),
        (["diff", "missing.json", "missing.pb"], 1, "missing.json"),
        (["compare"], 2, "no workload"),
        (["compare", "--resume", "missing"], 1, "missing"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_a_wrong_command_line_is_answered_in_one_line_with_a_hint(here, words, code, told, tmp_path):
    done = here(*words, cwd=tmp_path)
    assert_told(done, code, told)
    assert list(tmp_path.iterdir()) == []


def test_without_a_gpu_asking_for_one_fails_before_anything_is_downloaded(dlprof, tmp_path):
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has an NVIDIA GPU")
    cache = tmp_path / "cache"
    done = dlprof(
        "capture", "lenet", "--framework", "tf", "--device", "gpu", env={"DLPROF_CACHE": str(cache)}, cwd=tmp_path
    )
    assert_told(done, 1, "no NVIDIA GPU")
    assert not cache.exists()


@pytest.mark.frameworks
def test_a_version_that_does_not_exist_is_named_with_those_that_do(dlprof, tmp_path):
    done = dlprof(
        "capture", "lenet", "--framework", "tf@9.9", cwd=tmp_path, env={"DLPROF_CACHE": str(tmp_path / "cache")}
    )
    assert_told(done, 1, "9.9", "2.21.0")
    assert not (tmp_path / "cache" / "envs" / "tf-9.9-cpu").exists()


def test_without_a_network_the_missing_environment_is_the_message(dlprof, tmp_path):
    env = {"DLPROF_CACHE": str(tmp_path / "cache"), "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "uv")}
    done = dlprof("capture", "lenet", "--framework", "mxnet", cwd=tmp_path, env=env)
    assert_told(done, 1, "mxnet")
    assert not (tmp_path / "cache" / "envs" / "mxnet-1.9.1-cpu").exists()


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [
        child for child in psutil.Process(process.pid).children(recursive=True) if "run.py" in " ".join(child.cmdline())
    ]


@pytest.mark.frameworks
def test_ctrl_c_keeps_the_finished_trials_and_ends_all_children(dlprof, tmp_path):
    few = ("--set", "train=2000", "--set", "validation=200")
    process = start("compare", "lenet", *few, "--trials", "6", "--traces", "0", "-o", "kept", cwd=tmp_path)
    wait_for(process, r"trial 1: ratio")
    alive = children(process)
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "1 trial" in out
    psutil.wait_procs(alive, timeout=10)
    assert [child for child in alive if child.is_running()] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
    assert (tmp_path / "kept" / "timings.parquet").exists()


@pytest.mark.frameworks
def test_a_killed_child_is_reported_with_its_signal(dlprof, tmp_path):
    process = start("capture", "lenet", "--framework", "tf", "--epochs", "5", "-o", "never", cwd=tmp_path)
    wait_for(process, r"tracing")
    deadline = time.monotonic() + 60
    while not (alive := children(process)) and time.monotonic() < deadline:
        time.sleep(0.1)
    alive[0].send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "SIGKILL" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.frameworks
def test_a_full_disk_is_told_and_leaves_nothing_under_the_final_name(dlprof, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        done = dlprof(
            "capture", "lenet", "--framework", "mxnet", "--epochs", 1, "--max-steps", 30, "-o", small / "capture"
        )
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "space" in done.stderr.lower()
        assert not (small / "capture").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_ctrl_c_while_a_trace_is_read_leaves_nothing(tmp_path, system_folder):
    event = '{"ph": "X", "name": "Conv", "pid": 1, "tid": 2, "ts": %d, "dur": 5},\n'
    with (tmp_path / "trace.json").open("w") as file:
        file.write('{"traceEvents": [\n')
        file.writelines(event % (10 * number) for number in range(800_000))
        file.write("{}]}")
    process = start("import", "trace.json", "-o", "never", cwd=tmp_path)
    while process.poll() is None and len(list(tmp_path.iterdir())) == 1:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "error: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]
    assert list(system_folder.iterdir()) == []
