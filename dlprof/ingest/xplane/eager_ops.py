"""Eager TensorFlow: which operator a `KernelAndDeviceFunc::Run` executed.

In eager mode the trace has no `scope/op:Type` events. `EagerLocalExecute: Conv2D` is the dispatch of an operator, and
the nameless `KernelAndDeviceFunc::Run` inside it, on the same thread, is the execution: that one becomes the operator's
row. A call of a function (`EagerLocalExecute: __inference_step_12`) runs operators that have events of their own, so it
is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_TEXT, Int32, Int64, Pool

_RUN: Final = "KernelAndDeviceFunc::Run"
_DISPATCH: Final = re.compile(r"EagerLocalExecute: ([A-Z_][A-Za-z0-9_]*)")
_FUNCTION: Final = re.compile(r"__(inference|forward|backward)_.*")


class EagerKernels:
    """Finds the operator that each nameless execution of eager TensorFlow ran.

    names: the event names of a plane by position; one position more stands for unknown names
    """

    def __init__(self, names: Sequence[str], lookups: Pool) -> None:
        self._run = np.array([*(name == _RUN for name in names), False], dtype=bool)
        self._dispatch = np.zeros(len(names) + 1, dtype=bool)
        self._type = np.full(len(names) + 1, NO_TEXT, dtype=np.int32)
        for position, name in enumerate(names):
            match = _DISPATCH.fullmatch(name)
            self._dispatch[position] = match is not None
            if match and not _FUNCTION.fullmatch(match[1]):
                self._type[position] = lookups[match[1]]
        self._either = self._run | self._dispatch
        self.any = bool(self._run.any() and self._dispatch.any())
        self.last = NO_TEXT
        """The operator that was dispatched last on the line."""

    def new_line(self) -> None:
        """Forgets the dispatch of the line before."""
        self.last = NO_TEXT

    def tables(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], Int32] | None:
        """Of each position whether it is an execution, whether it dispatches, and the code of what that is; None where `any` is
        false."""
        return (self._run, self._dispatch, self._type) if self.any else None

    def types(self, at: Int64, begun: Int64 | None = None) -> tuple[Int64, Int32]:
        """The events that executed an operator whose type is known, and its code. at: positions of the events' names, in order
        of start; windows of a line follow each other. begun: the first row of each one's line, where there are several."""
        if not len(at):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
        # The last event is asked too: what it would execute, the first ones of the next window do.
        rows = np.append(np.flatnonzero(self._either[at]), len(at) - 1)
        name = at[rows]
        latest = np.maximum.accumulate(np.where(self._dispatch[name], rows, -1))
        told = latest >= (0 if begun is None else begun[rows])
        current = np.where(told, self._type[at[latest]], self.last).astype(np.int32)
        self.last = int(current[-1])
        run = np.flatnonzero(self._run[name[:-1]] & (current[:-1] != NO_TEXT))
        return rows[run], current[run]
