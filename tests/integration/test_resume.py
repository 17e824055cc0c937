"""A comparison that Ctrl-C ended goes on with `--resume`: same options, stored trials, no traced run twice."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from processes import start, wait_for

WORDS = ("mlp", "--trials", "2", "--max-steps", "8", "--no-reasons", "--epochs", "1", "--epoch-capture")


def interrupt(cwd: Path, *words: str, after: str) -> subprocess.CompletedProcess[str]:
    """`dlprof compare`, sent SIGINT when its standard error says `after`."""
    process = start("compare", *words, cwd=cwd)
    try:
        seen = wait_for(process, after)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return subprocess.CompletedProcess(words, process.returncode, out, seen + err)


def manifest(path: Path) -> dict:
    return json.loads((path / "manifest.json").read_text())


@pytest.mark.frameworks
@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_where_it_was(dlprof, tmp_path):
    place = tmp_path / "kept"
    done = interrupt(tmp_path, *WORDS, "-o", "kept", after=r"trial 1: ratio")
    assert done.returncode == 130, done.stderr
    first = manifest(place)
    assert (len(first["trials"]), first["complete"]) == (1, False)

    other = dlprof("compare", "--resume", place, "--margin", "3%", "--seed", 4, cwd=tmp_path)
    assert other.returncode == 2
    assert "--seed is 0 there, 4 here; --margin is 0.05 there, 0.03 here" in other.stderr.replace("\n", " ")
    assert manifest(place) == first

    again = interrupt(tmp_path, "--resume", str(place), after=r"tracing MXNet.*native")
    assert again.returncode == 130, again.stderr
    second = manifest(place)
    assert second["trials"][0] == first["trials"][0]
    assert [session["trials"] for session in second["options"]["sessions"]] == [1, 1]
    traced = {name: manifest(place / name)["created"] for name in ("a-exact-1", "a-exact-2", "a-native-1")}
    assert not (place / "b-native-1").exists()

    whole = dlprof("compare", "--resume", place, "--format", "json", cwd=tmp_path, timeout=600)
    assert whole.returncode == 0, whole.stderr
    assert "trial 3" not in whole.stderr
    assert manifest(place)["complete"]
    assert {name: manifest(place / name)["created"] for name in traced} == traced
    assert sorted(p.name for p in place.iterdir() if p.is_dir()) == [
        "a-exact-1",
        "a-exact-2",
        "a-native-1",
        "b-exact-1",
        "b-exact-2",
        "b-native-1",
    ]
    windows = [manifest(place / f"{side}-exact-{k}")["child"]["window"]["steps"] for side in "ab" for k in (1, 2)]
    assert len(set(windows)) == 1, "the windows of a later session are as long as those of the first"
    assert [manifest(place / f"a-exact-{k}")["options"]["trial"] for k in (1, 2)] == [0, 1]
    found = json.loads(whole.stdout)
    assert found["items"][0]["ratio"]["trials"] == 2
    assert any("2 sessions of 1 + 1 trials" in text for text in found["warnings"])
    assert not any("interrupted" in text for text in found["warnings"])
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
