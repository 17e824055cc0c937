"""The line of a key in a TOML text, so that an error in a study file can be found."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

Key = tuple[str | int, ...]


def line_of(text: str, key: Key) -> int | None:
    """The 1-based line on which the statement that sets `key` begins; that of its table where it is not set.

    tomllib keeps no positions, nor does tomlkit. Each prefix of a valid TOML text that is itself valid ends with a whole
    statement, so the first such prefix that has the key ends with it, and the valid one before ends where it begins. That is
    exact for every way to write TOML, and quadratic, which is milliseconds where a person wrote the text.
    """
    lines = text.splitlines(keepends=True)
    found: int | None = None
    wanted = key
    while wanted and found is None:
        found = _first(lines, wanted)
        wanted = wanted[:-1]
    return found


def _first(lines: Sequence[str], key: Key) -> int | None:
    begins = 1
    for end in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if _holds(document, key):
            return begins
        begins = end + 1
    return None


def _holds(node: Any, key: Key) -> bool:
    for part in key:
        if isinstance(part, int):
            if not isinstance(node, list) or part >= len(node):
                return False
        elif not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True
