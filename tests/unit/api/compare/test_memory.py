"""Several sides are all alive at once: whether they fit is asked before they start, and seen while they live."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from paced_runs import run_options

from dlprof.api.compare import memory
from dlprof.errors import Unsupported


def free(monkeypatch: pytest.MonkeyPatch, available: int) -> None:
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=available))


def test_three_sides_that_cannot_fit_are_refused_with_what_they_need_and_two_are_let_try(monkeypatch):
    workload = run_options().resolve("tf")
    free(monkeypatch, 3 * memory.LEAST - 1)
    memory.check({"a": workload, "b": workload})
    with pytest.raises(Unsupported, match=r"3 sides, all alive at once, need about 450 MiB at least"):
        memory.check({"a": workload, "b": workload, "c": workload})
    free(monkeypatch, 3 * memory.LEAST)
    memory.check({"a": workload, "b": workload, "c": workload})


def test_living_sides_that_leave_less_than_half_of_the_largest_are_named(monkeypatch):
    sizes = {1: 100 << 20, 2: 400 << 20, 3: 100 << 20}
    living = {pid: SimpleNamespace(memory_info=lambda rss=rss: SimpleNamespace(rss=rss)) for pid, rss in sizes.items()}
    monkeypatch.setattr(memory.psutil, "Process", living.__getitem__)
    free(monkeypatch, 200 << 20)
    assert memory.crowded([1, 2, 3]) == ""
    free(monkeypatch, (200 << 20) - 1)
    assert memory.crowded([1, 2, 3]).startswith("the 3 sides together take 600 MiB, and 200 MiB of memory are left")
