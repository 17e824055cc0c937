"""GPUs as the driver tells of them, with an nvidia-smi and an NVML library made on the spot; environments for them."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from dlprof.capture.environments import env_store
from dlprof.capture.environments.env_store import Environment
from dlprof.capture.machine import devices, gpu_check, probe
from dlprof.capture.machine.devices import Gpu
from dlprof.capture.workers.launch_env import child_environ
from dlprof.errors import EnvironmentFailed, Unsupported
from dlprof.frameworks.mxnet import MXNet
from dlprof.frameworks.tensorflow import TensorFlow
from dlprof.plugin import EnvSpec

TWO = [
    Gpu(0, "NVIDIA A100", "40960", "550.54.15", "GPU-aaaa-1", "8.0"),
    Gpu(1, "NVIDIA H200", "143771", "550.54.15", "GPU-bbbb-2", "9.0"),
]

# The functions that the library must have, each telling of one H200; what is not here pynvml reports as not supported.
NVML = """
#include <string.h>
typedef struct { unsigned long long total, free, used; } memory_t;
int nvmlInitWithFlags(unsigned f) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { strcpy(s, "580.159.03"); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *v) { *v = 13000; return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = (void *)8; return 0; }
int nvmlDeviceGetHandleByUUID(const char *u, void **d) { if (strcmp(u, "GPU-1234")) return 6; *d = (void *)8; return 0; }
typedef struct { unsigned gpu, memory; } utilisation_t;
int nvmlDeviceGetUtilizationRates(void *d, utilisation_t *u) { u->gpu = 37; u->memory = 5; return 0; }
int nvmlDeviceGetName(void *d, char *s, unsigned n) { strcpy(s, "NVIDIA H200"); return 0; }
int nvmlDeviceGetUUID(void *d, char *s, unsigned n) { strcpy(s, "GPU-1234"); return 0; }
int nvmlDeviceGetCudaComputeCapability(void *d, int *a, int *b) { *a = 9; *b = 0; return 0; }
int nvmlDeviceGetMemoryInfo(void *d, memory_t *m) { m->total = 150753771520; m->used = 1024; m->free = 0; return 0; }
int nvmlDeviceGetMaxClockInfo(void *d, int t, unsigned *c) { *c = t == 1 ? 1980 : 3201; return 0; }
int nvmlDeviceGetClockInfo(void *d, int t, unsigned *c) { *c = t == 1 ? 345 : 3201; return 0; }
int nvmlDeviceGetEnforcedPowerLimit(void *d, unsigned *w) { *w = 700000; return 0; }
int nvmlDeviceGetPowerUsage(void *d, unsigned *w) { return 3; /* not supported */ }
int nvmlDeviceGetTemperature(void *d, int t, unsigned *c) { *c = 31; return 0; }
int nvmlDeviceGetMigMode(void *d, unsigned *now, unsigned *next) { *now = 0; *next = 1; return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, unsigned long long *r) { *r = 5; return 0; }
char *nvmlErrorString(int e) { return "not supported"; }
"""


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "_from_nvml", list)
    monkeypatch.setattr(devices, "_from_libcuda", list)


def smi(folder: Path, body: str) -> Path:
    folder.mkdir()
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return folder


def dlprof(*arguments: str, path: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "DLPROF_CACHE": str(cache), "NO_COLOR": "1"}
    env.pop("CUDA_VISIBLE_DEVICES", None)
    command = [sys.executable, "-m", "dlprof", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.usefixtures("no_gpu")
def test_an_old_nvidia_smi_that_does_not_know_compute_cap_is_asked_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = 'case "$1" in *compute_cap*) echo "not a valid field"; exit 2;; esac; echo "0, Tesla V100, 16160, 450.80.02, GPU-x"'
    monkeypatch.setenv("PATH", str(smi(tmp_path / "bin", body)) + os.pathsep + os.environ["PATH"])
    assert devices.nvidia_gpus() == [Gpu(0, "Tesla V100", "16160", "450.80.02", "GPU-x", "")]


@pytest.mark.parametrize(
    "command", [["capture", "lenet", "--framework", "tf"], ["compare", "lenet"], ["env", "create", "tf"]]
)
def test_a_gpu_that_is_not_there_is_an_error_before_anything_is_made(tmp_path: Path, command: list[str]) -> None:
    folder = smi(tmp_path / "bin", "echo '0, NVIDIA H200, 143771, 580.159.03, GPU-1, 9.0'")
    done = dlprof(*command, "--device", "gpu:1", path=folder, cache=tmp_path / "cache")
    if "0 (NVIDIA H200)" not in done.stderr:
        pytest.skip("this machine has GPUs of its own")
    assert done.returncode == 1
    assert "no GPU 1" in done.stderr
    assert "there are: 0 (NVIDIA H200)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "cache" / "envs").exists()


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["NVIDIA A100", "NVIDIA H200"]),
        ("1", ["NVIDIA H200"]),
        ("1, 0", ["NVIDIA H200", "NVIDIA A100"]),
        ("GPU-bbbb", ["NVIDIA H200"]),
        ("", []),
        ("-1", []),
        ("0,7,1", ["NVIDIA A100"]),
    ],
)
def test_gpus_are_numbered_as_cuda_visible_devices_admits_them(visible: str | None, names: list[str]) -> None:
    found = devices.admitted(TWO, visible)
    assert [gpu.name for gpu in found] == names
    assert [gpu.index for gpu in found] == list(range(len(names)))


def test_a_gpu_that_the_build_has_no_code_for_is_told_before_anything_is_made() -> None:
    mxnet, tensorflow = MXNet().env("1.9.1", "gpu"), TensorFlow().env("2.21.0", "gpu")
    (reason,) = devices.misfits(TWO[1], mxnet)
    assert "5.0 to 8.9" in reason
    assert "NVIDIA H200 has 9.0" in reason
    assert devices.misfits(TWO[0], mxnet) == devices.misfits(TWO[1], tensorflow) == []
    (old,) = devices.misfits(Gpu(0, "Tesla K80", driver="470.1", compute="7.0"), tensorflow)
    assert "needs driver 525.60.13" in old
    assert devices.misfits(Gpu(0, "unknown"), mxnet) == []


def told_with_nvml(folder: Path, expression: str) -> object:
    """The value of an expression in a process that has the NVML library of above."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to make an NVML library with")
    (folder / "nvml.c").write_text(NVML)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", folder / "libnvidia-ml.so.1", folder / "nvml.c"], check=True)
    code = f"import json, msgspec; from dlprof.capture.machine import monitors, nvml, provenance; print(json.dumps({expression}))"
    env = {**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_watched_gpu_tells_what_it_can(tmp_path: Path) -> None:
    wanted = {"utilisation_percent": 37, "memory_used_bytes": 1024}  # this one does not tell its power
    assert told_with_nvml(tmp_path, "nvml.Watch('GPU-1234').read()") == wanted
    assert told_with_nvml(tmp_path, "nvml.Watch(monitors._identity(0)).read()") == wanted
    assert told_with_nvml(tmp_path, "nvml.Watch('GPU-other').read()") == {}


def test_nvml_facts_are_told_and_those_that_the_gpu_refuses_are_left_out(tmp_path: Path) -> None:
    assert told_with_nvml(tmp_path, "msgspec.to_builtins(provenance.gpus())") == [
        {
            "index": 0,
            "name": "NVIDIA H200",
            "driver": "580.159.03",
            "driver_cuda": "13.0",
            "compute_capability": "9.0",
            "memory_total_bytes": 150753771520,
            "memory_used_bytes": 1024,
            "sm_clock_max_mhz": 1980,
            "memory_clock_max_mhz": 3201,
            "sm_clock_mhz": 345,
            "memory_clock_mhz": 3201,
            "power_limit_w": 700.0,
            "temperature_c": 31,
            "utilisation_percent": 37,
            "mig": False,
            "clock_held_down_by": ["GpuIdle", "SwPowerCap"],
        }
    ]


def test_the_locks_for_gpus_hold_a_wheel_for_each_library(tmp_path: Path) -> None:
    for spec in (MXNet().env("1.9.1", "gpu"), TensorFlow().env("2.21", "gpu")):
        assert spec.requirements is not None
        lock = spec.requirements.read_text()
        assert spec.environ == {"LD_LIBRARY_PATH": "{site}/nvidia/*/lib"}
        assert lock.count("\nnvidia-") >= len(spec.libraries) - 1  # cublas brings cublasLt
    assert MXNet().env("1.9.1", "cpu").environ == {}
    assert MXNet().env("1.9.1", "cpu").libraries == ()


def test_a_release_without_cuda_wheels_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"tf 2\.10\.1 has no GPU build") as error:
        TensorFlow().env("2.10", "gpu")
    assert "2.14 or later" in str(error.value.hint)


