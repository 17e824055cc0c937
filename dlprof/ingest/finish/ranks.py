"""Files that hold several ranks: which processes they are, and whose each device is.

A merger writes the files of several ranks one behind the other and gives each a process id of its own. Correlation and
External ids, which count from 1 in every rank, then repeat: they mean something within their rank alone. A rank is a
process with operators or launches: one whose events merely bear the ids of another's (a tool's record of its own) is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dlprof.ingest.batch import LEVEL, NO_INT, Int64, Track
from dlprof.ingest.finish.spill import Spill

_LABEL: Final = re.compile(r"(?:rank|TP|DP|PP|EP)[ _-]?(\d{1,9})", re.IGNORECASE)
_PREFIX: Final = re.compile(r"\[[^\]]*\]|rank[ _-]?\d+", re.IGNORECASE)
"""What a merger sets before every process id of a rank: `[TP01-PP00] 7` → [TP01-PP00]."""
_NATURAL: Final = re.compile(r"(\d+)")
_COLUMNS: Final = ("correlation", "link", "start_ps", "level")


@dataclass(frozen=True, slots=True)
class _Ids:
    """Distinct ids, sorted, and the earliest start of an event with each."""

    ids: Int64
    first: Int64

    def hits(self, ids: Int64, start: Int64) -> int:
        """How many of the given events may have been launched here: the id is known and began before."""
        if not len(self.ids):
            return 0
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return int(np.count_nonzero((self.ids[at] == ids) & (self.first[at] <= start)))


@dataclass(slots=True)
class Ranks:
    """Which process and rank each track belongs to, in files that hold several.

    process: (source, what the track says of its process) → process
    rank: (source, process) → rank, where its name tells, else its place among the file's processes
    """

    process: dict[tuple[str, bool, str], str] = field(default_factory=dict)
    rank: dict[tuple[str, str], int] = field(default_factory=dict)

    def of(self, track: Track) -> str:
        """The process of a track; "" for all tracks of a file that holds but one rank."""
        return self.process.get((track.source, track.on_device, track.process), "")

    def number(self, track: Track) -> int | None:
        """The rank of a track of a file that holds several; None in any other file."""
        return self.rank.get((track.source, self.of(track)))


def find(tracks: Mapping[int, Track], spill: Spill) -> Ranks:
    """The ranks of all files. tracks: code → track, of tracks that have rows."""
    ranks = Ranks()
    for source in dict.fromkeys(track.source for track in tracks.values()):
        mine = {code: track for code, track in tracks.items() if track.source == source}
        processes = sorted({track.process for track in mine.values() if not track.on_device}, key=natural)
        if len(processes) < 2:
            continue
        threads = {
            process: _ids(spill, [c for c, t in mine.items() if not t.on_device and t.process == process])
            for process in processes
        }
        with_ids = [process for process in processes if len(threads[process].ids)]
        if _repeat([threads[process].ids for process in with_ids]):
            _assign(ranks, source, mine, {process: threads[process] for process in with_ids}, spill)
    return ranks


def _assign(ranks: Ranks, source: str, mine: Mapping[int, Track], threads: Mapping[str, _Ids], spill: Spill) -> None:
    """Gives each device to the process whose label it bears, else to the one that launched most of what it ran; of several,
    to one that has no device yet."""
    for place, process in enumerate(threads):
        label = _LABEL.search(process)
        ranks.process[source, False, process] = process
        ranks.rank[source, process] = int(label[1]) if label else place
    numbers = [ranks.rank[source, process] for process in threads]
    if len(set(numbers)) < len(numbers):
        ranks.rank.update({(source, process): place for place, process in enumerate(threads)})
    devices = sorted({track.process for track in mine.values() if track.on_device}, key=natural)
    names, taken = list(threads), np.zeros(len(threads), dtype=np.int64)
    prefixes = [_prefix(name) for name in names]
    scores = {}
    for device in devices:
        prefix = _prefix(device)
        if prefix and prefixes.count(prefix) == 1:
            mine_at = prefixes.index(prefix)
            ranks.process[source, True, device] = names[mine_at]
            taken[mine_at] += 1
            continue
        codes = [code for code, track in mine.items() if track.on_device and track.process == device]
        rows = _rows(spill, codes, host=False)
        scores[device] = [known.hits(*rows) for known in threads.values()]
    # The clearest first, so that a device that could be anybody's goes to whom is left.
    for device in sorted(scores, key=lambda one: (-_margin(scores[one]), natural(one))):
        score = scores[device]
        best = min(range(len(names)), key=lambda at: (-score[at], taken[at], at))
        taken[best] += 1
        ranks.process[source, True, device] = names[best]


def _prefix(process: str) -> str:
    match = _PREFIX.search(process)
    return match[0].lower() if match else ""


def _margin(score: Sequence[int]) -> int:
    ordered = sorted(score)
    return ordered[-1] - ordered[-2]


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


def _ids(spill: Spill, codes: Sequence[int]) -> _Ids:
    ids, start = _rows(spill, codes, host=True)
    order = np.lexsort((start, ids))
    ids, start = ids[order], start[order]
    first = np.diff(ids, prepend=ids[:1] - 1) != 0
    return _Ids(ids[first], start[first])


def _repeat(every: Sequence[Int64]) -> bool:
    """Whether an id occurs in two processes."""
    if len(every) < 2:
        return False
    joined = np.concatenate(every)
    return len(np.unique(joined)) < len(joined)


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sorts 2 before 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in _NATURAL.split(text) if part]
