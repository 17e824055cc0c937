"""How much energy the machine has used: counters of its processors (RAPL, by Linux' powercap) and of its GPUs (NVML).

They count for the whole processor or GPU, whoever uses it, and so tell a side's energy only while nothing else runs: in a timed
burst, when the other sides are stopped. What the machine uses when it idles is in it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dlprof.errors import Unsupported

POWERCAP: Final = Path("/sys/class/powercap")
_PACKAGE: Final = re.compile(r"[a-z]+-rapl:\d+")
"""A whole processor; `intel-rapl:0:0` is a part of one."""


@dataclass(slots=True)
class _Counter:
    """One that only grows. read: joules; wraps: at which it begins anew, None where it does not."""

    name: str
    read: Callable[[], float]
    wraps: float | None = None
    last: float = field(init=False)
    used: float = 0.0

    def __post_init__(self) -> None:
        self.last = self.read()

    def joules(self) -> float:
        """Since it was made. To be asked at least once between two wraps (tens of seconds at full power)."""
        now = self.read()
        grown = now - self.last
        if grown < 0 and self.wraps is not None:
            grown += self.wraps
        self.used, self.last = self.used + max(grown, 0.0), now
        return self.used


class Meter:
    """All counters of the machine that can be read."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        """Raises `Unsupported`, which says why, where there is none."""
        self._nvml: Any = None
        self._counters = [*self._processors(powercap), *self._gpus()]
        if not self._counters:
            raise Unsupported(f"energy cannot be read here: {self._why}", hint="leave --max-energy out")

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of what is counted."""
        return tuple(one.name for one in self._counters)

    def joules(self) -> float:
        """Of all of them since the meter was made."""
        return sum(one.joules() for one in self._counters)

    def close(self) -> None:
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml = None

    def _processors(self, powercap: Path) -> list[_Counter]:
        if not powercap.is_dir():
            self._why = f"no {powercap} (a virtual machine, or no RAPL), and no GPU that tells"
            return []
        found, refused = list[_Counter](), list[str]()
        for folder in sorted(one for one in powercap.iterdir() if _PACKAGE.fullmatch(one.name)):
            try:
                found.append(_processor(folder))
            except OSError as error:
                refused.append(f"{folder / 'energy_uj'}: {error.strerror}")
            except ValueError:
                refused.append(f"{folder}: no number")
        self._why = f"{', '.join(refused) or f'{powercap} holds no processor'}, and no GPU tells"
        return found

    def _gpus(self) -> list[_Counter]:
        import pynvml  # type: ignore[import-untyped]

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return []
        self._nvml, found = pynvml, list[_Counter]()
        with contextlib.suppress(pynvml.NVMLError):
            for index in range(pynvml.nvmlDeviceGetCount()):
                gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
                with contextlib.suppress(pynvml.NVMLError):  # older than Volta, or a slice of one
                    found.append(_Counter(f"GPU {index}", _gpu(pynvml, gpu)))
        return found


def _processor(folder: Path) -> _Counter:
    """Raises `OSError` where it cannot be read (only root may, since 2020), `ValueError` where it holds no number."""
    file = folder / "energy_uj"
    wraps = int((folder / "max_energy_range_uj").read_text()) / 1e6
    return _Counter(folder.name, lambda: int(file.read_text()) / 1e6, wraps)


def _gpu(pynvml: Any, gpu: Any) -> Callable[[], float]:
    """Joules since the driver was loaded."""
    return lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)) / 1e3