def test_library_folders_are_found_where_the_environment_lies(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("cudnn", "cublas"):
        (site / "nvidia" / name / "lib").mkdir(parents=True)
    placed = env_store.placed({"LD_LIBRARY_PATH": "{site}/nvidia/*/lib", "X": "{site}/y", "Z": "1"}, tmp_path)
    assert placed == {
        "LD_LIBRARY_PATH": f"{site}/nvidia/cublas/lib:{site}/nvidia/cudnn/lib",
        "X": f"{site}/y",
        "Z": "1",
    }


def test_the_childs_own_libraries_come_before_those_of_the_users_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/driver")
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    env = child_environ({"LD_LIBRARY_PATH": "/own"}, gpu=True)
    assert (env["LD_LIBRARY_PATH"], env["CUDA_DEVICE_ORDER"]) == ("/own:/driver", "PCI_BUS_ID")
    assert child_environ()["LD_LIBRARY_PATH"] == "/driver"
    assert child_environ()["CUDA_VISIBLE_DEVICES"] == "-1"


def test_a_library_that_does_not_load_is_named() -> None:
    with pytest.raises(EnvironmentFailed, match=r"a shared library does not load: libcudnn\.so\.99"):
        probe.ask(Path(sys.executable), "json", libraries=["libm.so.6", "libcudnn.so.99"])
    assert probe.ask(Path(sys.executable), "json", libraries=["libm.so.6"])["missing"] == []


def refuse(soname: str) -> object:
    raise OSError(f"{soname}: cannot open shared object file")


def test_a_missing_driver_is_told_with_what_mends_it(tmp_path: Path) -> None:
    found = list(gpu_check.driver(tmp_path, refuse))
    assert [finding.good for finding in found[:3]] == [False, False, False]
    assert "--gpus all" in found[0].remedy
    assert "libcuda.so.1 (runs programs) does not load" in found[1].text
    assert "NVIDIA_DRIVER_CAPABILITIES" in found[2].remedy


def test_a_driver_that_is_there_is_told_with_its_version(tmp_path: Path) -> None:
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.03  Thu\nGCC version: x\n"
    )
    first, *rest = gpu_check.driver(tmp_path, lambda soname: None)
    assert (first.good, first.text) == (True, "kernel driver: NVIDIA UNIX x86_64 Kernel Module  580.159.03  Thu")
    assert all(finding.good is not False for finding in rest)


