"""Is there an NVIDIA GPU? Asked of the driver alone, so that `--device gpu` can fail before any environment is made."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dlprof.errors import Unsupported

_QUERY = "index,name,memory.total,driver_version"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as the driver names it. memory_mib and driver are '' where only its existence could be read."""

    index: int
    name: str
    memory_mib: str = ""
    driver: str = ""


def nvidia_gpus() -> list[Gpu]:
    """GPUs that this process can use: from nvidia-smi, else from libcuda (in containers nvidia-smi is often absent)."""
    return _from_smi() or _from_libcuda()


def require_gpu(index: int = 0) -> Gpu:
    """The GPU `index`. Raises `Unsupported`, saying what was looked for."""
    gpus = nvidia_gpus()
    if not gpus:
        module = "is there" if Path("/proc/driver/nvidia/version").exists() else "is not there"
        raise Unsupported(
            f"no NVIDIA GPU found (nvidia-smi, libcuda.so.1; the kernel driver /proc/driver/nvidia {module})",
            hint="leave --device gpu away to measure on the CPU; in a container, start it with its GPUs passed through",
        )
    for gpu in gpus:
        if gpu.index == index:
            return gpu
    raise Unsupported(f"no GPU {index}", hint=f"there are: {', '.join(f'{gpu.index} ({gpu.name})' for gpu in gpus)}")


def _from_smi() -> list[Gpu]:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return []
    try:
        asked = subprocess.run(
            [smi, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return parse_smi(asked.stdout) if asked.returncode == 0 else []


def parse_smi(text: str) -> list[Gpu]:
    """The GPUs in nvidia-smi's CSV; lines that are none (its messages go to standard output too) are skipped."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return [Gpu(int(row[0]), row[1], row[2], row[3]) for row in rows if len(row) == 4 and row[0].isdigit()]


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
