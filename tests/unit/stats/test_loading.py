"""What the room loads, and when: opening a result must not wait for SciPy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dlprof import stats
from dlprof.stats import everything


def test_values_that_are_read_back_take_no_scipy() -> None:
    code = "import sys, dlprof.analysis.model; print(sorted(name for name in sys.modules if name.startswith('scipy')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_everything_that_is_listed_is_the_rooms() -> None:
    assert [getattr(stats, name) for name in everything.__all__] == [
        getattr(everything, name) for name in everything.__all__
    ]


def test_a_name_that_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match=r"module 'dlprof\.stats' has no attribute 'no_such'"):
        _ = stats.no_such
