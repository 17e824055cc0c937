"""Which NVIDIA GPUs are there? Asked of the driver alone, so that `--device gpu` can fail before any environment is made."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlprof.capture.machine import nvml
from dlprof.errors import Unsupported
from dlprof.plugin import EnvSpec

_QUERY = "index,name,memory.total,driver_version,uuid,compute_cap"
_OLD_QUERY = "index,name,memory.total,driver_version,uuid"  # drivers before 510 refuse a query that names compute_cap


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as the driver names it; texts are '' where only its existence could be read.

    index: as CUDA and `--device gpu:N` count: in the order of the PCI bus, only those that CUDA_VISIBLE_DEVICES admits
    memory_mib: its memory
    compute: its compute capability, such as 9.0
    """

    index: int
    name: str
    memory_mib: str = ""
    driver: str = ""
    uuid: str = ""
    compute: str = ""


def nvidia_gpus() -> list[Gpu]:
    """GPUs that a child may use: from the driver's library NVML, else nvidia-smi, else libcuda.

    In containers one or the other is often absent.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and "MIG-" in visible:
        return _from_libcuda()  # a slice of a GPU: only CUDA itself numbers those
    return admitted(_from_nvml() or _from_smi(), visible) or _from_libcuda()


def admitted(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """Those of `gpus` that CUDA_VISIBLE_DEVICES (None: not set) admits, numbered anew.

    CUDA's own rules: numbers or beginnings of UUIDs, up to the first that names none.
    """
    if visible is None:
        return list(gpus)
    found: list[Gpu] = []
    for word in (part.strip() for part in visible.split(",")):
        chosen = [
            gpu for gpu in gpus if str(gpu.index) == word or (word.startswith("GPU-") and gpu.uuid.startswith(word))
        ]
        if len(chosen) != 1:
            break
        found.append(replace(chosen[0], index=len(found)))
    return found


def require_gpu(index: int = 0) -> Gpu:
    """The GPU `index`. Raises `Unsupported`, saying what was looked for."""
    gpus = nvidia_gpus()
    if not gpus:
        module = "is there" if Path("/proc/driver/nvidia/version").exists() else "is not there"
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hidden = "" if visible is None else f"; CUDA_VISIBLE_DEVICES={visible!r} admits none"
        raise Unsupported(
            "no NVIDIA GPU found (libnvidia-ml.so.1, nvidia-smi, libcuda.so.1; "
            f"the kernel driver /proc/driver/nvidia {module}{hidden})",
            hint="leave --device gpu away to measure on the CPU; in a container, start it with its GPUs passed through",
        )
    for gpu in gpus:
        if gpu.index == index:
            return gpu
    raise Unsupported(f"no GPU {index}", hint=f"there are: {', '.join(f'{gpu.index} ({gpu.name})' for gpu in gpus)}")


def misfits(gpu: Gpu, spec: EnvSpec) -> list[str]:
    """Why the framework build of `spec` may not run on `gpu`, as sentences; what the driver does not tell is no reason."""
    found = []
    if spec.driver and gpu.driver and _numbers(gpu.driver) < _numbers(spec.driver):
        found.append(f"{spec.name} needs driver {spec.driver} or later; this is {gpu.driver}: update the driver")
    if spec.compute and gpu.compute:
        low, high = spec.compute
        mine = _numbers(gpu.compute)
        if mine < _numbers(low) or (high and mine > _numbers(high)):
            span = f"{low} to {high}" if high else f"{low} and later"
            found.append(
                f"{spec.name} has GPU code for compute capability {span} and none that others could translate; "
                f'{gpu.name} has {gpu.compute}: expect "no kernel image is available for execution on the device"'
            )
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _from_nvml() -> list[Gpu]:
    return [
        Gpu(
            index=facts.index,
            name=facts.name or "unknown",
            memory_mib="" if facts.memory_total_bytes is None else str(facts.memory_total_bytes >> 20),
            driver=facts.driver or "",
            uuid=facts.uuid or "",
            compute=facts.compute_capability or "",
        )
        for facts in nvml.gpus()
    ]


def _from_smi() -> list[Gpu]:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return []
    for query in (_QUERY, _OLD_QUERY):
        try:
            asked = subprocess.run(
                [smi, f"--query-gpu={query}", "--format=csv,noheader,nounits"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return []
        if asked.returncode == 0:
            return parse_smi(asked.stdout)
    return []


def parse_smi(text: str) -> list[Gpu]:
    """The GPUs in nvidia-smi's CSV; lines that are none (its messages go to standard output too) are skipped."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return [Gpu(int(row[0]), *row[1:]) for row in rows if 4 <= len(row) <= 6 and row[0].isdigit()]


def _from_libcuda() -> list[Gpu]:
    """Count and names from the driver library; cuInit does not make a context, so nothing is allocated on the GPU."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return []
    gpus = []
    for index in range(count.value):
        name = ctypes.create_string_buffer(128)
        known = cuda.cuDeviceGetName(name, len(name), index) == 0
        gpus.append(Gpu(index, name.value.decode("utf-8", "replace") if known else "unknown"))
    return gpus
