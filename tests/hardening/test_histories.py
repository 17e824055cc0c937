"""A folder of kept comparisons that others wrote: figures that no machine has, names that steer, files that are none."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlprof.capture.script.revision import checked_out, commit_of, uncommitted
from dlprof.errors import UsageError
from dlprof.report.text.layout import neutral

ENTRY: dict[str, Any] = {
    "kind": "comparison", "revision": "r1", "title": "t", "when": "2026-01-01T00:00:00+00:00",
    "measured": "2026-01-01T00:00:00+00:00", "base": "b", "head": "h", "machine": "m", "verdict": "slower", "gate": "",
    "items": {"step": {"log_ratios": [0.1, 0.2, 0.15], "base": [1e6, 1e6, 1e6], "head": [1.1e6, 1.2e6, 1e6], "unit": "ns"}},
}  # fmt: skip
COMPARISON = sorted((Path(__file__).parent.parent.parent / "analysis" / "lenet" / "data" / "cells").iterdir())[0]
FORMS = ("text", "json", "csv", "svg")
WAYS = ("text", "text", *FORMS, *FORMS)


def kept(folder: Path, *changes: dict[str, Any], version: object = 1) -> Path:
    """A history `train` of one entry a change."""
    place = folder / "kept" / "train"
    place.mkdir(parents=True)
    for number, change in enumerate(changes):
        entry = {
            **ENTRY,
            "revision": f"r{number}",
            "when": f"2026-01-{number % 28 + 1:02}",
            "measured": f"{number:05}",
            **change,
        }
        document = {"schema_version": version, "kind": "history", "entry": entry}
        (place / f"{number:05}.json").write_text(json.dumps(document))
    return folder / "kept"


def asked(attack: Callable[..., Any], folder: Path, *more: str) -> list[Any]:
    """What every way of looking at it says."""
    ways: list[tuple[object, ...]] = [("baseline", "list"), ("baseline", "show", "train")]
    for metric in ("ratio", "time"):
        for form in FORMS:
            drawn = ("-o", folder.parent / f"x.{form}", "--force") if form == "svg" else ("--format", form)
            ways.append(("history", "train", "--metric", metric, *drawn, *more))
    return [attack(*way, "--history", folder) for way in ways]


def figures(**change: Any) -> dict[str, Any]:
    return {"items": {"step": {**ENTRY["items"]["step"], **change}}}


def of_all(text: str) -> dict[str, str]:
    """Every text of an entry."""
    return dict.fromkeys(("revision", "title", "base", "head", "machine", "verdict", "gate", "dlprof_version"), text)


ODD: dict[str, list[dict[str, Any]]] = {
    "no items": [{"items": {}}],
    "no items but in the newest": [{}, {"items": {}}],
    "a calibration without items": [{}, {"kind": "calibration", "items": {}}],
    "calibrations alone": [{"kind": "calibration"}],
    "a ratio of e^1000": [figures(log_ratios=[1000.0, 1001.0])],
    "a ratio of e^-1000": [figures(log_ratios=[-1000.0, -1001.0])],
    "ratios of e^±1e308": [figures(log_ratios=[1e308, -1e308])],
    "ratios far apart": [figures(log_ratios=[700.0, -700.0])],
    "ratios as far apart as may be": [figures(log_ratios=[50.0, -50.0])] * 3,
    "times as far apart as may be": [figures(head=[2.0**62, 1e-12])] * 3,
    "levels as far apart as may be": [figures(log_ratios=[50.0 if at > 6 else -50.0]) for at in range(14)],
    "eight ratios far apart": [figures(log_ratios=[(-1) ** at * 500.0]) for at in range(8)],
    "a change of e^1400": [figures(log_ratios=[700.0 * (1 if at > 6 else -1) + at / 100]) for at in range(14)],
    "no ratios": [figures(log_ratios=[])],
    "times of 1e308": [figures(head=[1e308, 1e308])],
    "times of 1e-320": [figures(head=[1e-320, 1e-310])],
    "times of 0 and less": [figures(head=[0, -5])],
    "one trial": [figures(log_ratios=[0.1], head=[5])],
    "a unit that steers": [figures(unit="\x1b]0;owned\x07")],
    "a unit of formulas": [figures(unit="=HYPERLINK(1)"), figures(unit="$\\frac{1}{0}$")],
    "bytes": [figures(unit="B", head=[1e300, 2e300])],
    "times that are none": [{"when": "yesterday"}, {"when": ""}, {"when": "\x1b[31m", "measured": "9" * 5000}],
    "an item that steers": [{"items": {"\x1b[2J\n::error::x": ENTRY["items"]["step"]}}],
    "an item of 100 000 letters": [{"items": {"x" * 100_000: ENTRY["items"]["step"]}}],
    "an item of nothing": [{"items": {"": ENTRY["items"]["step"]}}],
    "texts of 100 000 letters": [of_all("é" * 100_000)],
    "texts that steer": [of_all("\x1b[31m\u202e\x9b")],
    "texts that are formulas": [of_all("=1+1")],
    "texts of TeX": [of_all("$\\frac{$ _^{}")],
    "texts that are no Unicode": [of_all("\ud800\uffff\0")],
    "a revision that repeats": [{"revision": "r"}] * 14,
    "a revision that repeats over a change": [
        {"revision": "r", **figures(log_ratios=[float(at > 6) + at / 100] * 3)} for at in range(14)
    ],
    "of another schema": [{"more": 1, "items": {"step": {"log_ratios": [0.1], "other": []}}}],
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_a_history_that_dlprof_never_kept_is_shown_or_refused(attack, tmp_path: Path, what: str) -> None:
    for form, done in zip(WAYS, asked(attack, kept(tmp_path, *ODD[what])), strict=True):
        assert done.code in (0, 1, 2), done.stderr
        told = [done.stderr] + ([done.stdout] if form == "text" else [])
        assert all(neutral(text) == text for text in told)
        assert not any(line.startswith("::error") for text in told for line in text.splitlines())
        if form == "csv":
            cells = [cell for row in csv.reader(io.StringIO(done.stdout)) for cell in row]
            assert not any(cell.startswith("=") for cell in cells)


HEAD = {"schema_version": 1, "kind": "history"}
WRONG: dict[str, Any] = {
    "null": None,
    "a list": [],
    "a number": 7,
    "no entry": HEAD,
    "another kind": {**HEAD, "kind": "compare"},
    "of tomorrow": {**HEAD, "schema_version": 99, "entry": ENTRY},
    "a version that is a text": {**HEAD, "schema_version": "1"},
    "an entry of lists": {**HEAD, "entry": [ENTRY]},
    "items that are a list": {**HEAD, "entry": {**ENTRY, "items": [1]}},
    "ratios of texts": {**HEAD, "entry": {**ENTRY, **figures(log_ratios=["1"])}},
    "ratios of null": {**HEAD, "entry": {**ENTRY, **figures(log_ratios=[None])}},
    "a kind that is none": {**HEAD, "entry": {**ENTRY, "kind": "odd"}},
    "nested deep": {**HEAD, "entry": json.loads("[" * 300 + "]" * 300)},
    "integers too large": {**HEAD, "schema_version": 10**40, "entry": ENTRY},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_kept_file_of_another_shape_is_refused_with_its_name(attack, tmp_path: Path, what: str) -> None:
    folder = kept(tmp_path, {})
    (folder / "train" / "00009.json").write_text(json.dumps(WRONG[what]))
    for done in asked(attack, folder):
        assert done.code == 1
        assert "00009.json" in done.stderr.replace("\n", "")


@pytest.mark.parametrize(
    "what", ["a pipe", "a folder", "a device", "a circle", "a link to nothing", "no UTF-8", "empty", "half"]
)
@pytest.mark.timeout(60)
def test_a_kept_file_that_is_none_is_refused(attack, tmp_path: Path, what: str) -> None:
    folder = kept(tmp_path, {})
    odd = folder / "train" / "odd.json"
    if what == "a pipe":
        os.mkfifo(odd)
    elif what == "a folder":
        odd.mkdir()
    elif what.startswith("a "):
        odd.symlink_to({"a device": "/dev/zero", "a circle": "odd.json", "a link to nothing": "nowhere"}[what])
    else:
        odd.write_bytes({"no UTF-8": b"\xff\xfe", "empty": b"", "half": b'{"schema_version": 1, "kind": "hi'}[what])
    for done in asked(attack, folder):
        assert done.code == 1
        assert "odd.json" in done.stderr.replace("\n", "")


@pytest.mark.parametrize(
    "name", ["..", "../kept/train", "/etc", "a/b", "", ".hidden", "-x", "x" * 81, "a\0b", "\x1b[31m", "train\n"]
)
def test_a_name_leads_out_of_no_folder(attack, tmp_path: Path, name: str) -> None:
    folder = kept(tmp_path, {})
    for words in (("history",), ("baseline", "show"), ("baseline", "save")):
        more = (tmp_path,) if words[-1] == "save" else ()
        done = attack(*words, "--history", folder, "--", name, *more)
        assert done.code == 2, done.stderr
        assert "\x1b" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_a_long_history_takes_linear_time(attack, tmp_path: Path) -> None:
    """Every second revision at another level: as many changes as there may be."""
    seconds = []
    for count in (250, 2_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        levels = [{"revision": "r", **figures(log_ratios=[at // 5 % 2 + at % 5 / 100])} for at in range(count)]
        history = kept(folder, *levels)
        began = time.process_time()
        assert attack("history", "train", "--history", history).code == 0
        seconds.append(time.process_time() - began)
    assert seconds[1] < 16 * max(seconds[0], 0.1), "8 times as many took over 16 times as long"


# the repository of the working folder, whose settings name programs


def own_git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder, check=True, capture_output=True
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = tmp_path / "repository"
    made.mkdir()
    own_git(made, "init", "-q", "-b", "main")
    (made / "train.py").write_text("one\n")
    own_git(made, "add", "-A")
    own_git(made, "commit", "-qm", "one")
    return made


def touched(file: Path) -> None:
    """The same content, of which git's index does not know that it is the same."""
    os.utime(file, (1, 1))


