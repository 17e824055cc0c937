"""What somebody may have meant who misspelt a verb, an option or a choice."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

_CHOICE: Final = re.compile(r"(?P<told>.*invalid choice: '(?P<said>[^']*)') \(choose from (?P<choices>.*)\)")

_MEANT: Final = {"perfetto": "chrome", "xprof": "tensorboard", "xplane": "tensorboard", "md": "markdown"}
"""Choices by other names, where a name is nothing like the choice."""

_COMMANDS: Final = ("capture", "gate", "bisect")
"""Verbs after which a command of one's own may stand, behind `--`."""

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
    said = match["said"]
    if is_program(said) and "capture" in choices:
        return match["told"], "a program of your own is recorded by `dlprof capture -- python train.py`;"
    if _MEANT.get(said) in choices:
        return match["told"], f"did you mean {_MEANT[said]}?"
    return match["told"], suggestion(said, choices) or f"choose from {', '.join(choices)};"


def is_program(word: str) -> bool:
    """Whether it is the beginning of a command, or a program in Python, where a verb or a workload was expected."""
    name = word.rpartition("/")[2]
    return name.endswith(".py") or re.fullmatch(r"python[0-9.]*|torchrun", name) is not None


def of_words(verb: str, unknown: Sequence[str], frameworks: Iterable[str]) -> str | None:
    """For words that are no options and have no place after this verb: how what they may be is said."""
    words = [word for word in unknown if not word.startswith("-")]
    if not words:
        return None
    programs = any(is_program(word) for word in words)
    if verb in _COMMANDS and (programs or "-m" in unknown):
        return f"a command of your own stands behind --: `dlprof {verb} … -- python train.py`;"
    if verb != "compare":
        return None
    if words[0] in frameworks:
        return "frameworks are named with a comma between: --frameworks tf,mxnet;"
    if programs:
        return "two scripts are compared by --a 'python train.py' --b 'python train.py --fused';"
    if Path(words[0]).exists():
        return "two recordings are put beside each other by `dlprof diff A B`;"
    return None


def of_options(unknown: Sequence[str], options: Iterable[str], elsewhere: Mapping[str, Iterable[str]]) -> str | None:
    """For the first unknown word that looks like an option: `did you mean --format?`; elsewhere: the options of other verbs, of
    which it may be one: `--where is of show;`."""
    said = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
    if said is None:
        return None
    of = [verb for verb, theirs in elsewhere.items() if said in theirs]
    return f"{said} is of {', '.join(of)};" if of else suggestion(said, options)
