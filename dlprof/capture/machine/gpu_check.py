"""What `--device gpu` needs of a machine, checked one by one: driver and its libraries, GPUs, CUDA, permissions."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof import manifest
from dlprof.capture.environments.env_store import Environment
from dlprof.capture.machine import devices, nvml, probe
from dlprof.errors import EnvironmentFailed
from dlprof.plugin import EnvSpec

_PROC: Final = Path("/proc/driver/nvidia")
_STATUS: Final = Path("/proc/self/status")
_CAP_PERFMON, _CAP_SYS_ADMIN = 38, 21

NOT_TRIED: Final = (
    "a GPU capture of dlprof's own (TensorFlow or MXNet) has never run on hardware",
    "MXNet's CUDA build was imported without a GPU, and has never run an operator on one",
    "GPU traces are read and checked on recordings of others: NVIDIA V100 and H100, AMD MI250 and MI300X",
    "benchmarks/gpu/run.py makes up for it in one go where there is a GPU",
)
"""What dlprof cannot vouch for yet, word for word as in docs/gpu.md."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `dlprof doctor` says of GPUs.

    good: None for what is merely told
    remedy: what mends it, '' where nothing needs mending
    absent: it is not there, rather than not as it should be
    """

    good: bool | None
    text: str
    remedy: str = ""
    absent: bool = False


def check(specs: Sequence[EnvSpec], made: Sequence[Environment]) -> Iterator[Finding]:
    """Everything, in the order in which one thing needs the one before. specs: the GPU environments that dlprof ships;
    made: those that exist on this machine."""
    yield from driver()
    gpus = devices.nvidia_gpus()
    if not gpus:
        yield Finding(
            False,
            "no GPU that dlprof may use",
            "only --device gpu needs one; CUDA_VISIBLE_DEVICES may hide it",
            absent=True,
        )
    facts = {entry.uuid: entry for entry in nvml.gpus()}
    for gpu in gpus:
        yield from _gpu(gpu, facts.get(gpu.uuid, manifest.Gpu(index=gpu.index)))
        for spec in specs:
            for misfit in devices.misfits(gpu, spec):
                yield Finding(False, misfit, "another GPU or driver, or another framework release")
    yield from libraries(specs, made)
    if (_PROC / "params").exists() or gpus:
        yield counters()
    yield from (Finding(None, text) for text in NOT_TRIED)


def driver(proc: Path = _PROC, load: Callable[[str], object] = ctypes.CDLL) -> Iterator[Finding]:
    """The kernel driver, and the libraries that come with it."""
    try:
        first = (proc / "version").read_text(encoding="utf-8", errors="replace").splitlines()[:1]
    except OSError:
        first = []
    yield Finding(
        bool(first),
        f"kernel driver: {first[0].removeprefix('NVRM version:').strip()}" if first else "no NVIDIA kernel driver",
        "" if first else "install NVIDIA's driver, or start the container with its GPUs (docker run --gpus all)",
        absent=not first,
    )
    for soname, use in (
        ("libcuda.so.1", "runs programs"),
        ("libnvidia-ml.so.1", "tells clocks, power and temperature"),
    ):
        try:
            load(soname)
        except OSError as failure:
            yield Finding(
                False,
                f"{soname} ({use}) does not load: {failure}",
                "it belongs to the driver: in a container NVIDIA_DRIVER_CAPABILITIES must hold compute,utility",
                absent=True,
            )
        else:
            yield Finding(True, f"{soname} ({use})")
    if shutil.which("nvidia-smi") is None:
        yield Finding(None, "nvidia-smi is not on PATH; dlprof can do without where libnvidia-ml.so.1 loads")


def _gpu(gpu: devices.Gpu, facts: manifest.Gpu) -> Iterator[Finding]:
    told = [f"gpu:{gpu.index} {gpu.name}", f"{gpu.memory_mib} MiB" if gpu.memory_mib else ""]
    told += [f"driver {gpu.driver}" if gpu.driver else "", f"compute capability {gpu.compute}" if gpu.compute else ""]
    yield Finding(True, ", ".join(filter(None, told)))
    used = facts.memory_used_bytes or 0
    if used > 1 << 30:
        yield Finding(
            False, f"{used >> 20} MiB of its memory are in use", "other programs disturb measurements; stop them"
        )
    if facts.mig:
        yield Finding(
            False, "MIG is on: a slice of the GPU is measured", "the manifest says so; nvidia-smi -mig 0 turns it off"
        )
    if facts.persistence_mode is False:
        yield Finding(
            False, "persistence mode is off: the first call pays for waking the driver", "nvidia-smi -pm 1, as root"
        )
    slow = [reason for reason in facts.clock_held_down_by or () if "Thermal" in reason or "Hw" in reason]
    if slow:
        yield Finding(False, f"its clock is held down: {', '.join(slow)}", "let it cool, or look at its power supply")


def libraries(specs: Sequence[EnvSpec], made: Sequence[Environment]) -> Iterator[Finding]:
    """Whether the CUDA libraries of each GPU environment load in it; CUPTI, which records kernels, by its own name."""
    known = {spec.name: spec for spec in specs}
    found = [(environment, known[environment.name]) for environment in made if environment.name in known]
    if not found:
        names = ", ".join(known)
        yield Finding(
            None, f"no environment for GPUs is made yet ({names}); each takes 4 to 6 GiB and is made on first use"
        )
    for environment, spec in found:
        try:
            probe.ask(environment.python, None, environ=environment.environ, libraries=spec.libraries)
        except EnvironmentFailed as failure:
            yield Finding(False, failure.message, f"dlprof env remove {spec.name}; it is made anew on next use")
            continue
        cupti = next((name for name in spec.libraries if "cupti" in name), None)
        records = (
            f"with CUPTI ({cupti})" if cupti else "no CUPTI, and none needed: its profiler records operators alone"
        )
        yield Finding(True, f"{environment.name}: {len(spec.libraries)} CUDA libraries load, {records}")


def counters(params: Path = _PROC / "params", status: Path = _STATUS) -> Finding:
    """Whether this user may read hardware counters (Nsight Compute; CUPTI's metrics). Kernel times need no counters."""
    restricted = _param(params, "RmProfilingAdminOnly")
    if restricted is None:
        return Finding(None, f"whether hardware counters may be read is unknown: {params} does not tell")
    if restricted == "0":
        return Finding(True, "hardware counters: open to every user")
    held = int(_param(status, "CapEff") or "0", 16)
    if held >> _CAP_SYS_ADMIN & 1 or held >> _CAP_PERFMON & 1:
        return Finding(True, "hardware counters: for administrators, and this process is one")
    return Finding(
        False,
        "hardware counters are for administrators; kernel times do not need them, ncu does, and some drivers then also "
        "refuse CUPTI (CUPTI_ERROR_INSUFFICIENT_PRIVILEGES)",
        "options nvidia NVreg_RestrictProfilingToAdminUsers=0 in /etc/modprobe.d/nvidia.conf and a reboot; "
        "in a container --cap-add=SYS_ADMIN",
    )


def _param(path: Path, name: str) -> str | None:
    """The value of a line `name: value`."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), None)
