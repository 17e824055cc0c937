"""What is searched: commits of a repository or releases of a package, from the good one to the bad one."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from dlprof.capture.script.revision import git
from dlprof.errors import UsageError

_AVAILABLE: Final = re.compile(r"^Available versions:\s*(.+)$", re.MULTILINE)
_ASK_S: Final = 120.0
_PIP: Final = """
import sys
sys.path = [one for one in sys.path if one]  # without the working folder, whose pip.py must not run
import runpy
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True)
class Revision:
    """One of the row.

    name: by which it is run: a commit's full hash, or a version
    label: as people say it: `3f2a1b9 use float64 sums`, or `jax 0.4.33`
    """

    name: str
    label: str

    @property
    def short(self) -> str:
        """The first word of a commit's label; a release's whole one."""
        return self.label.split(" ", 1)[0] if re.fullmatch("[0-9a-f]{40}", self.name) else self.label


def commits(good: str, bad: str, here: Path) -> tuple[Revision, ...]:
    """The commits from good to bad along first parents, both ends among them, oldest first.

    Along first parents a merge is one step, as it was for those who work on that branch. Raises `UsageError` where one is no
    revision, or good is no ancestor of bad along them.
    """
    ends = [_git(here, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}") for name in (good, bad)]
    listed = _git(here, "log", "--first-parent", "--format=%H%x00%h %s", "--end-of-options", ends[1], "--").splitlines()
    row = [Revision(*line.split("\0", 1)) for line in listed]
    names = [one.name for one in row]
    if ends[0] not in names:
        raise UsageError(
            f"{good} is no ancestor of {bad} along first parents", hint="name a good revision of the same branch"
        )
    found = tuple(reversed(row[: names.index(ends[0]) + 1]))
    if len(found) < 2:
        raise UsageError(f"{good} and {bad} are the same commit", hint="name an older good one")
    return found


def releases(package: str, good: str, bad: str, python: Path) -> tuple[Revision, ...]:
    """The releases of a package from good to bad that the index of the Python's pip offers it, oldest first.

    Yanked ones and those without a wheel for this Python are not offered. Raises `UsageError`.
    """
    ends = [_version(one) for one in (good, bad)]
    if ends[0] >= ends[1]:
        raise UsageError(f"{good} is no older release than {bad}", hint="good is the older one")
    offered = _offered(package, python)
    missing = [str(end) for end in ends if end not in offered]
    if missing:
        raise UsageError(
            f"{package} {' and '.join(missing)}: not offered to {python} by its index",
            hint=f"it offers {', '.join(str(one) for one in sorted(offered)[-8:])}",
        )
    return tuple(Revision(str(one), f"{package} {one}") for one in sorted(offered) if ends[0] <= one <= ends[1])


def left_out(package: str, row: Sequence[Revision]) -> str:
    """What a reader should know of the row: releases that the numbers suggest and the index does not offer; '' for none."""
    found = [Version(one.name) for one in row]
    gaps = [
        f"{a.major}.{a.minor}.{micro}"
        for a, b in pairwise(found)
        if (a.major, a.minor) == (b.major, b.minor)
        for micro in range(a.micro + 1, b.micro)
    ]
    return f"{package} {', '.join(gaps)}: not to be had here, and so not tried" if gaps else ""


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UsageError(f"{text}: no version", hint="write it like 0.4.31") from None


def _run_pip(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    asked = [str(python), "-c", _PIP, *words, "--disable-pip-version-check"]
    return subprocess.run(asked, env=clean, capture_output=True, text=True, timeout=_ASK_S, check=False)


def _offered(package: str, python: Path) -> set[Version]:
    try:
        done = _run_pip(python, "index", "versions", package)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{python}: cannot be asked for the releases of {package}: {error}") from None
    match = _AVAILABLE.search(done.stdout)
    if done.returncode or match is None:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise UsageError(
            f"the releases of {package} are not known: {said[-1] if said else 'pip said nothing'}",
            hint=f"what does `{python} -m pip index versions {package}` say?",
        )
    return {_version(one.strip()) for one in match[1].split(",")}


def _git(folder: Path, *words: str) -> str:
    found = git(folder, *words, wrong=f"git {words[0]}", hint="is this the script's repository?")
    return found.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