@pytest.mark.parametrize("filter_name", ["e", "E.f", "a=b"])
@pytest.mark.parametrize("kind", ["clean", "process"])
def test_no_filter_of_the_repository_runs_where_it_is_only_read(
    attacked, repository: Path, tmp_path: Path, filter_name: str, kind: str
) -> None:
    attacked()
    mark = tmp_path / "mark"
    with (repository / ".git" / "config").open("a") as config:
        config.write(f'[filter "{filter_name}"]\n {kind} = "touch {mark}; cat"\n required = true\n')
    (repository / ".gitattributes").write_text(f"train.py filter={filter_name}\n")
    touched(repository / "train.py")
    assert uncommitted(repository) == ""
    (repository / "train.py").write_text("two\n")
    assert "train.py" in uncommitted(repository)
    assert not mark.exists()


def test_no_program_of_a_submodule_runs_and_what_changed_in_it_is_told(
    attacked, repository: Path, tmp_path: Path
) -> None:
    attacked()
    mark, inner = tmp_path / "mark", repository / "module"
    inner.mkdir()
    own_git(inner, "init", "-q")
    (inner / "net.py").write_text("one\n")
    own_git(inner, "add", "-A")
    own_git(inner, "commit", "-qm", "one")
    own_git(repository, "add", "module")
    own_git(repository, "commit", "-qm", "two")
    own_git(inner, "config", "filter.e.clean", f"touch {mark}; cat")
    (inner / ".git" / "info" / "attributes").write_text("* filter=e\n")
    touched(inner / "net.py")
    assert uncommitted(repository) == ""
    (inner / "net.py").write_text("two\n")
    assert uncommitted(repository).endswith(": module/net.py")
    assert not mark.exists()


