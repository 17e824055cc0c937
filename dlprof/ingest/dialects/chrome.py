"""Reads chrome trace-event files of any producer: spans, instants and counters, with nothing assumed of their meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final

import numpy as np

from dlprof.ingest.batch import LEVEL, NO_TEXT, Int64, RawBatch
from dlprof.ingest.json.common_columns import argument_texts, category_codes, counter_value, keyed, name_codes
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import INSTANT, ChromeFile, Dialect, Phases
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.names import is_marker
from dlprof.plugin import Operator, Vocabulary

HOST: Final = "host"


@dataclass(slots=True)
class ChromeDialect(Dialect):
    """A chrome trace of unknown origin (json.walk.Dialect)."""

    tracks: dict[tuple[Any, Any], int] = field(default_factory=dict)

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        name = name_codes(self.ctx, rows)
        markers = np.array([*(is_marker(text) for text in self.ctx.pool("name").values_list), False])
        level = np.where(markers[name] | INSTANT[ph], LEVEL["marker"], NO_TEXT).astype(np.int8)
        counters = ph == ord("C")
        level[counters] = LEVEL["counter"]
        value = np.full(len(rows), np.nan)
        value[counters] = [counter_value(event) for event in compress(rows, counters)]
        return RawBatch(
            track=keyed([(event.pid, event.tid) for event in rows], self._track),
            name=name,
            start_ps=start,
            duration_ps=duration,
            level=level,
            category=category_codes(self.ctx, rows),
            value=value,
            args=argument_texts(rows),
        )

    def _track(self, process: Any, thread: Any) -> int:
        code = self.tracks.get((process, thread))
        if code is None:
            # Thread numbers count anew in each process, and a plain trace has nothing else to tell its threads apart by.
            name = self.names.threads.get((process, thread)) or str(thread)
            whose = self.names.processes.get(process) or str(process)
            code = self.tracks[process, thread] = self.ctx.track(
                HOST, f"{whose} · {name}" if name else whose, f"{process}/{thread}"
            )
        return code


class ChromeReader:
    """Reader of kind chrome-trace (reader.Reader)."""

    producer = "chrome"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams the spans, instants and counters of one file."""
        yield from ChromeFile(source, ChromeDialect(ctx)).batches()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of a name, where the vocabulary has it."""
        return vocabulary.get(name)


READER: Final = ChromeReader()
