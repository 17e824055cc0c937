"""An extension of griffe (mkdocstrings): the docstrings' own form as Markdown, so that the API page shows what the sources mean.

A line a field (`name: meaning`, further lines indented) becomes an entry of a list, an example (`>>>` up to an empty line) a
block of code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

FIELD = re.compile(r"([A-Za-z_]\w*(?:, [A-Za-z_]\w*)*): (\S.*)")


class Docstrings(griffe.Extension):
    """Rewrites each docstring once."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = "\n".join(markdown(obj.docstring.value))


def markdown(text: str) -> Iterator[str]:
    """The lines of a docstring as lines of Markdown."""
    example = listed = False
    for number, line in enumerate(text.splitlines()):
        if line.startswith(">>>") and not example:
            example, listed = True, False
            yield from ("", "```pycon")
        elif not line and example:
            example = False
            yield "```"
        field = None if example or number == 0 else FIELD.fullmatch(line)
        if field:
            yield from [""] if not listed else []
            listed = True
            yield f"- `{field[1]}`: {field[2]}"
        else:
            listed = listed and line.startswith(" ")
            yield line
    if example:
        yield "```"
