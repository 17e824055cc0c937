"""The line of a key in a TOML text, so that an error in a study file can be found."""

from __future__ import annotations

import bisect
import tomllib
from collections.abc import Sequence
from typing import Any, Final

Key = tuple[str | int, ...]


MOST_PARSED: Final = 1_000_000
"""Characters that are parsed to find a line, about a second's work: a text that needs more was written by no person."""


def line_of(text: str, key: Key) -> int | None:
    """The 1-based line on which the statement that sets `key` begins, or that of its table where it is not set.

    None where it is not found, and for texts of over a hundred thousand characters. tomllib keeps no positions, nor does
    tomlkit. Each prefix of a valid TOML text that is itself valid ends with a whole statement, so the first such prefix that
    has the key ends with it, and the valid one before ends where it begins. That is exact for every way to write TOML. Later
    prefixes have the key too, so that the first is found by halving.
    """
    lines = text.splitlines(keepends=True)
    prefixes = _Prefixes(lines)
    try:
        while key:
            if prefixes.has(len(lines), key):
                return bisect.bisect_left(range(len(lines)), True, key=lambda at: prefixes.has(at + 1, key)) + 1
            key = key[:-1]
    except _TooMuch:
        pass
    return None


class _TooMuch(Exception):
    """Over MOST_PARSED characters were parsed."""


class _Prefixes:
    """The valid prefixes of a text."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._parsed = 0
        self._known: dict[int, Any] = {}

    def has(self, end: int, key: Key) -> bool:
        """Whether the first valid prefix of at least so many lines has the key."""
        for more in range(end, len(self._lines) + 1):
            document = self._document(more)
            if document is not None:
                return _holds(document, key)
        return False

    def _document(self, end: int) -> dict[str, Any] | None:
        if end not in self._known:
            text = "".join(self._lines[:end])
            self._parsed += len(text)
            if self._parsed > MOST_PARSED:
                raise _TooMuch
            try:
                self._known[end] = tomllib.loads(text)
            except (ValueError, RecursionError):
                self._known[end] = None
        known: dict[str, Any] | None = self._known[end]
        return known


def _holds(node: Any, key: Key) -> bool:
    for part in key:
        if isinstance(part, int):
            if not isinstance(node, list) or part >= len(node):
                return False
        elif not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True
