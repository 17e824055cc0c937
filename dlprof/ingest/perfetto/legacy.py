"""Track events of Chrome's older kind, which hold the phase of a JSON event (`X`, `b`, `e` …) instead of a type."""

from __future__ import annotations

from dataclasses import dataclass

from dlprof.ingest.perfetto.tracks import Text
from dlprof.ingest.protobuf.wire import BYTES, VARINT, fields, signed

_IDS = (6, 10, 11)
"""unscoped_id, local_id, global_id."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """A LegacyEvent. id: of a span that belongs to no thread, local: to its process alone; process, thread: where it is not the
    sequence's own."""

    phase: str = ""
    name_id: int = 0
    duration_us: int = 0
    id: str = ""
    local: bool = False
    process: int | None = None
    thread: int | None = None


def legacy_of(data: bytes, start: int, end: int, text: Text) -> Legacy:
    """Reads a LegacyEvent. Raises `Malformed`."""
    phase, name, duration, number, scope = "", 0, 0, "", ""
    process, thread = None, None
    for one in fields(data, start, end):
        if one.wire == BYTES and one.number == 7:
            scope = text(data, one)
        elif one.wire != VARINT:
            continue
        elif one.number == 2:
            phase = chr(one.value) if 0x20 < one.value < 0x7F else "?"
        elif one.number == 1:
            name = one.value
        elif one.number == 3:
            duration = signed(one.value)
        elif one.number in _IDS:
            number = f"{one.number}:{one.value:x}"
        elif one.number == 18:
            process = signed(one.value)
        elif one.number == 19:
            thread = signed(one.value)
    return Legacy(
        phase, name, duration, f"{scope}/{number}" if number else "", number.startswith("10:"), process, thread
    )
