"""What the manifest says of machine, command and packages, so that a number can be judged later. No secrets."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from dlprof.capture.environments.env_store import Environment
from dlprof.capture.machine import nvml
from dlprof.capture.machine.devices import nvidia_gpus
from dlprof.capture.workers.launch_env import thread_settings

_CPU_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_SECRET = re.compile(r"(?i)(token|secret|password|passwd|apikey|api-key)")


def machine() -> dict[str, Any]:
    """Facts of this machine and moment; a key whose fact cannot be read is absent, never guessed.

    Units are in the names. load: 1, 5, 15 minutes. threads: the thread variables that are set and reach the child.
    """
    load = os.getloadavg()
    facts: dict[str, Any] = {
        "cpu": cpu_model(),
        "architecture": platform.machine(),
        "cores_logical": psutil.cpu_count(),
        "cores_physical": psutil.cpu_count(logical=False),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "frequency_mhz": frequency_mhz(),
        "governor": _read(_CPU_GOVERNOR),
        "memory_bytes": psutil.virtual_memory().total,
        "memory_available_bytes": psutil.virtual_memory().available,
        "os": _distribution(),
        "kernel": platform.release(),
        "virtualisation": _virtualisation(),
        "load": [round(value, 2) for value in load],
        "threads": thread_settings(),
        "gpus": gpus(),
    }
    return {key: value for key, value in facts.items() if value is not None}


def gpus() -> list[dict[str, Any]]:
    """Facts of each NVIDIA GPU of the machine (nvml.gpus); its name, memory and driver where only those can be had."""
    facts = nvml.gpus() or [dataclasses.asdict(gpu) for gpu in nvidia_gpus()]
    return [{key: value for key, value in gpu.items() if key != "uuid" and value != ""} for gpu in facts]


def invocation(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """dlprof's version, its Python, the time (UTC, ISO 8601), the command line without what looks secret."""
    words = list(sys.argv if argv is None else argv)
    return {
        "dlprof_version": importlib.metadata.version("dlprof") if _installed() else "unknown",
        "python": platform.python_version(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": [_program(words[0]), *map(_blot, words[1:])] if words else [],
    }


def _program(path: str) -> str:
    """The program as a user types it: `python -m dlprof` is dlprof."""
    name = Path(path).name
    return "dlprof" if name == "__main__.py" else name


def packages(environment: Environment) -> dict[str, Any]:
    """What is in a child's environment (manifest.EnvironmentFacts, as plain values)."""
    listed = {}
    for name, version in sorted(environment.packages.items()):
        entry = {"version": version}
        if name in environment.contents:
            entry["contents_sha256"] = environment.contents[name]
        listed[name] = entry
    return {
        "environment": environment.name,
        "python": environment.python_version,
        "locked": environment.locked,
        "digest": environment.digest,
        "packages": listed,
    }


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


def _blot(word: str) -> str:
    """`api-token=abc` → `api-token=…`: no option of dlprof takes a secret, but a path or a --set may hold one."""
    key, equals, _ = word.partition("=")
    return f"{key}=…" if equals and _SECRET.search(key) else word


def _installed() -> bool:
    try:
        importlib.metadata.version("dlprof")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
