"""Finds the list of events in a chrome trace file and reads the top-level values before and behind it."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

_TOKEN: Final = re.compile(rb'"(?:[^"\\]*+(?:\\.[^"\\]*+)*+)"|[\[\]{}]', re.DOTALL)
_COLON: Final = re.compile(rb"\s*:\s*")
_LEAD: Final = re.compile(rb"[\s,]*")

_BASE: Final = re.compile(rb'"baseTimeNanoseconds"\s*:\s*(\d{1,19})\b')

Form = Literal["object", "array", "headerless", "footer", "none"]


class Found(msgspec.Struct, frozen=True):
    """Where the events start: byte behind the bracket, or None where the text does not (yet) show it.

    form: object {"traceEvents": […]}, array […], headerless (events, no bracket before them), footer (only the end)
    """

    start: int | None
    form: Form


def find_events(text: bytes) -> Found:
    """The place and form of the events in the start of a file."""
    lead = _LEAD.match(text)
    at = lead.end() if lead else 0
    first = text[at : at + 1]
    if first == b"[":
        return Found(at + 1, "array")
    if first == b"]":
        return Found(at + 1, "footer")
    if first != b"{":
        return Found(None, "none")
    if b"," in text[:at]:
        return Found(at, "headerless")
    return _in_object(text, at)


def _in_object(text: bytes, at: int) -> Found:
    depth = 0
    event_like = False
    for token in _TOKEN.finditer(text, at):
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return Found(at, "headerless") if event_like else Found(None, "none")
        elif depth == 1 and (colon := _COLON.match(text, token.end())):
            event_like |= mark == b'"ph"'
            if mark == b'"traceEvents"' and text[colon.end() : colon.end() + 1] == b"[":
                return Found(colon.end() + 1, "object")
    return Found(None, "none")


def header_values(text: bytes) -> dict[str, Any] | None:
    """Top-level values before the events; `text` ends behind their opening bracket. None where they are invalid."""
    before = text[: text.rindex(b'"traceEvents"')].rstrip().removesuffix(b",")
    return _object(before + b"}")


class Footer(msgspec.Struct, frozen=True):
    """Top-level values behind the events, and whether the object was closed."""

    values: dict[str, Any]
    closed: bool


def footer_values(text: bytes) -> Footer | None:
    """What stands behind the events' closing bracket; None where it is not JSON."""
    rest = text.strip().removeprefix(b",").strip()
    if rest in (b"", b"}"):
        return Footer({}, bool(rest))
    values = _object(b"{" + rest)
    return None if values is None else Footer(values, True)


def time_base(text: bytes) -> dict[str, Any]:
    """`baseTimeNanoseconds` of a footer that is too large or damaged, where it can be found."""
    found = _BASE.search(text)
    return {"baseTimeNanoseconds": int(found[1])} if found else {}


def ends_of_events(text: bytes) -> list[int]:
    """Ends of the objects at the top level of a list of events whose start is `text`, by counting brackets."""
    depth, ends = 0, []
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0 and mark == b"}":
                ends.append(token.end())
            elif depth < 0:
                break
    return ends


def is_json(text: bytes) -> bool:
    """Whether a whole text is JSON, whatever it holds."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return values
