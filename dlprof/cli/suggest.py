"""What somebody may have meant who misspelt a verb, an option or a choice."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_CHOICE: Final = re.compile(r"(?P<told>.*invalid choice: '(?P<said>[^']*)') \(choose from (?P<choices>.*)\)")

_NUMBER: Final = re.compile(r"invalid (int|float) value")
_KINDS: Final = {"int": "not a whole number", "float": "not a number"}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like it, if one is."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """`did you mean compare?`."""
    found = nearest(word, known)
    return f"did you mean {found}?" if found else None


def of_choice(message: str) -> tuple[str, str]:
    """An error of argparse about a choice, as what was said and what could be said; the second is '' for other errors.

    A long list of choices goes into the second part, where one of them is much like what was said only that one.
    """
    match = _CHOICE.fullmatch(message)
    if match is None:
        return _NUMBER.sub(lambda found: _KINDS[found[1]], message), ""
    choices = re.findall(r"[^\s,']+", match["choices"])
    return match["told"], suggestion(match["said"], choices) or f"choose from {', '.join(choices)};"


def of_options(unknown: Sequence[str], options: Iterable[str], elsewhere: Mapping[str, Iterable[str]]) -> str | None:
    """For the first unknown word that looks like an option: `did you mean --format?`; elsewhere: the options of other verbs, of
    which it may be one: `--where is of show;`."""
    said = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
    if said is None:
        return None
    of = [verb for verb, theirs in elsewhere.items() if said in theirs]
    return f"{said} is of {', '.join(of)};" if of else suggestion(said, options)
