"""Collections of Python's garbage as markers in the trace: a pause that no framework records."""

import gc

from .names import COLLECTION

FULL = 2  # generation; those of younger objects alone take microseconds, and come often


class Collections:
    """Marks each full collection by `span` (of a Backend), from `mark` to `leave`."""

    def __init__(self, span):
        self._span = span
        self._open = None

    def mark(self):
        """The profiler runs."""
        gc.callbacks.append(self._called)

    def leave(self):
        """The profiler is about to stop."""
        gc.callbacks.remove(self._called)

    def _called(self, phase, info):
        if info.get("generation") != FULL:
            return
        if phase == "start":
            self._open = self._span(COLLECTION)
            self._open.__enter__()
        elif self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = None
