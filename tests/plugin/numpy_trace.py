"""The trace format of the NumPy framework: a line an event, with a name, a start and a duration in nanoseconds.

numpy calls 1
dlprof:step=0	1000	500
np.clip	1100	300
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from dlprof.ingest.batch import LEVEL, NO_TEXT, RawBatch
from dlprof.ingest.reader import Context, Format
from dlprof.ingest.source import Source
from dlprof.names import is_marker
from dlprof.plugin import Operator, Vocabulary
from dlprof.units import PS_PER_NS

FIRST_LINE: Final = b"numpy calls 1\n"


class NumpyReader:
    """Reader of kind numpy-calls (ingest.reader.Reader)."""

    producer = "numpy"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """One batch: these files are small."""
        names: list[str] = []
        times: list[tuple[int, int]] = []
        with source.open() as file:
            offset = len(file.readline())
            for line in file:
                name, _, rest = line.decode().rstrip("\n").partition("\t")
                start, _, duration = rest.partition("\t")
                if not (start.isdecimal() and duration.isdecimal()):
                    ctx.damage(offset, "name, start and duration between tabs")
                names.append(name)
                times.append((int(start), int(duration)))
                offset += len(line)
        start_ps, duration_ps = np.array(times, dtype=np.int64).reshape(-1, 2).T * PS_PER_NS
        level = [LEVEL["marker"] if is_marker(name) else NO_TEXT for name in names]
        yield RawBatch(
            track=np.full(len(names), ctx.track("cpu:0", "main"), dtype=np.int32),
            name=np.array([ctx.pool("name")[name] for name in names], dtype=np.int32),
            start_ps=start_ps,
            duration_ps=duration_ps,
            level=np.array(level, dtype=np.int8),
        )

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of a name, where the framework's vocabulary has it."""
        return vocabulary.get(name)


def numpy_calls() -> Format:
    """What the entry point names."""
    return Format("numpy-calls", lambda head: head.startswith(FIRST_LINE), NumpyReader)
