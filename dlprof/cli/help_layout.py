"""The layout of help: examples stay lines that can be copied, and what is beside or around them is wrapped to the terminal."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

_LONGEST_VERB: Final = 14
"""Columns of the longest verb with its indentation, beside which argparse is to set the verb's line of help."""
_REMARK: Final = 6
"""Columns by which a remark is indented that has no room beside its command."""


class Layout(argparse.RawDescriptionHelpFormatter):
    """argparse's own, for descriptions and epilogs of lines."""

    def __init__(self, prog: str, **given: Any) -> None:
        super().__init__(prog, **given)
        # argparse forgets the further indentation of verbs when it measures them, and sets the longest ones on two lines.
        self._action_max_length = _LONGEST_VERB

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(f"{indent}{line}" for line in laid_out(text, width - len(indent)))


def laid_out(text: str, width: int) -> Iterator[str]:
    """The lines of the text, in so many columns: prose as paragraphs, indented lines (examples) each for itself."""
    for indented, lines in groupby(text.splitlines(), lambda line: line.startswith(" ") or not line):
        if indented:
            for line in lines:
                yield from _example(line, width)
        else:
            yield from textwrap.wrap(" ".join(lines), width, break_long_words=False, break_on_hyphens=False)


def _example(line: str, width: int) -> list[str]:
    """A command and perhaps a remark behind it, which goes below it where there is no room; a command is never broken."""
    if len(line) <= width:
        return [line]
    parts = re.fullmatch(r"(?P<command> +\S.*?)? {3,}(?P<remark>\S.*)", line)
    if parts is None:
        return [line]
    below = textwrap.wrap(parts["remark"], width - _REMARK, break_long_words=False, break_on_hyphens=False)
    return [*([parts["command"]] if parts["command"] else []), *(f"{'':{_REMARK}}{one}" for one in below)]
