"""A machine as manifest.json describes it: what it is, its GPUs, and what else it did during a trial."""

from __future__ import annotations

import msgspec


class Gpu(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A GPU of the machine, as NVIDIA's management library tells it; None for what this GPU or driver does not tell.

    Units are in the names. Clocks, power, temperature, memory in use and utilisation are those of one moment.
    index: in the order of the PCI bus
    unreadable: why nothing else is known
    clock_held_down_by: reasons, as the library names them
    memory_mib, compute: as nvidia-smi tells them, where there is no library
    uuid: never stored
    """

    index: int
    unreadable: str | None = None
    name: str | None = None
    uuid: str | None = None
    compute_capability: str | None = None
    memory_total_bytes: int | None = None
    sm_clock_max_mhz: int | None = None
    memory_clock_max_mhz: int | None = None
    sm_clock_applications_mhz: int | None = None
    power_limit_w: float | None = None
    persistence_mode: bool | None = None
    compute_mode: int | None = None
    ecc: bool | None = None
    mig: bool | None = None
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    power_w: float | None = None
    temperature_c: int | None = None
    memory_used_bytes: int | None = None
    utilisation_percent: int | None = None
    clock_held_down_by: list[str] | None = None
    driver: str | None = None
    driver_cuda: str | None = None
    memory_mib: str | None = None
    compute: str | None = None

    @property
    def lasting(self) -> Gpu:
        """What is the same at another moment."""
        return msgspec.structs.replace(
            self,
            sm_clock_mhz=None,
            memory_clock_mhz=None,
            power_w=None,
            temperature_c=None,
            memory_used_bytes=None,
            utilisation_percent=None,
            clock_held_down_by=None,
        )


class Machine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Facts of a machine at one moment (capture.machine.provenance), units in the names; what could not be read is None.

    load: over 1, 5 and 15 minutes
    threads: the thread variables that reached the child
    """

    cpu: str | None = None
    architecture: str | None = None
    cores_logical: int | None = None
    cores_physical: int | None = None
    cores_usable: int | None = None
    frequency_mhz: float | None = None
    governor: str | None = None
    memory_bytes: int | None = None
    memory_available_bytes: int | None = None
    os: str | None = None
    kernel: str | None = None
    virtualisation: str | None = None
    load: list[float] | None = None
    threads: dict[str, str] | None = None
    gpus: list[Gpu] | None = None


class Disturbance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What else a machine did during a trial; fractions are of all cores, pairs are before and after the trial.

    other_cpu: what programs beside dlprof and its children used
    steal: what the hypervisor took away
    frequency_mhz, temperature_c: None where the machine does not tell
    """

    wall_s: float
    load_1m: tuple[float, float]
    steal: float
    other_cpu: float
    context_switches_per_s: int
    frequency_mhz: tuple[float, float] | None = None
    temperature_c: tuple[float, float] | None = None
