"""Decodes a list of chrome trace events into structs: strictly typed first, leniently where a value has an odd type."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dlprof.ingest.reader import Context

EMPTY: Final = msgspec.Raw(b"{}")


class Event(msgspec.Struct, gc=False):
    """One chrome trace event; what a producer left out has its default. args: undecoded JSON."""

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
    ts: msgspec.Raw | None = None
    dur: msgspec.Raw | None = None


def metadata_name(event: Event) -> str | None:
    """The name that a process_name or thread_name event gives; None where it cannot be read."""
    try:
        return str(msgspec.json.decode(event.args, type=dict[str, Any]).get("name", ""))
    except msgspec.DecodeError:
        return None


class EventDecoder:
    """Decodes b'[…]' into events. exact: `ts` and `dur` stay decimal text (msgspec.Raw), so that no digit is lost."""

    def __init__(self, ctx: Context, *, exact: bool) -> None:
        self._ctx = ctx
        self._exact = exact
        self._typed: Any = msgspec.json.Decoder(list[_Exact] if exact else list[_Fast])
        self._parts = msgspec.json.Decoder(list[msgspec.Raw])
        self._loose = msgspec.json.Decoder(float_hook=float)

    def decode(self, text: bytes) -> list[Event]:
        """Events of a JSON list. Raises `msgspec.DecodeError` on invalid JSON."""
        try:
            events: list[Event] = self._typed.decode(text)
        except (msgspec.ValidationError, RecursionError):
            return self._one_by_one(text)
        return events

    def _one_by_one(self, text: bytes) -> list[Event]:
        """Each element by itself: odd types are coerced, what is no object is counted and left out."""
        events = []
        try:
            parts = self._parts.decode(text)
        except RecursionError:
            raise msgspec.DecodeError("nested too deeply") from None
        for part in parts:
            try:
                events += self._typed.decode(b"[" + bytes(part) + b"]")
            except (msgspec.ValidationError, RecursionError):
                event = self._coerced(part)
                if event is not None:
                    events.append(event)
        return events

    def _coerced(self, part: msgspec.Raw) -> Event | None:
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
            ts=self._time(value.get("ts")),
            dur=self._time(value.get("dur")),
            pid=_key(value.get("pid")),
            tid=_key(value.get("tid")),
            id=None if value.get("id") is None else _key(value["id"]),
            args=msgspec.Raw(msgspec.json.encode(args)) if isinstance(args, dict) else EMPTY,
        )

    def _time(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return None
        return msgspec.Raw(msgspec.json.encode(value)) if self._exact else value


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()


def _key(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _text(value)
