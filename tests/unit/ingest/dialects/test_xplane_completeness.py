"""What an XPlane file's own irregularities look like to who runs `dlprof show`."""

from __future__ import annotations

from pathlib import Path

from xspace_bytes import PlaneBytes, block, space

DROPPED = (
    "Detected GPU events dropped on host-1: Profiler has collected 12 driver events and 9 device events."
    " 30 events dropped because total device(activity) events reaches max; 4 events dropped because of space."
)
"""As CUPTI's collector words it, among the warnings."""


def irregular() -> bytes:
    """One of each: clock inversions on a thread and of a kernel, a negative duration, an orphan, drops, an error."""
    host, gpu = PlaneBytes("/host:CPU"), PlaneBytes("/device:GPU:0")
    host.line("python", [
        host.event("outer", 100_000, 300_000),
        host.event("begins before its parent", 50_000, 200_000),
        host.event("ends before it begins", 500_000, -5_000),
        host.event("cuLaunchKernel", 600_000, 10_000, correlation_id=7),
        host.event("cuLaunchKernel", 700_000, 10_000, correlation_id=8),
    ])  # fmt: skip
    gpu.line("Stream #1", [
        gpu.event("begins before its launch", 550_000, 20_000, correlation_id=7),
        gpu.event("begins with its launch", 700_000, 20_000, correlation_id=8),
        gpu.event("orphan", 800_000, 20_000, correlation_id=99),
    ])  # fmt: skip
    return space(host, gpu, errors=["CUPTI_ERROR_UNKNOWN"]) + block(3, DROPPED)


def test_show_tells_clock_inversions_orphans_and_what_the_profiler_says_it_lost(dlprof, tmp_path: Path) -> None:
    file = tmp_path / "host-1.xplane.pb"
    file.write_bytes(irregular())
    dlprof("import", file, "-o", tmp_path / "capture")
    shown = " ".join(dlprof("show", tmp_path / "capture").stdout.split())
    for count in (
        "kernel_before_launch × 1 (warning", "negative_duration × 1 (error", "orphan_kernel × 1 (info",
        "partial_overlap × 1 (info", "profiler_errors × 1 (error", "profiler_warnings × 1 (warning",
        "profiler_dropped_events × 34 (error",
    ):  # fmt: skip
        assert count in shown
    assert "INCOMPLETE: profiler_dropped_events: 34; profiler_errors: 1" in shown
    assert "profiler errors: CUPTI_ERROR_UNKNOWN" in shown
    assert "30 events dropped because total device(activity) events reaches max" in shown
