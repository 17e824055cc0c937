"""What is searched: commits of a repository or releases of a package, from the good one to the bad one."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from dlprof import frameworks
from dlprof.analysis.bisection import Place
from dlprof.capture.environments.env_store import EnvStore
from dlprof.capture.script.revision import commit_of, git, is_shallow
from dlprof.errors import UsageError

_AVAILABLE: Final = re.compile(r"^Available versions:\s*(.+)$", re.MULTILINE)
_ASK_S: Final = 120.0
_PIP: Final = """
import sys
sys.path = [one for one in sys.path if one]  # without the working folder, whose pip.py must not run
import runpy
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


_LONGEST: Final = 120
"""Characters of a commit's title that are shown."""


def commits(good: str, bad: str, here: Path) -> tuple[Place, ...]:
    """The commits from good to bad along first parents, both ends among them, oldest first.

    Along first parents a merge is one step, as it was for those who work on that branch. Raises `UsageError` where one is no
    revision, or good is no ancestor of bad along them.
    """
    ends = [commit_of(name, here, wrong=f"{name}: no revision here") for name in (good, bad)]
    told = _git(here, "log", "--first-parent", "--format=%H%x00%h %s", "--end-of-options", ends[1], "--")
    row = [Place(*_cut(line).split("\0", 1)) for line in told.split("\n")]  # titles may hold what else ends a line
    names = [one.name for one in row]
    if ends[0] not in names:
        raise UsageError(
            f"{good} is no ancestor of {bad} along first parents",
            hint="this clone is shallow: git fetch --unshallow brings the rest"
            if is_shallow(here)
            else "name a good revision of the same branch; of a merged one its merge",
        )
    found = tuple(reversed(row[: names.index(ends[0]) + 1]))
    if len(found) < 2:
        raise UsageError(f"{good} and {bad} are the same commit", hint="name an older good one")
    return found


def _cut(line: str) -> str:
    whole = 40 + 1 + _LONGEST
    return line if len(line) <= whole else f"{line[:whole]}…"


def releases(package: str, good: str, bad: str, python: Path) -> tuple[Place, ...]:
    """The releases of a package from good to bad that the index of the Python's pip offers it, oldest first.

    Yanked ones and those without a wheel for this Python are not offered. Raises `UsageError`.
    """
    asked = [_version(one) for one in (good, bad)]
    if asked[0] >= asked[1]:
        raise UsageError(f"{good} is no older release than {bad}", hint="good is the older one")
    offered = _offered(package, python)
    ends = [max((one for one in offered if _is(one, end)), default=None) for end in asked]
    missing = [str(end) for end, found in zip(asked, ends, strict=True) if found is None]
    if missing:
        raise UsageError(
            f"{package} {' and '.join(missing)}: not offered to {python} by its index",
            hint=f"it offers {', '.join(str(one) for one in sorted(offered)[-8:])}",
        )
    first, last = (one for one in ends if one is not None)
    return tuple(Place(str(one), f"{package} {one}") for one in sorted(offered) if first <= one <= last)


def environments(framework: str, good: str, bad: str) -> tuple[Place, ...]:
    """The releases of a framework from good to bad whose environments dlprof has made, and both ends, oldest first. Raises
    `UsageError`."""
    known = frameworks.get(framework)
    first, last = (_version(one) for one in (good, bad))
    if first >= last:
        raise UsageError(f"{good} is no older release than {bad}", hint="good is the older one")
    made = {one.version for one in EnvStore().list() if one.framework == framework}
    named = {_version(text): text for text in (*made, good, bad)}
    return tuple(
        Place(text, f"{known.label} {text}") for version, text in sorted(named.items()) if first <= version <= last
    )


def _is(offered: Version, asked: Version) -> bool:
    """Whether it is what was asked for: 2.13.0+cpu is a 2.13.0 where no build was named."""
    return offered == asked if asked.local else Version(offered.public) == asked


def left_out(package: str, row: Sequence[Place]) -> str:
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
        if (
            done.returncode and "No module named pip" in done.stderr
        ):  # as in an environment of uv: dlprof's own pip asks for it
            done = _run_pip(Path(sys.executable), "--python", str(python), "index", "versions", package)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{python}: cannot be asked for the releases of {package}: {error}") from None
    match = _AVAILABLE.search(done.stdout)
    if done.returncode or match is None:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise UsageError(
            f"the releases of {package} are not known: {said[-1] if said else 'pip said nothing'}",
            hint=f"what does `{python} -m pip index versions {package}` say?",
        )
    return set(_versions(match[1].split(",")))


def _versions(texts: Iterable[str]) -> Iterator[Version]:
    """What is a version; old packages have releases whose names are none."""
    for text in texts:
        with contextlib.suppress(InvalidVersion):
            yield Version(text.strip())


def _git(folder: Path, *words: str) -> str:
    found = git(folder, *words, wrong=f"git {words[0]}", hint="is this the script's repository?")
    return found.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
