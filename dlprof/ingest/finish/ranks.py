"""Files that hold several ranks: which processes they are, and whose each device is.

A merger writes the files of several ranks one behind the other and gives each a process id of its own. Correlation and
External ids, which count from 1 in every rank, then repeat: they mean something within their rank alone. A rank is a
process with operators or launches: one whose events merely bear the ids of another's (a tool's record of its own) is none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from dlprof.errors import TraceError
from dlprof.ingest.batch import LEVEL, NO_INT, Int64, Track
from dlprof.ingest.finish.spill import Spill

_LABEL: Final = re.compile(r"(?:rank|TP|DP|PP|EP)[ _-]?(\d{1,9})", re.IGNORECASE)
_PREFIX: Final = re.compile(r"\[[^\[\]]*\]|rank[ _-]?\d+", re.IGNORECASE)
"""What a merger sets before every process id of a rank: `[TP01-PP00] 7` → [TP01-PP00]."""
_NATURAL: Final = re.compile(r"(\d+)")
_DIGITS: Final = 18
"""Of a number in a name; what is longer is sorted as a text."""
_COLUMNS: Final = ("correlation", "link", "start_ps", "level")


MOST: Final = 1024
"""Ranks that one file may hold. More are refused: each device is weighed against each of them."""
_SLICE: Final = 1 << 12
"""Rows of a device that are looked up at once; each may have the id of every rank."""


class _Launchers(msgspec.Struct, frozen=True):
    """Which processes launched something with an id.

    ids: sorted; each once for each process that has it
    process: number of that process
    first: the earliest start of its events with that id
    """

    ids: Int64
    process: Int64
    first: Int64

    @classmethod
    def of(cls, rows: Sequence[tuple[Int64, Int64]]) -> _Launchers:
        """rows: (ids, start) of each process's operators and launches."""
        ids, start = (np.concatenate([one[at] for one in rows]) for at in (0, 1))
        process = np.repeat(np.arange(len(rows), dtype=np.int64), [len(one) for one, _ in rows])
        order = np.lexsort((start, process, ids))
        ids, process, start = ids[order], process[order], start[order]
        first = (np.diff(ids, prepend=ids[:1] - 1) != 0) | (np.diff(process, prepend=-1) != 0)
        return cls(ids[first], process[first], start[first])

    def repeat(self) -> bool:
        """Whether two processes have one id."""
        return bool((self.ids[1:] == self.ids[:-1]).any())

    def hits(self, ids: Int64, start: Int64, processes: int) -> Int64:
        """How many of the given events each process may have launched: it has the id and began before."""
        found = np.zeros(processes, dtype=np.int64)
        for at in range(0, len(ids), _SLICE):
            asked, began = ids[at : at + _SLICE], start[at : at + _SLICE]
            low, high = (np.searchsorted(self.ids, asked, side) for side in ("left", "right"))
            many = high - low
            rows = np.repeat(np.arange(len(asked)), many)
            known = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many) + low[rows]
            found += np.bincount(self.process[known[self.first[known] <= began[rows]]], minlength=processes)
        return found


class Ranks(msgspec.Struct):
    """Which process and rank each track belongs to, in files that hold several.

    process: (source, what the track says of its process) → process
    rank: (source, process) → rank, where its name tells, else its place among the file's processes
    """

    process: dict[tuple[str, bool, str], str] = msgspec.field(default_factory=dict)
    rank: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)

    def of(self, track: Track) -> str:
        """The process of a track; "" for all tracks of a file that holds but one rank."""
        return self.process.get((track.source, track.on_device, track.process), "")

    def number(self, track: Track) -> int | None:
        """The rank of a track of a file that holds several; None in any other file."""
        return self.rank.get((track.source, self.of(track)))


