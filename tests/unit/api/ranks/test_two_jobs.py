"""Two jobs whose delays are known: the difference of their steps is what was put in, in the part where it was put."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest
from rank_traces import job

from dlprof.api.ranks.build import build
from dlprof.api.ranks.diff import diff
from dlprof.cli.main import main
from dlprof.report.json import json_schema
from dlprof.report.text import two_jobs_text

US = 1000.0


def noise(rank: int, step: int) -> float:
    return 3.0 * ((rank * 5 + step * 3) % 7)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """B: rank 5 computes 150 µs longer in each step, all collectives take 60 µs longer, and so does the step."""
    place = tmp_path_factory.mktemp("jobs")
    for name, late, transfer, wall in (("a", 0.0, 40.0, 1000.0), ("b", 150.0, 100.0, 1210.0)):
        folder = job(
            place / name / "job",
            lambda r, s, late=late: noise(r, s) + late * (r == 5),
            ranks=8,
            transfer=transfer,
            wall=wall,
        )  # type: ignore[misc]
        build(folder, place / f"{name}-set", jobs=1)
    return place / "a-set", place / "b-set"


def test_the_lines_sum_to_both_steps_and_to_the_difference(jobs: tuple[Path, Path]) -> None:
    found = diff(*jobs)
    for side in ("a_ns", "b_ns"):
        assert sum(getattr(line, side) for line in found.lines) == pytest.approx(getattr(found.whole, side))
    assert sum(line.over_steps.value for line in found.lines) == pytest.approx(found.whole.over_steps.value)
    lines = {line.part: line for line in found.lines}
    assert lines["transfer"].over_steps.value == pytest.approx(60 * US)
    compute = lines["compute"].over_steps
    assert compute.low is not None
    assert compute.high is not None
    # on the path stands the slowest rank: rank 5 now (its noise is 9 µs in the mean), the greatest of eight noises (18) before
    assert 120 * US < compute.low < compute.value < compute.high < 150 * US
    assert lines["input"].over_steps.value == 0


def test_ranks_that_changed_and_those_that_did_not_are_told_apart(jobs: tuple[Path, Path]) -> None:
    found = diff(*jobs)
    first, *others = found.ranks
    # what is left of a step after its collective is each rank's own too: 18 µs of noise at most
    assert (first.rank, first.own.value) == (5, pytest.approx(150 * US, abs=18 * US))
    assert [one.own.value for one in others] == [pytest.approx(0.0, abs=18 * US)] * 7
    over = {line.part: line.over_ranks for line in found.lines}
    compute, transfer = over["compute"], over["transfer"]
    assert compute is not None
    assert transfer is not None
    assert compute.value == pytest.approx(150 * US / 8)
    assert compute.low is not None
    assert compute.low < 0, "one rank of eight is no habit of ranks"
    assert transfer.low == pytest.approx(60 * US), "each rank has it"
    (kind,) = found.collectives
    assert (kind.a_transfer_ns, kind.b_transfer_ns) == (40 * US, 100 * US)


def test_a_job_against_itself_differs_in_nothing(jobs: tuple[Path, Path]) -> None:
    found = diff(jobs[0], jobs[0])
    for line in (*found.lines, found.whole):
        assert line.over_steps.value == 0
        assert line.over_steps.low is not None
        assert line.over_steps.high is not None
        assert line.over_steps.low <= 0 <= line.over_steps.high
    assert two_jobs_text.stragglers(found) == []


def test_the_sides_swapped_mirror_each_other(jobs: tuple[Path, Path]) -> None:
    one, other = diff(*jobs).whole.over_steps, diff(jobs[1], jobs[0]).whole.over_steps
    assert one.low is not None
    assert other.high is not None
    assert (one.value, one.low) == pytest.approx((-other.value, -other.high))


def test_fewer_ranks_steps_and_other_hosts_are_said(jobs: tuple[Path, Path], tmp_path: Path) -> None:
    build(job(tmp_path / "job", noise, ranks=2, steps=3, hosts=("x", "x")), tmp_path / "set", jobs=1)
    found = diff(jobs[0], tmp_path / "set")
    assert (found.whole.over_steps.low, found.whole.over_ranks) == (None, found.whole.over_ranks)
    assert found.only_a == ("rank 2, 3, 4, 5, 6, 7",)
    assert "A has 8 ranks and B 2: a step of both need not be the same work." in found.notes


def test_the_command_in_all_forms(jobs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["diff", *map(str, jobs)]
    assert main(words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Most of it is compute: +1" in said
    assert "In B alone: Rank 5 takes 1" in said
    assert "Each job was recorded once: this is no verdict." in said
    assert main([*words, "--format", "json"]) == 0
    value = json.loads(capsys.readouterr().out)
    jsonschema.validate(value, json_schema("two_jobs"))
    assert main([*words, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["part"] for row in rows] == ["compute", "input", "copy", "host", "transfer", "step"]
    assert float(rows[-1]["delta_ns"]) == pytest.approx(value["whole"]["over_steps"]["value"])
    assert main([*words, "--format", "markdown"]) == 2
    assert "text, json or csv" in capsys.readouterr().err


def test_a_job_beside_a_single_trace_is_refused(jobs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    trace = jobs[0].parent / "a" / "job" / "rank0.json"
    assert main(["diff", str(jobs[0]), str(trace)]) == 1
    assert "a data set of ranks, not one capture" in capsys.readouterr().err
