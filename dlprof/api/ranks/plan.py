"""Which file of a folder is which rank of which run, from the beginnings of files and from names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.dialects.kineto_head import rank_in_head, rank_in_name
from dlprof.ingest.directories import Found, copies, host_of, traces_below
from dlprof.ingest.finish.ranks import natural
from dlprof.ingest.source import Source
from dlprof.names import as_text
from dlprof.store.rank_set import Failed, plain_run

HEADER: Final = "distributedInfo"


@dataclass(frozen=True, slots=True)
class Planned:
    """A file, and the rank that it is taken for unless reading it tells another.

    source: relative to the folder that is imported
    told: as of store.rank_set.Part
    """

    path: Path
    source: str
    run: str
    rank: int
    told: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be read; failed: what is not, and why; notes: what was noticed of the folder."""

    files: tuple[Planned, ...]
    failed: tuple[Failed, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of a file before it is read. folder: the one that it lies in, "" where that is the imported one."""

    path: Path
    source: str
    folder: str
    rank: int | None
    how: str
    host: str | None


def holds_ranks(folder: Path) -> bool:
    """Whether a folder is a job's ranks, a file each: two of its files or more tell different ranks.

    A profile run of TensorBoard is one run, whatever its files are called.
    """
    if not folder.is_dir():
        return False
    try:
        found = traces_below(folder)
    except TraceError:
        return False
    if any(path.name.endswith(".xplane.pb") for path in found.traces):
        return False
    return len({one.rank for one in _told(folder, found.traces)} - {None}) > 1


def plan(folder: Path) -> Plan:
    """The plan of a folder. Raises `TraceError` where it holds no trace."""
    found = traces_below(folder)
    told = copies(found.traces)
    distinct = [*told.distinct, *(path for path in told.alike if path not in told.distinct)]

    def called(path: Path) -> str:
        return as_text(path.relative_to(folder))

    notes = [f"{called(path)} is a copy of {called(first)} and read once." for path, first in told.same.items()]
    notes += [
        f"{called(path)} holds the same bytes as {called(first)}, though it is called another "
        "rank: check which is right."
        for path, first in told.alike.items()
    ]
    own = ("empty files", "refused files")  # each is left out by name, below
    passed = found.passed_over(called)
    notes += [
        f"{said}." if name == "files that are no traces" else f"{name.capitalize()}: {said}."
        for name, said in passed.items()
        if name not in own
    ]
    runs = _runs(_told(folder, sorted(distinct)), plain_run(folder.resolve().name))
    failed: list[Failed] = _passed_over(found, folder)
    files: list[Planned] = []
    for run, members in runs.items():
        kept, doubled = _numbered(run, members)
        files += kept
        failed += doubled
    return Plan(tuple(files), tuple(failed), tuple(notes))


def _told(folder: Path, paths: Sequence[Path]) -> list[_Told]:
    found = []
    for path in paths:
        inside = path.relative_to(folder)
        head = b"" if path.is_dir() else Source(path, as_text(path.name), Anomalies(), repair=True).head()
        rank, how = rank_in_head(head), HEADER
        if rank is None:
            rank, how = rank_in_name(as_text(path.name)), "file name"
        if rank is None and len(inside.parts) > 1:
            rank, how = rank_in_name(as_text(inside.parts[-2])), "folder name"
        host = host_of(path) if path.name.endswith(".xplane.pb") else None
        parent = as_text(inside.parent)
        found.append(_Told(path, as_text(inside), "" if parent == "." else parent, rank, how, host))
    return found


def _runs(files: Sequence[_Told], name: str) -> Mapping[str, list[_Told]]:
    """The files of each run: all, unless one rank lies in several folders. Then each folder is a run.

    A rank that has several files in each case (a profiler that writes a file a window) has as many runs as windows, if all
    ranks have the same number.
    """
    folders: dict[int, set[str]] = defaultdict(set)
    for one in files:
        if one.rank is not None:
            folders[one.rank].add(one.folder)
    several = any(len(found) > 1 for found in folders.values())
    runs: dict[str, list[_Told]] = defaultdict(list)
    for one in files:
        runs[plain_run(one.folder) if several and one.folder else name].append(one)
    return {part: members for run, whole in runs.items() for part, members in _windows(run, whole).items()}


def _windows(run: str, files: list[_Told]) -> dict[str, list[_Told]]:
    many = Counter(one.rank for one in files)
    count = min(many.values())
    if count < 2 or None in many or set(many.values()) != {count}:
        return {run: files}
    windows: dict[str, list[_Told]] = defaultdict(list)
    seen: Counter[int | None] = Counter()
    for one in sorted(files, key=lambda one: natural(one.source)):
        seen[one.rank] += 1
        windows[f"{run}.{seen[one.rank]}"].append(one)
    return windows


def _numbered(run: str, files: Sequence[_Told]) -> tuple[list[Planned], list[Failed]]:
    """Each file with its rank; of those that tell one rank the first, in order of names."""
    kept: dict[int, Planned] = {}
    failed, unranked = [], []
    for one in sorted(files, key=lambda one: natural(one.source)):
        if one.rank is None:
            unranked.append(one)
        elif one.rank in kept:
            failed.append(
                Failed(
                    one.source,
                    f"rank {one.rank} of run {run} is {kept[one.rank].source} already; put each run into a folder",
                )
            )
        else:
            kept[one.rank] = Planned(one.path, one.source, run, one.rank, one.how)
    for one in unranked:
        free = next(number for number in range(len(files) + len(kept)) if number not in kept)
        kept[free] = Planned(one.path, one.source, run, free, "host name" if one.host else "order")
    return [replace(kept[rank]) for rank in sorted(kept)], failed


def _passed_over(found: Found, folder: Path) -> list[Failed]:
    empty = [Failed(as_text(path.relative_to(folder)), "it is empty") for path in found.empty]
    return empty + [Failed(as_text(path.relative_to(folder)), why) for path, why in found.refused.items()]
