"""Launches and executions of many programs in one file, such as JAX writes where each operator is a program of its own.

Ids of executions count on within one program and say nothing across programs. What is small runs within its own launch, on the
thread that launches. Of the others a launch lies in the call of a function (`PjitFunction(add)`) after which its program is named
(`jit_add`): if a name has as many launches as executions, the n-th to begin is the n-th launch, provided that none begins before
its launch and that the ids within each program go up. A name for which this does not hold tells nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dlprof.ingest.batch import NO_INT, NO_TEXT, Int32, Int64

_CALL: Final = re.compile(r"PjitFunction\((.+)\)")
_DEEPEST: Final = 64
"""Calls inside each other among which the innermost around a launch is looked for."""


def called_program(name: str) -> str | None:
    """The name of the module that a host event calls, None where it is no such call."""
    match = _CALL.fullmatch(name)
    return None if match is None else f"jit_{re.sub(r'[^A-Za-z0-9_.-]', '_', match[1])}"


@dataclass(frozen=True, slots=True)
class Execution:
    """module: code of its name; program: its id, NO_INT where none is told; begun, track: its first event."""

    module: int
    program: int
    begun: int
    track: int


@dataclass(slots=True)
class Programs:
    """Collects calls and executions while events pass by.

    calls: rows of track, start, end, code of the module's name
    executions: by code
    """

    calls: list[Int64] = field(default_factory=list)
    executions: dict[int, Execution] = field(default_factory=dict)

    def note_calls(self, track: Int32, start: Int64, duration: Int64, module: Int32) -> None:
        """Calls among the events of threads, shape (n,). module: NO_TEXT of what is no call."""
        rows = module != NO_TEXT
        if rows.any():
            columns = (track[rows], start[rows], (start + duration)[rows], module[rows])
            self.calls.append(np.stack([column.astype(np.int64) for column in columns]))

    def note(self, run: Int64, track: Int32, start: Int64, module: Int32, program: Int64 | None) -> None:
        """Events of executions, shape (n,). run: their codes, NO_INT of none."""
        rows = np.flatnonzero((run != NO_INT) & (module != NO_TEXT))
        rows = rows[np.lexsort((start[rows], run[rows]))]
        codes, first = np.unique(run[rows], return_index=True)
        for code, row in zip(codes.tolist(), rows[first].tolist(), strict=True):
            before = self.executions.get(code)
            if before is None or int(start[row]) < before.begun:
                number = NO_INT if program is None else int(program[row])
                self.executions[code] = Execution(int(module[row]), number, int(start[row]), int(track[row]))

    def paired(self, launches: Int64, id_of: dict[int, int]) -> dict[int, int]:
        """Position of the launch of each execution by its code, of those that are known.

        launches: rows of track, start, end, by start. id_of: the id of an execution by its code
        """
        found = self._within(launches)
        left = np.setdiff1d(np.arange(launches.shape[1]), list(found.values()))
        called = self._called(launches[:, left])
        for module in np.unique(called[called != NO_TEXT]).tolist():
            positions = left[called == module]
            codes = [code for code, one in self.executions.items() if one.module == module and code not in found]
            codes.sort(key=lambda code: self.executions[code].begun)
            if len(codes) == len(positions) and self._fits(codes, launches[1][positions], id_of):
                found |= dict(zip(codes, positions.tolist(), strict=True))
        return found

    def _within(self, launches: Int64) -> dict[int, int]:
        """Executions that begin within a launch on its own thread; of several the first."""
        found: dict[int, int] = {}
        taken: set[int] = set()
        for track in np.unique(launches[0]).tolist():
            at = np.flatnonzero(launches[0] == track)
            here = sorted((one.begun, code) for code, one in self.executions.items() if one.track == track)
            places = np.searchsorted(launches[1][at], [begun for begun, _ in here], side="right") - 1
            for (begun, code), place in zip(here, places.tolist(), strict=True):
                position = int(at[place])
                if place >= 0 and begun <= launches[2][position] and position not in taken:
                    taken.add(position)
                    found[code] = position
        return found

    def _called(self, launches: Int64) -> Int64:
        """The module that the innermost call around each launch names, NO_TEXT for none."""
        named = np.full(launches.shape[1], NO_TEXT, dtype=np.int64)
        calls = np.concatenate(self.calls, axis=1) if self.calls else np.empty((4, 0), dtype=np.int64)
        for track in np.unique(launches[0]).tolist():
            of_track = calls[:, calls[0] == track]
            _, start, end, module = of_track[:, np.lexsort((-of_track[2], of_track[1]))]
            rows = np.flatnonzero(launches[0] == track)
            at = np.searchsorted(start, launches[1][rows], side="right") - 1
            for _ in range(_DEEPEST):
                over = (at >= 0) & (end[at] < launches[1][rows]) if len(end) else at >= 0
                if not over.any():
                    break
                at = at - over
            inside = (at >= 0) & (end[at] >= launches[1][rows]) if len(end) else at >= 0
            named[rows[inside]] = module[at[inside]]
        return named

    def _fits(self, codes: list[int], launched: Int64, id_of: dict[int, int]) -> bool:
        """Whether none begins before its launch, and ids go up within each program."""
        latest: dict[int, int] = {}
        for code, start in zip(codes, launched.tolist(), strict=True):
            one, number = self.executions[code], id_of[code]
            if one.begun < start or latest.get(one.program, number - 1) >= number:
                return False
            latest[one.program] = number
        return True
