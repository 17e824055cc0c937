"""What the manifest says of machine, command and packages, so that a number can be judged later. No secrets."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import psutil

from dlprof.capture.environments.env_store import Environment
from dlprof.capture.machine import nvml
from dlprof.capture.machine.devices import nvidia_gpus
from dlprof.capture.workers.launch_env import thread_settings
from dlprof.manifest import EnvironmentFacts, Gpu, Machine, Package
from dlprof.plugin import LIBRARIES, ThreadVariables

_CPU_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def machine(variables: Iterable[ThreadVariables] = LIBRARIES) -> Machine:
    """This machine at this moment; None for a fact that cannot be read, never a guess. variables: what reaches the children."""
    return Machine(
        cpu=cpu_model(),
        architecture=platform.machine(),
        cores_logical=psutil.cpu_count(),
        cores_physical=psutil.cpu_count(logical=False),
        cores_usable=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        frequency_mhz=frequency_mhz(),
        governor=_read(_CPU_GOVERNOR),
        memory_bytes=psutil.virtual_memory().total,
        memory_available_bytes=psutil.virtual_memory().available,
        os=_distribution(),
        kernel=platform.release(),
        virtualisation=_virtualisation(),
        load=[round(value, 2) for value in os.getloadavg()],
        threads=thread_settings(variables),
        gpus=gpus(),
    )


def gpus() -> list[Gpu]:
    """Each NVIDIA GPU of the machine (nvml.gpus); its name, memory and driver where only those can be had."""
    told = [msgspec.structs.replace(gpu, uuid=None) for gpu in nvml.gpus()]
    return told or [
        Gpu(
            index=gpu.index,
            name=gpu.name,
            memory_mib=gpu.memory_mib or None,
            driver=gpu.driver or None,
            compute=gpu.compute or None,
        )
        for gpu in nvidia_gpus()
    ]


def packages(environment: Environment) -> EnvironmentFacts:
    """What is in a child's environment."""
    return EnvironmentFacts(
        environment=environment.name,
        python=environment.python_version,
        locked=environment.locked,
        digest=environment.digest,
        packages={
            name: Package(version=version, contents_sha256=environment.contents.get(name))
            for name, version in sorted(environment.packages.items())
        },
    )


def cpu_model() -> str | None:
    """The CPU's name as /proc/cpuinfo has it."""
    text = _read(Path("/proc/cpuinfo")) or ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or None


def frequency_mhz() -> float | None:
    """The current clock averaged over cores, or None where the machine (many a VM) does not tell."""
    text = _read(Path("/proc/cpuinfo")) or ""
    clocks = [float(value) for value in re.findall(r"^cpu MHz\s*:\s*([0-9.]+)$", text, re.MULTILINE)]
    return round(sum(clocks) / len(clocks), 1) if clocks else None


def _virtualisation() -> str | None:
    """A hint, not a proof: the hypervisor bit that x86 guests see, the firmware's vendor, a container's marks."""
    hints = []
    if re.search(r"^flags\s*:.*\bhypervisor\b", _read(Path("/proc/cpuinfo")) or "", re.MULTILINE):
        vendor = _read(Path("/sys/class/dmi/id/sys_vendor"))
        hints.append(f"virtual machine ({vendor})" if vendor else "virtual machine")
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        hints.append("container")
    return ", ".join(hints) or None


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
