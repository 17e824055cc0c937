"""What NVIDIA's management library tells of each GPU: clocks, power, temperature, memory, MIG, why its clock is held down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dlprof.manifest import Gpu

_MILLI: Final = 1000


def gpus() -> list[Gpu]:
    """Every GPU of the machine, in the order of the PCI bus; [] without a driver.

    What changes is as of this moment: idle before a run, still warm after one. CUDA_VISIBLE_DEVICES has no influence here.
    """
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        machine = _read(pynvml, _of_machine(pynvml))
        count = pynvml.nvmlDeviceGetCount()
        return [Gpu(index=index, **_of_gpu(pynvml, index), **machine) for index in range(count)]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


class Watch:
    """One GPU asked again and again, without opening NVIDIA's library each time.

    It is named by its UUID, or by its index in the order of the PCI bus.
    """

    def __init__(self, gpu: str | int) -> None:
        import pynvml

        self._nvml = pynvml
        self._gpu: Any = None
        try:
            pynvml.nvmlInit()
            by_uuid = isinstance(gpu, str)
            self._gpu = (pynvml.nvmlDeviceGetHandleByUUID if by_uuid else pynvml.nvmlDeviceGetHandleByIndex)(gpu)
        except pynvml.NVMLError:
            return

    def read(self) -> dict[str, Any]:
        """utilisation_percent, memory_used_bytes, power_w: those that can be had; {} without a driver."""
        if self._gpu is None:
            return {}
        wanted = ("utilisation_percent", "memory_used_bytes", "power_w")
        asked = _moment(self._nvml, self._gpu)
        return _read(self._nvml, {name: asked[name] for name in wanted})

    def close(self) -> None:
        if self._gpu is not None:
            self._nvml.nvmlShutdown()
            self._gpu = None


def _of_machine(pynvml: Any) -> dict[str, Callable[[], Any]]:
    return {
        "driver": lambda: _text(pynvml.nvmlSystemGetDriverVersion()),
        "driver_cuda": lambda: _cuda(pynvml.nvmlSystemGetCudaDriverVersion_v2()),
    }


def _of_gpu(pynvml: Any, index: int) -> dict[str, Any]:
    try:
        gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError as failure:
        return {"unreadable": str(failure)}
    return _read(pynvml, {**_constants(pynvml, gpu), **_moment(pynvml, gpu)})


def _constants(pynvml: Any, gpu: Any) -> dict[str, Callable[[], Any]]:
    """What does not change while a program runs."""
    return {
        "name": lambda: _text(pynvml.nvmlDeviceGetName(gpu)),
        "uuid": lambda: _text(pynvml.nvmlDeviceGetUUID(gpu)),
        "compute_capability": lambda: ".".join(map(str, pynvml.nvmlDeviceGetCudaComputeCapability(gpu))),
        "memory_total_bytes": lambda: int(pynvml.nvmlDeviceGetMemoryInfo(gpu).total),
        "sm_clock_max_mhz": lambda: pynvml.nvmlDeviceGetMaxClockInfo(gpu, pynvml.NVML_CLOCK_SM),
        "memory_clock_max_mhz": lambda: pynvml.nvmlDeviceGetMaxClockInfo(gpu, pynvml.NVML_CLOCK_MEM),
        "sm_clock_applications_mhz": lambda: pynvml.nvmlDeviceGetApplicationsClock(gpu, pynvml.NVML_CLOCK_SM),
        "power_limit_w": lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / _MILLI,
        "persistence_mode": lambda: bool(pynvml.nvmlDeviceGetPersistenceMode(gpu)),
        "compute_mode": lambda: int(pynvml.nvmlDeviceGetComputeMode(gpu)),
        "ecc": lambda: bool(pynvml.nvmlDeviceGetEccMode(gpu)[0]),
        "mig": lambda: bool(pynvml.nvmlDeviceGetMigMode(gpu)[0]),
    }


def _moment(pynvml: Any, gpu: Any) -> dict[str, Callable[[], Any]]:
    return {
        "sm_clock_mhz": lambda: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
        "memory_clock_mhz": lambda: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_MEM),
        "power_w": lambda: pynvml.nvmlDeviceGetPowerUsage(gpu) / _MILLI,
        "temperature_c": lambda: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
        "memory_used_bytes": lambda: int(pynvml.nvmlDeviceGetMemoryInfo(gpu).used),
        "utilisation_percent": lambda: pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
        "clock_held_down_by": lambda: _reasons(pynvml, pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu)),
    }


def _read(pynvml: Any, wanted: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    facts = {}
    for name, ask in wanted.items():
        try:
            facts[name] = ask()
        except pynvml.NVMLError:  # not supported by this GPU, not permitted, or unknown to this driver
            continue
    return facts


def _reasons(pynvml: Any, bits: int) -> list[str]:
    """Names of the set bits: GpuIdle, SwPowerCap, HwSlowdown, …"""
    prefix = "nvmlClocksThrottleReason"
    names = {getattr(pynvml, name): name.removeprefix(prefix) for name in dir(pynvml) if name.startswith(prefix)}
    return [name for bit, name in sorted(names.items()) if bit and bit & bits == bit and bit.bit_count() == 1]


def _cuda(version: int) -> str:
    """12040 → 12.4."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _text(value: str | bytes) -> str:
    """Older pynvml gives bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
