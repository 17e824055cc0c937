"""A bisection's folder that somebody else made: it is gone on with, or refused; nothing that lies in it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_malformed_directories import ODD, REMOVED, WHOLE, changed, fields

from dlprof.analysis.bisection import Bisection, Compared, Culprit, Place, Probe
from dlprof.analysis.facts import Ratio
from dlprof.api.bisect import record, run
from dlprof.errors import DlprofError, StoreError

ROW = (Place("a" * 40, "aaaaaaa start"), Place("b" * 40, "bbbbbbb rename"))
RATIO = Ratio(1.098, 1.061, 1.136, 0.99, 8, "t")
FOUND = Bisection(
    command="python train.py", package="", row=ROW, ends=Compared("slower", "B is slower", RATIO, "ends"),
    probes=(Probe("b" * 40, 0.09, "ends"),), suspects={"b" * 40: 0.99},
    culprits=(Culprit("b" * 40, 0.99, "a" * 40, (), Compared("slower", "B is slower", RATIO, "culprit")),),
)  # fmt: skip


def refusal(read: Callable[[], object]) -> str | None:
    """The message of dlprof's own error; None where there is none."""
    try:
        read()
    except DlprofError as error:
        return error.message
    return None


def test_every_field_of_bisect_json_is_read_or_refused_by_its_name(
    tmp_path: Path, attacked: Callable[[int], None]
) -> None:
    record.write(FOUND, tmp_path)
    file, refused = tmp_path / record.FILE, 0
    plain = json.loads(file.read_bytes())
    told: list[tuple[str, bytes]] = list(WHOLE.items())
    for at in fields(plain):
        told += [(f"{at} is {what}", changed(plain, at, value)) for what, value in [*ODD.items(), ("removed", REMOVED)]]
    for what, content in told:
        file.write_bytes(content)
        error = refusal(lambda: record.held(tmp_path, replace(FOUND, probes=(), ends=None, culprits=())))
        assert error is None or record.FILE in error or str(tmp_path) in error, (what, error)
        refused += error is not None
    attacked(len(told))
    assert refused > 200, (refused, len(told))


@pytest.mark.parametrize("folder", ["../x", "/etc", "..", "", ".", "a/b", "ends/../../x"])
@pytest.mark.parametrize("place", ["ends", "probes", "culprits"])
def test_a_comparison_outside_of_the_folder_is_refused(tmp_path: Path, attacked, folder: str, place: str) -> None:
    changes: dict[str, Any] = {
        "ends": Compared("slower", "B is slower", RATIO, folder),
        "probes": (Probe("b" * 40, 0.09, folder),),
        "culprits": (replace(FOUND.culprits[0], neighbours=Compared("slower", "x", RATIO, folder)),),
    }
    record.write(replace(FOUND, **{place: changes[place]}), tmp_path)
    attacked()
    with pytest.raises(StoreError, match=f"bisect.json: .*{place}.*no folder inside of this one"):
        record.read(tmp_path)


@pytest.mark.parametrize(
    "what", ["a folder", "a link to a folder inside", "a link elsewhere", "a link to nothing", "a file"]
)
def test_environments_that_lie_in_the_folder_are_gone_before_anything_runs(tmp_path: Path, attacked, what: str) -> None:
    """Whoever made the folder could have put programs there that dlprof takes for its own."""
    place, theirs = tmp_path / "search" / "environments", tmp_path / "search" / "theirs"
    (theirs / "jax-1" / "bin").mkdir(parents=True)
    (theirs / "jax-1" / "bin" / "python").write_text("#!/bin/sh\ntouch /tmp/owned\n")
    if what == "a folder":
        theirs.rename(place)
    elif what == "a file":
        place.write_text("x")
    else:
        place.symlink_to({"a link to a folder inside": "theirs", "a link elsewhere": theirs}.get(what, "nothing"))
    run.without_environments(place)
    attacked()
    assert not place.exists()
    assert not place.is_symlink()
    assert what == "a folder" or (theirs / "jax-1" / "bin" / "python").exists()


@pytest.mark.parametrize("target", ["file", "file/x", "/dev/null", "pipe"])
def test_a_search_goes_only_into_a_folder(attack, tmp_path: Path, monkeypatch, target: str) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    for words in (["init", "-q"], *(["commit", "-q", "--allow-empty", "-m", title] for title in ("a", "::error::b"))):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)
    (tmp_path / "file").write_text("kept")
    os.mkfifo(tmp_path / "pipe")
    done = attack("bisect", "--good", "HEAD~1", "--bad", "HEAD", "-o", target, "--", sys.executable, "x.py")
    assert done.code in (1, 2), done
    assert target in done.stderr
    assert (tmp_path / "file").read_text() == "kept"
