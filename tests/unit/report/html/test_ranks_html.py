"""The page of a job's ranks: what it says and draws of jobs whose delays are known, in a browser, with names that would run."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from pathlib import Path

import browser
import numpy as np
import pytest
from rank_traces import job

from dlprof.analysis.ranks import drawn
from dlprof.analysis.ranks.drawn import Drawn
from dlprof.api.ranks.build import build
from dlprof.api.ranks.page import page
from dlprof.api.ranks.read import Opened, opened
from dlprof.report.html import ranks_plots

US = 1000.0


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Rank 2 is 200 µs late in each of eight steps, 500 in the sixth."""
    place = tmp_path_factory.mktemp("late")
    hosts = ("a", "a", "b", "b")
    folder = job(place / "job", lambda rank, step: (rank == 2) * (500.0 if step == 5 else 200.0), steps=8, hosts=hosts)
    build(folder, place / "set", jobs=1)
    return opened(place / "set")


def test_the_heat_map_holds_each_ranks_excess_in_each_step(late: Opened) -> None:
    found = drawn.build(late.job, late.found())
    assert (found.ranks, found.steps) == ((0, 1, 2, 3), tuple(range(8)))
    assert found.excess[2].tolist() == [200 * US] * 5 + [500 * US] + [200 * US] * 2
    picture = ranks_plots.heat(found).axes[0].images[0].get_array()
    assert picture is not None
    assert np.asarray(picture)[2].tolist() == [200.0] * 5 + [500.0] + [200.0] * 2  # µs
    assert np.asarray(picture)[0].tolist() == [0.0] * 8


def test_the_worst_step_is_drawn_as_its_ranks_spent_it(late: Opened) -> None:
    found = drawn.build(late.job, late.found())
    (worst,) = [one for one in found.worst if one.step == 5]
    assert (worst.culprit, worst.waited, worst.wall, worst.left_out) == (2, 1500 * US, 1000 * US, 0)
    assert worst.arrivals == (810 * US,)
    for lane in worst.lanes:
        pieces = list(zip(lane.parts, lane.start.tolist(), lane.end.tolist(), strict=True))
        assert [start for _, start, _ in pieces] == [0.0, *(end for _, _, end in pieces[:-1])], "no gap, no overlap"
        assert pieces[-1][2] == 1000 * US
        spent = {part: sum(end - start for name, start, end in pieces if name == part) for part in lane.parts}
        late_by = 500 * US if lane.rank == 2 else 0.0
        assert spent["compute"] == 300 * US + late_by
        assert spent.get("waiting", 0.0) == 500 * US - late_by
        assert spent["transfer"] == 40 * US
    labels = [label.get_text() for label in ranks_plots.step(worst).axes[0].get_yticklabels()]
    assert labels == ["rank 0", "rank 1", "▶ rank 2", "rank 3"]


def test_of_many_ranks_the_culprit_and_both_ends_are_drawn(tmp_path: Path) -> None:
    build(
        job(tmp_path / "job", lambda rank, step: 10.0 * rank + 300.0 * (rank == 9), ranks=20, steps=2),
        tmp_path / "set",
        jobs=1,
    )
    read = opened(tmp_path / "set")
    for worst in drawn.build(read.job, read.found()).worst:
        assert (len(worst.lanes), worst.left_out, worst.culprit) == (12, 8, 9)
        assert {9, 19, 0} <= {lane.rank for lane in worst.lanes}


def test_a_heat_map_of_thousands_keeps_what_stands_out() -> None:
    excess = np.zeros((3001, 1000))
    excess[1234, 777] = 5e6
    found = Drawn(tuple(range(3001)), tuple(range(1000)), excess, ())
    axis = ranks_plots.heat(found).axes[0]
    picture = np.asarray(axis.images[0].get_array())
    assert picture.shape == (376, 334)
    assert np.argwhere(picture == 5.0).tolist() == [[1234 // 8, 777 // 3]]
    assert axis.yaxis.get_major_formatter()(1234 // 8) == str(1234 // 8 * 8)


def test_the_page_says_what_the_terminal_says_and_runs_its_own_script_alone(late: Opened) -> None:
    text = page(late)
    assert "Rank 2 (b) takes 200" in text.replace("\u00a0", " ")
    for name in ("heat", "worst", "path", "ranks", "hosts", "collectives", "steps", "trust", "reproduce"):
        assert f'<h2 id="{name}">' in text
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert embedded
    assert json.loads(embedded[1])["stragglers"][0]["rank"] == 2


HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\x1b]0;owned\x07", "$\\frac{1}{0}$")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_hosts_runs_and_notes_are_text(late: Opened, name: str) -> None:
    members = tuple(dataclasses.replace(one, host=name) for one in late.job.members)
    read = dataclasses.replace(late, run=name, notes=(name,), job=dataclasses.replace(late.job, members=members))
    text = page(read)
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "\x1b" not in text


def test_without_marked_steps_there_is_no_heat_map(late: Opened) -> None:
    text = page(dataclasses.replace(late, marked=False))
    assert 'id="heat"' not in text
    assert '<h2 id="worst">The recording</h2>' in text


@browser.needed
def test_the_browser_opens_it_and_axe_finds_no_serious_fault(late: Opened, tmp_path: Path) -> None:
    file = tmp_path / "ranks.html"
    file.write_text(page(late), encoding="utf-8")
    assert browser.opened(file, tmp_path / "profile").console == []
    assert browser.serious_faults(page(late), tmp_path) == []
