"""Decodes a list of chrome trace events into structs: strictly typed first, leniently where a value has an odd type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dlprof.ingest.reader import Context

EMPTY: Final = msgspec.Raw(b"{}")
NOTHING: Final = msgspec.Raw(b"")
TOO_DEEP: Final = "nested too deeply"

DOUBLE_SAFE_US: Final = 2.0**31
"""Below it (36 minutes) a double tells neighbouring picoseconds apart; above it only the decimal text does."""


class Event(msgspec.Struct, gc=False):
    """One chrome trace event; what a producer left out has its default.

    args: undecoded JSON
    """

    ph: str = ""
    name: str = ""
    cat: str | None = None
    ts: Any = None
    dur: Any = None
    pid: int | str = ""
    tid: int | str = ""
    id: int | str | None = None
    args: msgspec.Raw = EMPTY


class _Fast(Event, gc=False):
    ts: int | float | str | None = None
    dur: int | float | str | None = None


class _Exact(Event, gc=False):
    ts: msgspec.Raw = NOTHING
    dur: msgspec.Raw = NOTHING


def metadata_name(event: Event) -> str | None:
    """What a process_name, thread_name or process_labels event gives; None where it cannot be read."""
    key = "labels" if event.name == "process_labels" else "name"
    try:
        return str(msgspec.json.decode(event.args, type=dict[str, Any]).get(key, ""))
    except (msgspec.DecodeError, RecursionError):
        return None


class EventDecoder:
    """Decodes b'[…]' into events. Where a time has more digits than a double holds, `ts` and `dur` stay decimal text.

    Numbers are tried first, being faster; the first chunk with such a time switches to text for the rest of the file.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._fast: Any = msgspec.json.Decoder(list[_Fast])
        self._exact: Any = msgspec.json.Decoder(list[_Exact])
        self._decimals = False
        self._parts = msgspec.json.Decoder(list[msgspec.Raw])
        self._loose = msgspec.json.Decoder(float_hook=float)

    def decode(self, text: bytes) -> list[Event]:
        """Events of a JSON list. Raises `msgspec.DecodeError` on invalid JSON."""
        events = self._decoded(text)
        if not self._decimals and _digits_lost(events):
            self._decimals = True
            events = self._decoded(text)
        return self._without_empty(events, text)

    def keep_decimals(self) -> None:
        """From here on times stay text: a time with more digits than a double holds was met."""
        self._decimals = True

    def _without_empty(self, events: list[Event], text: bytes) -> list[Event]:
        """Without `{}`, which is counted; an object that holds anything else, known or not, stays."""
        blank = [event for event in events if not event.ph and _is_blank(event)]
        if not blank:
            return events
        # What a decoded event does not show is asked of the text: an unknown key is something too.
        empty = sum(not bytes(part).strip(b"{} \t\r\n") for part in self._parts.decode(text))
        self._ctx.anomalies.count("json_empty_element", empty)
        left_out = {id(event) for event in blank[:empty]}
        return [event for event in events if id(event) not in left_out]

    def _decoded(self, text: bytes) -> list[Event]:
        decoder = self._exact if self._decimals else self._fast
        try:
            events: list[Event] = decoder.decode(text)
        except (msgspec.ValidationError, RecursionError):
            return self._one_by_one(text, decoder, self._decimals)
        return events

    def _one_by_one(self, text: bytes, decoder: Any, exact: bool) -> list[Event]:
        """Each element by itself: odd types are coerced, what is no object is counted and left out."""
        events = []
        try:
            parts = self._parts.decode(text)
        except RecursionError:
            raise msgspec.DecodeError(TOO_DEEP) from None
        for part in parts:
            try:
                events += decoder.decode(b"[" + bytes(part) + b"]")
            except (msgspec.ValidationError, RecursionError):
                event = self._coerced(part, exact)
                if event is not None:
                    events.append(event)
        return events

    def _coerced(self, part: msgspec.Raw, exact: bool) -> Event | None:
        try:
            value = self._loose.decode(part)
        except RecursionError:
            self._ctx.anomalies.count("json_too_deep")
            return None
        if not isinstance(value, dict):
            self._ctx.anomalies.count("json_not_an_event")
            return None
        self._ctx.anomalies.count("json_odd_type")
        args = value.get("args")
        return Event(
            ph=_text(value.get("ph")),
            name=_text(value.get("name")),
            cat=None if value.get("cat") is None else _text(value["cat"]),
            ts=_time(value.get("ts"), exact),
            dur=_time(value.get("dur"), exact),
            pid=_key(value.get("pid")),
            tid=_key(value.get("tid")),
            id=None if value.get("id") is None else _key(value["id"]),
            args=msgspec.Raw(msgspec.json.encode(args)) if isinstance(args, dict) else EMPTY,
        )


def _is_blank(event: Event) -> bool:
    """Whether an event has no value of its own: all such are alike."""
    told = (event.name, event.cat, event.pid, event.tid, event.id)
    return told == ("", None, "", "", None) and not event.ts and not event.dur and event.args is EMPTY


def _time(value: object, exact: bool) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return NOTHING if exact else None
    return msgspec.Raw(msgspec.json.encode(value)) if exact else value


def _digits_lost(events: Sequence[Event]) -> bool:
    times = [event.ts for event in events if type(event.ts) is float]
    if times and max(map(abs, times)) >= DOUBLE_SAFE_US:
        return True
    durations = [event.dur for event in events if type(event.dur) is float]
    return bool(durations) and max(map(abs, durations)) >= DOUBLE_SAFE_US


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()


def _key(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _text(value)
