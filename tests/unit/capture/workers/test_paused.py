"""Groups of processes that stand still: nothing but they is killed, and the watch is there as long as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dlprof.capture.workers.paused import _Watched


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes, each in a group of its own."""
    command = [sys.executable, "-c", "import time; time.sleep(99)"]
    both = [subprocess.Popen(command, start_new_session=True) for _ in range(2)]
    yield both
    for one in both:
        one.kill()
        one.wait()


def ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        return False
    return True


def watch_of(watched: _Watched) -> subprocess.Popen[bytes]:
    assert watched._watch is not None
    return watched._watch


def test_when_the_input_of_the_watch_ends_only_the_groups_that_were_not_forgotten_are_killed(sleepers) -> None:
    watched = _Watched()
    watched.add([one.pid for one in sleepers])
    watched.remove([sleepers[0].pid])
    watch_of(watched).stdin.close()  # type: ignore[union-attr]  # as when the process that holds it is gone
    assert ended(sleepers[1])
    assert ended(watch_of(watched))
    assert sleepers[0].poll() is None


def test_the_watch_ends_with_the_last_group_and_kills_nothing(sleepers) -> None:
    watched = _Watched()
    watched.add([sleepers[0].pid])
    watch = watch_of(watched)
    watched.remove([sleepers[0].pid])
    assert watch.poll() == 0
    assert sleepers[0].poll() is None
    watched.remove([sleepers[0].pid])  # a second time is nothing
    assert watched._watch is None


def test_a_watch_that_somebody_killed_is_replaced_and_knows_all_groups(sleepers) -> None:
    watched = _Watched()
    watched.add([sleepers[0].pid])
    watch_of(watched).kill()
    watch_of(watched).wait()
    watched.add([sleepers[1].pid])
    watch_of(watched).stdin.close()  # type: ignore[union-attr]
    assert all(ended(one) for one in [*sleepers, watch_of(watched)])


def test_the_watch_is_in_no_terminal_s_reach(sleepers) -> None:
    watched = _Watched()
    watched.add([sleepers[0].pid])
    assert os.getsid(watch_of(watched).pid) == watch_of(watched).pid
    watched.remove([sleepers[0].pid])
