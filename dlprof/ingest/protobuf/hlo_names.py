"""Names of XLA's instructions and fusions: which operator `dot.3`, `wrapped_reduce` or `loop_transpose_fusion` is."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from dlprof.plugin import Operator, Vocabulary

_NUMBER: Final = re.compile(r"([._]\d+)+$")
_FUSION: Final = re.compile(r"(?:(?P<before>.+)_)?fusion(?:_(?P<after>.+))?")
_LONGEST: Final = 3


def instruction(name: str) -> str:
    """An instruction's name without the number that makes it unique in its module: `dot.3` → dot."""
    return re.sub(r"(\.\d+)+$", "", name)


def hlo_operator(name: str, vocabulary: Vocabulary) -> Operator | None:
    """The operator behind an instruction's or kernel's name, None if it is unknown.

    XLA names a fusion after some of what it fuses; that is what `fuses` then holds: all that the trace tells, perhaps not
    all there is.
    """
    base = _NUMBER.sub("", name.removesuffix(".kd"))
    if (known := vocabulary.get(base)) is not None:
        return known
    if base.startswith("wrapped_"):
        return vocabulary.get(base.removeprefix("wrapped_"))
    fusion = vocabulary.get("fusion")
    if fusion is not None and (match := _FUSION.fullmatch(base)):
        words = "_".join(part for part in (match["before"], match["after"]) if part).split("_")
        return replace(fusion, fuses=tuple(_known(words, vocabulary)))
    return None


def _known(words: list[str], vocabulary: Vocabulary) -> list[str]:
    """Canonical operators among the words, the longest names first: dot_general before dot."""
    found: list[str] = []
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            operator = vocabulary.get("_".join(words[at : at + length]))
            if operator is not None:
                found.append(operator.op)
                at += length
                break
        else:
            at += 1
    return found
