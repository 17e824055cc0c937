"""Rewrites the invalid JSON that trace producers are known to write into valid JSON, counting each thing it mended."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

_HEX4: Final = rb"[0-9a-fA-F]{4}"
_GOOD_ESCAPE: Final = (
    rb'\\["\\/bfnrt]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u(?![dD][89a-fA-F])' + _HEX4
)
_LONGEST_HEX: Final = 40
"""Characters of a hex number that is made decimal; no column holds what is longer."""
_SUSPECT: Final = re.compile(rb"[\x00-\x1f\\]")
_TOKEN: Final = re.compile(rb"(?P<good>" + _GOOD_ESCAPE + rb")|(?P<lone>\\u" + _HEX4 + rb")|(?P<slash>\\)|[\x00-\x1f]")
_VALID_BODY: Final = re.compile(rb'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')

_STRING: Final = rb'(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")'
_REST: Final = (
    rb"|(?P<nonfinite>-?\b(?:NaN|nan|Infinity|inf)\b)"
    rb"|(?P<hex>\b0[xX][0-9a-fA-F]+\b)"
    rb"|(?P<missing>\}(?=\s*\{))"
    rb"|(?P<trailing>,(?=\s*[\]}]))"
)
_ANY: Final = re.compile(_STRING + _REST, re.DOTALL)
# MXNet puts each key on a line of its own and never escapes, so the line tells where a name ends, quotes inside or not.
_MXNET: Final = re.compile(
    rb'(?:(?<=\n)|\A)(?P<line>[ ]+"(?:name|cat)": ")(?P<body>[^\n]*)(?P<end>"(?:,|(?=\r?\n)))(?=\r?\n)'
    rb'|(?P<counter>"args": \{ ")(?P<key>[^\n]*)(?P<value>": -?[0-9]+ \},)(?=\r?\n)|' + _STRING + _REST,
    re.DOTALL,
)


@dataclass(slots=True)
class Mended:
    """Valid JSON, hopefully; `counts`: anomaly name → times; `offset(n)` is where byte n of `text` stood before."""

    text: bytes
    counts: dict[str, int] = field(default_factory=dict)
    _at: list[int] = field(default_factory=list)
    _shift: list[int] = field(default_factory=list)

    def offset(self, position: int) -> int:
        """The position in the original text of a position in the mended text."""
        index = bisect_right(self._at, position) - 1
        return position - (self._shift[index] if index >= 0 else 0)


def mend(text: bytes, *, mxnet: bool) -> Mended:
    """Mends what producers are known to write wrong.

    Control characters and bad escapes in strings, NaN and Infinity (→ null), hex numbers, a missing comma between objects, a
    trailing comma; with `mxnet` also its unescaped names.
    """
    result = Mended(b"")
    parts: list[bytes] = []
    done = size = 0
    for match in (_MXNET if mxnet else _ANY).finditer(text):
        new = _mended(match, result.counts)
        if new is None:
            continue
        parts += (text[done : match.start()], new)
        size += match.start() - done + len(new)
        done = match.end()
        result._at.append(size)
        result._shift.append(size - done)
    parts.append(text[done:])
    result.text = b"".join(parts)
    return result


def _mended(match: re.Match[bytes], counts: dict[str, int]) -> bytes | None:
    """The replacement of a token, or None where it is fine; counts what was wrong with it."""
    kind = match.lastgroup
    if kind == "string":
        body = match["string"]
        new = _escaped(body) if _SUSPECT.search(body) else body
        return _counted(counts, "json_bad_string", new) if new != body else None
    if kind == "end":
        return _name(match, "line", "body", "end", counts)
    if kind == "value":
        return _name(match, "counter", "key", "value", counts)
    if kind == "nonfinite":
        return _counted(counts, "json_nonfinite_number", b"null")
    if kind == "hex":
        fits = len(match["hex"]) <= _LONGEST_HEX
        return _counted(counts, "json_hex_number", b"%d" % int(match["hex"], 16) if fits else b"null")
    if kind == "missing":
        return _counted(counts, "json_missing_comma", b"},")
    return _counted(counts, "json_trailing_comma", b"")


def _name(match: re.Match[bytes], start: str, body: str, end: str, counts: dict[str, int]) -> bytes | None:
    text = match[body]
    if _VALID_BODY.fullmatch(text):
        return None
    escaped = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return _counted(counts, "mxnet_unescaped_name", match[start] + _escaped(escaped) + match[end])


def _escaped(body: bytes) -> bytes:
    """Control characters escaped, broken escapes made literal, lone surrogates replaced by U+FFFD."""
    return _TOKEN.sub(_escape, body)


def _escape(match: re.Match[bytes]) -> bytes:
    kind = match.lastgroup
    if kind == "good":
        return match[0]
    if kind == "lone":
        return b"\\ufffd"
    return b"\\\\" if kind == "slash" else b"\\u%04x" % match[0][0]


def _counted(counts: dict[str, int], name: str, new: bytes) -> bytes:
    counts[name] = counts.get(name, 0) + 1
    return new
