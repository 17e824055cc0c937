"""Which step launched what a CPU runs later, on other threads, and where: executions of XLA's programs, told apart by their
`run_id`.

JAX does not wait for a program to end: a step's marker (`step_num`) may be over before its operators begin. The thread that
launches records `…Executable::ExecuteHelper…` within the marker, and the operators carry the id of their execution. Nothing in
the file joins the two: an execution that waits for another's result is begun by that one's last operator, so that the chain of
producer's and consumer's ids leads to the wrong step. But ids are given in the order of the launches, so the first launch is that
of the lowest id, and so on, provided that there are as many of both and that nothing runs before its launch. Where each program
counts by itself, `run_programs` tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_INT, NO_STEP, Int32, Int64, arrow
from dlprof.ingest.xplane.run_programs import Programs

STEP_MARKER: Final = "step"
"""Category of the marker of a framework's own step, which its name does not tell."""
_LAUNCH: Final = re.compile(r"\w*Executable::ExecuteHelper\w*")


def is_launch(name: str) -> bool:
    """Whether a host event launches an execution on one device."""
    return _LAUNCH.fullmatch(name) is not None


@dataclass(slots=True)
class RunSteps:
    """Collects launches and executions while events pass by. Of each execution `table` then gives the step by its code, and
    `launched` where its launch was.

    markers: rows of track, start, end, step
    launches: rows of track, start, end
    programs: what tells the executions of several programs apart
    codes: id of an execution → its code
    begun: its first start, by code
    groups: code of each `group_id`, by which XProf joins a step's events in a file that it has read before
    group_steps: the step of the marker in each group
    """

    markers: list[Int64] = field(default_factory=list)
    launches: list[Int64] = field(default_factory=list)
    programs: Programs = field(default_factory=Programs)
    codes: dict[int, int] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    groups: dict[int, int] = field(default_factory=dict)
    group_steps: dict[int, int] = field(default_factory=dict)

    def note(
        self, track: Int32, start: Int64, duration: Int64, step: Int64 | None, launch: npt.NDArray[np.bool_]
    ) -> None:
        """Markers and launches among the events of threads, shape (n,)."""
        if step is not None:
            rows = step != NO_INT
            self.markers.append(
                np.stack([track[rows].astype(np.int64), start[rows], (start + duration)[rows], step[rows]])
            )
        if launch.any():
            rows = np.flatnonzero(launch)
            self.launches.append(np.stack([track[rows].astype(np.int64), start[rows], (start + duration)[rows]]))

    def coded(self, run: Int64, start: Int64) -> Int64:
        """Executions' ids as codes, NO_INT where an event has none."""
        encoded = arrow(run).dictionary_encode()
        values, places = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        first = np.full(len(values), np.iinfo(np.int64).max)
        np.minimum.at(first, places, start)
        table = []
        for value, begun in zip(values, first.tolist(), strict=True):
            if value == NO_INT:
                table.append(NO_INT)
                continue
            code = self.codes.setdefault(value, len(self.begun))
            if code == len(self.begun):
                self.begun.append(begun)
            self.begun[code] = min(self.begun[code], begun)
            table.append(code)
        return np.array(table, dtype=np.int64)[places] if table else run

    def grouped(self, group: Int64, step: Int64 | None) -> Int64:
        """Groups as codes, NO_INT where an event is in none; step: of markers."""
        encoded = arrow(group).dictionary_encode()
        values, places = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        if not values:
            return group
        for value in values:
            if value != NO_INT and value not in self.groups:
                self.groups[value] = len(self.begun)
                self.begun.append(0)
        if step is not None:
            for row in np.flatnonzero((step != NO_INT) & (group != NO_INT)).tolist():
                self.group_steps.setdefault(int(group[row]), int(step[row]))
        table: Int64 = np.array([self.groups.get(value, NO_INT) for value in values], dtype=np.int64)
        codes: Int64 = table[places]
        return codes

    def table(self) -> Int64:
        """The step of each execution by its code; NO_INT or NO_STEP as in Context.run_steps."""
        result = np.full(len(self.begun), NO_INT, dtype=np.int64)
        for group, step in self.group_steps.items():
            result[self.groups[group]] = step
        markers, paired = _joined(self.markers, 4), self._paired()
        if markers.size and paired is not None:
            code, launches = paired
            result[code] = _steps_of(launches, markers)
        return result

    def launched(self) -> Int64 | None:
        """Track and start of each execution's launch by its code, NO_INT of one without; None where no launch is known."""
        paired = self._paired()
        if paired is None:
            return None
        code, launches = paired
        result = np.full((2, len(self.begun)), NO_INT, dtype=np.int64)
        result[:, code] = launches[:2]
        return result

    def _paired(self) -> tuple[Int64, Int64] | None:
        """Codes of executions and their launches; None where these do not fit each other."""
        launches = _joined(self.launches, 3)
        launches = launches[:, np.argsort(launches[1], kind="stable")]
        devices, rest = divmod(launches.shape[1], max(len(self.codes), 1))
        if not self.codes or not launches.size:
            return None
        if devices and not rest:
            code = np.array([self.codes[id_] for id_ in sorted(self.codes)])
            first = launches[:, ::devices]
            if (np.array(self.begun)[code] >= first[1]).all():
                return code, first
        found = self.programs.paired(launches, {code: id_ for id_, code in self.codes.items()})
        return (np.array(list(found)), launches[:, list(found.values())]) if found else None


def _steps_of(launches: Int64, markers: Int64) -> Int64:
    """The step of the marker that each launch lies in on its own thread, or NO_STEP."""
    found = np.full(launches.shape[1], NO_STEP, dtype=np.int64)
    for track in np.unique(launches[0]).tolist():
        _, start, end, step = markers[:, markers[0] == track]
        if not len(start):
            continue
        order = np.argsort(start, kind="stable")
        rows = np.flatnonzero(launches[0] == track)
        at = np.searchsorted(start[order], launches[1][rows], side="right") - 1
        inside = (at >= 0) & (launches[1][rows] <= end[order][at])
        found[rows[inside]] = step[order][at[inside]]
    return found


def _joined(pieces: Sequence[Int64], rows: int) -> Int64:
    return np.concatenate(pieces, axis=1) if pieces else np.empty((rows, 0), dtype=np.int64)
