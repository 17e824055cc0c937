"""Data-parallel PyTorch with gloo, four processes, each traced by its own profiler: what was planted is named and sized."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ranks_job import SLEEP_S

from dlprof.analysis.ranks.model import Ranks
from dlprof.api.ranks.build import build
from dlprof.api.ranks.read import analyse
from dlprof.api.sides import parse_side
from dlprof.capture.environments.env_store import EnvStore

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

SLEEP_NS = SLEEP_S * 1e9


@pytest.fixture(scope="module")
def python() -> Path:
    return EnvStore().ensure(parse_side("torch@2.13.0").env).python


def recorded(python: Path, folder: Path, planted: str) -> Ranks:
    traces = folder / "traces"
    traces.mkdir()
    script = Path(__file__).with_name("ranks_job.py")
    words = [
        [str(python), str(script), str(rank), "4", str(folder / "store"), str(traces), planted] for rank in range(4)
    ]
    processes = [subprocess.Popen(one, stderr=subprocess.DEVNULL) for one in words]
    assert [process.wait(timeout=300) for process in processes] == [0] * 4
    build(traces, folder / "set", jobs=1)
    return analyse(folder / "set")


@pytest.mark.parametrize(("planted", "rank", "part"), [("slow-rank", 2, "host"), ("slow-input", 1, "input")])
def test_a_planted_straggler_is_named_and_sized(
    python: Path, tmp_path: Path, planted: str, rank: int, part: str
) -> None:
    found = recorded(python, tmp_path, planted)
    worst = found.stragglers[0]
    assert (worst.rank, worst.part, worst.pattern) == (rank, part, "persistent")
    assert worst.excess.low is not None
    assert worst.excess.high is not None
    # The sleep itself is 30 ms and a little; what else the rank does by itself is at most a few ms on two busy cores.
    assert worst.excess.low < SLEEP_NS * 1.1
    assert worst.excess.high > SLEEP_NS
    # On a busy machine a sleep ends late: the part is what the rank takes longer, and no less than the sleep.
    assert SLEEP_NS * 0.75 < worst.part_ns < max(SLEEP_NS * 1.25, worst.excess.high)
    assert found.by_rank[rank].last == max(place.last for place in found.by_rank)


def test_a_planted_collective_is_the_collectives_own_and_no_ranks(python: Path, tmp_path: Path) -> None:
    found = recorded(python, tmp_path, "slow-collective")
    large = max(found.by_collective, key=lambda one: one.share)
    assert (large.op, large.bytes, large.ranks) == ("AllReduce", 4 * (4 << 20), 4)
    assert large.share > 0.5
    assert [one for one in found.stragglers if one.pattern == "persistent"] == []
