"""Energy counters of processors, on folders such as Linux' powercap makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof.capture.machine.energy import Meter
from dlprof.errors import Unsupported


def processor(powercap: Path, name: str, microjoules: int, wraps: int = 1_000_000_000) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "max_energy_range_uj").write_text(f"{wraps}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def test_the_energy_of_all_processors_since_the_meter_was_made(tmp_path: Path) -> None:
    processor(tmp_path, "intel-rapl:0", 5_000_000)
    processor(tmp_path, "intel-rapl:1", 7_000_000)
    meter = Meter(tmp_path)
    assert meter.joules() == 0
    processor(tmp_path, "intel-rapl:0", 6_500_000)
    processor(tmp_path, "intel-rapl:1", 9_000_000)
    assert meter.joules() == pytest.approx(3.5)
    assert meter.sources == ("intel-rapl:0", "intel-rapl:1")


def test_a_part_of_a_processor_is_not_counted_twice(tmp_path: Path) -> None:
    processor(tmp_path, "intel-rapl:0", 0)
    processor(tmp_path, "intel-rapl:0:0", 0)
    assert Meter(tmp_path).sources == ("intel-rapl:0",)


def test_a_counter_that_begins_anew_goes_on_counting(tmp_path: Path) -> None:
    processor(tmp_path, "intel-rapl:0", 999_000_000)
    meter = Meter(tmp_path)
    processor(tmp_path, "intel-rapl:0", 1_000_000)
    assert meter.joules() == pytest.approx(2.0)


def test_a_machine_without_counters_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"energy cannot be read here: no .*powercap"):
        Meter(tmp_path / "powercap")
    with pytest.raises(Unsupported, match="holds no processor"):
        Meter(tmp_path)