@pytest.mark.parametrize(
    ("params", "capabilities", "good"),
    [
        ("RmProfilingAdminOnly: 0\n", "0000000000000000", True),
        ("RmProfilingAdminOnly: 1\n", "0000000000000000", False),
        ("RmProfilingAdminOnly: 1\n", "000001ffffffffff", True),
        ("RmProfilingAdminOnly: 1\n", "00000000a80425fb", False),  # root in a container of Docker's defaults
        ("Other: 1\n", "0000000000000000", None),
    ],
)
def test_permission_for_counters_comes_from_the_driver_and_the_process(
    tmp_path: Path, params: str, capabilities: str, good: bool | None
) -> None:
    (tmp_path / "params").write_text("EnableMSI: 1\n" + params)
    (tmp_path / "status").write_text(f"Name:\tpython\nCapEff:\t{capabilities}\n")
    found = gpu_check.counters(tmp_path / "params", tmp_path / "status")
    assert found.good is good
    assert ("NVreg_RestrictProfilingToAdminUsers=0" in found.remedy) == (good is False)


def test_doctor_loads_the_cuda_libraries_of_a_made_environment_and_names_the_one_that_fails() -> None:
    spec = EnvSpec("tf-1-gpu", "tf", "1", "gpu", "3.11", None, libraries=("libm.so.6", "libcupti.so.99"))
    environment = Environment("tf-1-gpu", "tf", Path(sys.executable), "1", "3.11", {})
    (broken,) = gpu_check.libraries([spec], [environment])
    assert (broken.good, broken.remedy) == (False, "dlprof env remove tf-1-gpu; it is made anew on next use")
    assert "libcupti.so.99" in broken.text
    (whole,) = gpu_check.libraries([dataclasses.replace(spec, libraries=("libm.so.6",))], [environment])
    assert whole.good


def test_what_has_never_run_on_hardware_stands_in_doctor_and_in_the_guide() -> None:
    guide = " ".join((ROOT / "docs" / "gpu.md").read_text().split())
    assert all(text in guide for text in gpu_check.NOT_TRIED)
    assert [finding.text for finding in gpu_check.check([], [])][-1] == gpu_check.NOT_TRIED[-1]
