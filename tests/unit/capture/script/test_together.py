"""When two scripts cannot be alive together: memory, ports and devices that one of them has, locks that one waits for."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dlprof.capture.machine.memory import available_bytes
from dlprof.capture.script.together import BLOCKED_S, Blocked, Room, wants_it_alone
from dlprof.capture.workers.trial import NotTogether

GIB = 1024**3


@pytest.mark.parametrize(
    ("code", "words", "alone"),
    [
        (1, "MemoryError", True),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", True),
        (1, "RuntimeError: [enforce fail] Cannot allocate memory", True),
        (1, "OSError: [Errno 98] Address already in use", True),
        (-signal.SIGKILL, "", True),
        (137, "", True),
        (-signal.SIGTERM, "", False),
        (1, "ValueError: planted", False),
        (0, "warning: out of memory was avoided", False),
    ],
)
def test_what_a_script_that_failed_beside_another_may_not_need_to_fail_of(code: int, words: str, alone: bool) -> None:
    assert wants_it_alone(code, words) is alone


def test_a_side_that_uses_no_cpu_for_long_is_blocked_and_one_that_sleeps_in_between_is_not() -> None:
    clock, used = [0.0], [0]
    blocked = Blocked(lambda: used[0], lambda: clock[0])
    for second in range(1, int(BLOCKED_S) * 2):
        clock[0] = second
        used[0] += 10**9 if second % 30 == 0 else 0
        assert not blocked.too_long()
    waiting = Blocked(lambda: used[0], lambda: clock[0])
    began = clock[0]
    while not waiting.too_long():
        clock[0] += 1
    assert clock[0] - began == BLOCKED_S


def _side(gib: float, *, ready: bool) -> Any:
    return SimpleNamespace(is_ready=ready, processes=SimpleNamespace(memory_bytes=lambda: int(gib * GIB)))


@pytest.mark.parametrize(
    ("a", "b", "free_gib", "fits"),
    [
        (_side(4, ready=True), _side(1, ready=False), 3.5, True),
        (_side(4, ready=True), _side(1, ready=False), 3.0, False),
        (_side(4, ready=False), _side(1, ready=False), 0.5, True),
        (_side(4, ready=False), _side(1, ready=False), 0.1, False),
        (_side(4, ready=True), _side(5, ready=False), 0.5, True),
    ],
)
def test_a_side_that_is_ready_tells_what_the_other_will_want(a: Any, b: Any, free_gib: float, fits: bool) -> None:
    room = Room({"a": a, "b": b}, available=lambda: int(free_gib * GIB))
    if fits:
        room.check()
    else:
        with pytest.raises(NotTogether, match="memory does not hold both sides: A has 4"):
            room.check()


def test_one_side_alone_may_take_all_memory() -> None:
    Room({"a": _side(4, ready=False)}, available=lambda: 0).check()


def test_the_memory_that_a_control_group_leaves_is_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/job/step\n")
    groups = tmp_path / "groups"
    for name, most, used in (("job", str(1000), 700), ("job/step", "max", 600)):
        (groups / name).mkdir(parents=True, exist_ok=True)
        (groups / name / "memory.max").write_text(most)
        (groups / name / "memory.current").write_text(str(used))
        (groups / name / "memory.stat").write_text("anon 500\ninactive_file 100\n")
    assert available_bytes(groups, tmp_path / "cgroup") == 400
    assert available_bytes(tmp_path / "none", tmp_path / "nothing") > 1000
