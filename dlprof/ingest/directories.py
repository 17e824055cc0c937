"""A directory as one run: the trace files of a TensorBoard logdir or of a folder with one trace per rank."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Final

from dlprof.errors import TraceError
from dlprof.ingest import other_files
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.dialects.registry import kind_of
from dlprof.ingest.parquet.folder import exports
from dlprof.ingest.source import Source
from dlprof.names import as_text

_TRACE_NAMES: Final = (".xplane.pb", ".trace.json.gz", ".trace.json")
"""What the profilers of TensorFlow and JAX call a host's trace, behind its name."""
_CALLED_TRACES: Final = (*_TRACE_NAMES, ".trace.json.zst")
"""Endings of names of files that are meant to be traces: PyTorch's `….pt.trace.json.gz` too."""
_FOR_PERFETTO: Final = ("perfetto_trace.json.gz", "perfetto_trace.json")
_DATED: Final = re.compile(r"\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d")
"""What the same profilers call the folder of a run, by default."""
_RANK: Final = re.compile(r"rank[_-]?\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """The traces below a folder, and what of it is not read.

    traces: in path order
    older_runs: folders of profile runs before the one that is read
    empty: files called as traces are, without a byte in them, compressed or not
    beside: traces that belong to no profile run, where one is read
    refused: other files called as traces are that none is in → why
    others: all other files, but those of older runs → what they are
    made: traces made of an XPlane beside them, which is read instead → its name
    """

    folder: Path
    traces: list[Path]
    older_runs: list[Path]
    empty: list[Path]
    beside: list[Path]
    refused: dict[Path, str]
    others: dict[Path, str]
    made: dict[Path, str]

    def passed_over(self, source: Callable[[Path], str]) -> dict[str, str]:
        """What is not read, in words, by what it is. source: what a file is called."""

        def called(path: Path) -> str:
            return other_files.plain(source(path))

        said: dict[str, str] = {}
        if self.older_runs:
            newest, *older = _run_names([self.traces[0].parent, *self.older_runs], self.folder)
            said["older profile runs"] = (
                f"{newest} is read; passed over: {other_files.listed(older)} (name one to read it)"
            )
        if self.empty:
            said["empty files"] = f"{other_files.listed(map(called, self.empty))}: what these hosts did is missing"
        if self.refused:
            said["refused files"] = other_files.listed(
                (f"{called(path)}: passed over, for {why}" for path, why in self.refused.items()), "; "
            )
        if self.others:
            said["files that are no traces"] = other_files.words(
                {called(path): what for path, what in self.others.items()}
            )
        if self.made:
            pairs = (f"{called(path)} was made of {other_files.plain(name)}" for path, name in self.made.items())
            said["made of others"] = f"{other_files.listed(pairs, '; ')}, which is read"
        if self.beside:
            names = other_files.listed(map(called, self.beside))
            said["files beside the profile run"] = f"{names}: passed over (name one to read it)"
        return said


@dataclass(frozen=True, slots=True)
class Copies:
    """Which of several traces are the same file.

    distinct: the others, and the first of each
    same: file that is passed over → the one it is, or is a copy of
    alike: file → the earlier one of the same bytes, where their names say that two hosts or ranks wrote them; both are read
    """

    distinct: list[Path]
    same: dict[Path, Path]
    alike: dict[Path, Path]


def traces_below(folder: Path) -> Found:
    """The traces below a folder. A TensorBoard profile run is taken alone: its newest by name, if there are several.

    A profile run is a folder in one called profile, or one that bears the date that profilers name a run by.

    Where one run holds both an XPlane and the trace.json made from it, the XPlane counts: it has everything the other has.
    Raises `TraceError` where the folder holds no trace.
    """
    there = {path: other_files.no_file(path) for path in sorted(folder.rglob("*"))}
    files = [path for path, what in there.items() if what is None and path.is_file()]
    reports = exports(files)
    inside = {path for tables in reports.values() for path in tables}
    named = {path: other_files.by_name(path.name) for path in files if path not in inside}
    candidates = sorted([*reports, *(path for path, what in named.items() if what is None)])
    runs = {path.parent for path in candidates if _of_a_run(path)}
    profiles = sorted(runs, key=lambda run: (run.name, str(run)))
    older = set(profiles[:-1])
    told = {path: _refusal(path) for path in candidates if path.parent not in older}
    beside = [path for path, why in told.items() if why is None and profiles and path.parent != profiles[-1]]
    found = [path for path, why in told.items() if why is None and path not in set(beside)]
    planes = {path.name.removesuffix(".xplane.pb") for path in found if path.name.endswith(".xplane.pb")}
    made = {path: f"{name}.xplane.pb" for path in found if (name := path.name.split(".trace.json")[0]) in planes}
    made |= _of_jax(found)
    kept = [path for path in found if path not in made or path.name.endswith(".xplane.pb")]
    missed = {
        path: why
        for path, why in told.items()
        if why is not None and (path.name.endswith(_CALLED_TRACES) or path in reports)
    }
    empty = [path for path, why in missed.items() if not why]
    refused = {path: why for path, why in missed.items() if why}
    if not kept:
        raise _nothing(folder, empty, refused, profiles[:-1])
    others = {path: what for path, what in {**there, **named}.items() if what is not None and path.parent not in older}
    others |= {
        path: other_files.by_content(path) for path, why in told.items() if why is not None and path not in missed
    }
    made = {path: what for path, what in made.items() if path not in kept}
    return Found(folder, kept, profiles[:-1], empty, beside, refused, dict(sorted(others.items())), made)


def _of_jax(found: Sequence[Path]) -> dict[Path, str]:
    """Traces that JAX makes of a host's for Perfetto's viewer (`create_perfetto_trace`) → the one that each is made of."""
    beside = {path.parent: path.name for path in sorted(found) if path.name.endswith(_TRACE_NAMES)}
    return {path: beside[path.parent] for path in found if path.name in _FOR_PERFETTO and path.parent in beside}


def _of_a_run(path: Path) -> bool:
    """Whether a file stands in the folder of a profile run."""
    run = path.parent
    return run.parent.name == "profile" or (_DATED.fullmatch(run.name) is not None and path.name.endswith(_TRACE_NAMES))


def copies(paths: Sequence[Path]) -> Copies:
    """Finds links to one file, and files of the same bytes. Only files of one size are compared."""
    told = {path: _told(path) for path in paths}
    sizes = Counter(one.st_size for one in {(one.st_dev, one.st_ino): one for one in told.values() if one}.values())
    found = Copies([], {}, {})
    places: dict[tuple[int, int], Path] = {}
    contents: dict[bytes, Path] = {}
    for path in paths:
        one = told[path]
        if one is None:
            found.distinct.append(path)
            continue
        first = places.setdefault((one.st_dev, one.st_ino), path)
        if first is path and one.st_size and sizes[one.st_size] > 1 and S_ISREG(one.st_mode):
            first = contents.setdefault(_digest(path), path)
        if first is path:
            found.distinct.append(path)
        elif _named_apart(path, first) and not path.samefile(first):
            found.distinct.append(path)
            found.alike[path] = first
        else:
            found.same[path] = first
    return found


def _told(path: Path) -> os.stat_result | None:
    """What the system says of a file; None for one that its reader will refuse."""
    try:
        return path.stat()
    except OSError:
        return None


def _digest(path: Path) -> bytes:
    """Of a file's bytes; of its name where it cannot be read, so that it is nobody's copy."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return os.fsencode(path)


def _named_apart(one: Path, other: Path) -> bool:
    """Whether the names say that two hosts or ranks wrote the files."""
    hosts = host_of(one), host_of(other)
    ranks = _RANK.search(one.name), _RANK.search(other.name)
    of_hosts = None not in hosts and hosts[0] != hosts[1]
    return of_hosts or (ranks[0] is not None and ranks[1] is not None and ranks[0][0].lower() != ranks[1][0].lower())


def _nothing(folder: Path, empty: list[Path], refused: dict[Path, str], older_runs: list[Path]) -> TraceError:
    """The error for a folder without a trace: which of its files are empty or none, and which older run could be named
    instead."""
    if not empty and refused:
        path, why = next(iter(refused.items()))
        return TraceError(
            f"{folder}: no trace in this folder; of {path.relative_to(folder)}: {why}", hint="record again"
        )
    if not empty:
        return TraceError(f"{folder}: no trace in this folder", hint="name a trace file, or a folder that holds one")
    names = ", ".join(str(path.relative_to(folder)) for path in empty)
    instead = f"name an older profile run, such as {older_runs[-1]}" if older_runs else "record the trace again"
    return TraceError(f"{folder}: no trace in this folder but empty files: {names}", hint=instead)


def _run_names(folders: list[Path], below: Path) -> list[str]:
    """What profile runs are called: by their folders, by whole paths where two have one name (`train/…` and `eval/…`)."""
    names = [folder.name for folder in folders]
    apart = len(set(names)) == len(names)
    return [other_files.plain(as_text(folder.name if apart else folder.relative_to(below))) for folder in folders]


def host_of(path: Path) -> str | None:
    """The machine that a profile of several is named after, `HOST.xplane.pb` or `HOST.trace.json.gz`; None for other names."""
    for ending in _TRACE_NAMES:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending) or None
    return None


def _refusal(path: Path) -> str | None:
    """Why a file is no trace to be read, "" where it is empty; None for one that is."""
    source = Source(path, as_text(path.name), Anomalies(), repair=True)
    try:
        kind = kind_of(source)
    except TraceError as error:
        return "" if _is_empty(source) else str(error).removeprefix(f"{as_text(path.name)}: ")
    # Any JSON array could be a chrome trace; among the files of a folder only one that shows an event counts.
    return None if kind != "chrome-trace" or b'"ph"' in source.head() else "it shows no event"


def _is_empty(source: Source) -> bool:
    """Whether a file holds nothing, compressed or not; of a damaged one nobody knows."""
    try:
        with source.open() as stream:
            nothing = not stream.read(1)
    except TraceError:
        return False
    return nothing and not source.anomalies.counts