def find(tracks: Mapping[int, Track], spill: Spill) -> Ranks:
    """The ranks of all files. tracks: code → track, of tracks that have rows.

    Raises `TraceError` for a file of over MOST ranks.
    """
    ranks = Ranks()
    files: dict[str, _Processes] = {}
    for code, track in tracks.items():
        file = files.setdefault(track.source, _Processes())
        (file.devices if track.on_device else file.hosts).setdefault(track.process, []).append(code)
    for source, file in files.items():
        if len(file.hosts) < 2:
            continue
        rows = {process: _rows(spill, file.hosts[process], host=True) for process in sorted(file.hosts, key=natural)}
        rows = {process: found for process, found in rows.items() if len(found[0])}
        if len(rows) < 2:
            continue
        launchers = _Launchers.of(list(rows.values()))
        if not launchers.repeat():
            continue
        if len(rows) > MOST:
            raise TraceError(
                f"{source}: {len(rows)} processes whose ids repeat, as of merged ranks; at most {MOST} can be told apart",
                hint="read the files that it was merged from, together: `dlprof import FOLDER`",
            )
        _assign(ranks, source, file.devices, list(rows), launchers, spill)
    return ranks


class _Processes(msgspec.Struct):
    """The processes of a file → codes of their tracks: those that run on the host, and those that stand for devices."""

    hosts: dict[str, list[int]] = msgspec.field(default_factory=dict)
    devices: dict[str, list[int]] = msgspec.field(default_factory=dict)


def _assign(
    ranks: Ranks,
    source: str,
    devices: Mapping[str, list[int]],
    names: Sequence[str],
    launchers: _Launchers,
    spill: Spill,
) -> None:
    """Gives each device to the process whose label it bears, else to the one that launched most of what it ran; of several,
    to one that has no device yet. names: of the processes, in order."""
    for place, process in enumerate(names):
        label = _LABEL.search(process)
        ranks.process[source, False, process] = process
        ranks.rank[source, process] = int(label[1]) if label else place
    numbers = [ranks.rank[source, process] for process in names]
    if len(set(numbers)) < len(numbers):
        ranks.rank.update({(source, process): place for place, process in enumerate(names)})
    taken = np.zeros(len(names), dtype=np.int64)
    labels = [_prefix(name) for name in names]
    often = Counter(labels)
    labelled = {label: at for at, label in enumerate(labels) if label and often[label] == 1}
    scores: dict[str, tuple[Int64, Int64]] = {}
    for device in sorted(devices, key=natural):
        at = labelled.get(_prefix(device))
        if at is not None:
            ranks.process[source, True, device] = names[at]
            taken[at] += 1
            continue
        score = launchers.hits(*_rows(spill, devices[device], host=False), len(names))
        hit = np.flatnonzero(score)
        scores[device] = hit, score[hit]
    # The clearest first, so that a device that could be anybody's goes to whom is left.
    for device in sorted(scores, key=lambda one: (-_margin(scores[one][1]), natural(one))):
        hit, score = scores[device]
        among = hit[score == score.max()] if len(hit) else np.arange(len(names))
        best = int(among[np.argmin(taken[among])])
        taken[best] += 1
        ranks.process[source, True, device] = names[best]


def _prefix(process: str) -> str:
    match = _PREFIX.search(process)
    return match[0].lower() if match else ""


def _margin(score: Int64) -> int:
    """By how much the best is ahead of the next; those without a hit stand at 0."""
    ordered = np.sort(score)[-2:]
    return int(ordered[-1] - (ordered[0] if len(ordered) > 1 else 0)) if len(ordered) else 0


def _rows(spill: Spill, codes: Sequence[int], *, host: bool) -> tuple[Int64, Int64]:
    """(ids, start) of all rows of tracks that have an id: the correlation id, else the link (as a negative number, which
    no correlation id is). host: of operators and of calls that launch alone."""
    ids, starts = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for code in codes:
        for span in spill.spans(code):
            rows = spill.read(spill.pick(code, span), _COLUMNS)
            correlation, link = rows["correlation"], rows["link"]
            called = (correlation != NO_INT) & (correlation != 0)
            linked = ~called & (link != NO_INT)
            if host:
                operators = rows["level"] == LEVEL["op"]
                called &= operators | (rows["level"] == LEVEL["api"])
                linked &= operators
            ids += [correlation[called], -1 - link[linked]]
            starts += [rows["start_ps"][called], rows["start_ps"][linked]]
    return np.concatenate(ids), np.concatenate(starts)


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sorts 2 before 10."""
    parts = (part for part in _NATURAL.split(text) if part)
    return [(0, int(part), "") if part.isdecimal() and len(part) <= _DIGITS else (1, 0, part) for part in parts]