@pytest.mark.parametrize("named", ["protocol.allow", "protocol.ext.allow"])
def test_nothing_is_fetched_for_a_partial_clone(attacked, repository: Path, tmp_path: Path, named: str) -> None:
    mark = tmp_path / "mark"
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "o",
        "remote.o.promisor": "true",
        "remote.o.url": f"ext::sh -c touch% {mark}",
        named: "always",
    }.items():
        own_git(repository, "config", name, value)
    blob = subprocess.check_output(["git", "rev-parse", "HEAD:train.py"], cwd=repository, text=True).strip()
    attacked(3)
    with pytest.raises(UsageError) as refused:
        commit_of("0123456789" * 4, repository, wrong="no revision")
    assert "partial" in str(refused.value) + str(refused.value.hint)
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    touched(repository / "train.py")
    assert "partial" in uncommitted(repository)
    with pytest.raises(UsageError, match=r"cannot be written.*partial"):
        checked_out("HEAD", repository, tmp_path / "made")
    assert not mark.exists()


def test_a_working_tree_elsewhere_is_refused_in_words(attacked, repository: Path, tmp_path: Path) -> None:
    attacked()
    (tmp_path / "elsewhere").mkdir()
    own_git(repository, "config", "core.worktree", str(tmp_path / "elsewhere"))
    with pytest.raises(UsageError):
        checked_out("HEAD", repository, tmp_path / "made")


@pytest.mark.parametrize("what", ["a link", "a link to nothing", "a file"])
def test_a_history_leaves_its_folder_by_no_link(attack, tmp_path: Path, what: str) -> None:
    folder, elsewhere = kept(tmp_path, {}), tmp_path / "elsewhere"
    (folder / "train").rename(elsewhere)
    before = sorted(elsewhere.iterdir())
    if what == "a file":
        (folder / "train").write_text("x")
    else:
        (folder / "train").symlink_to(elsewhere if what == "a link" else tmp_path / "nothing")
    for words in (("baseline", "save", "train", COMPARISON), ("baseline", "show", "train"), ("history", "train")):
        done = attack(*words, "--history", folder)
        assert done.code == 1, done
        assert "where a folder of the history should be" in done.stderr.replace("\n", " ")
    assert attack("baseline", "list", "--history", folder).code in (0, 2)
    assert sorted(elsewhere.iterdir()) == before
    assert not (tmp_path / "nothing").exists()
