"""Command lines as results state them: without what looks secret."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from dlprof.names import as_text

_SECRET = re.compile(
    r"(?i)(?<!pad[_-])(?<!eos[_-])(?<!bos[_-])(?<!unk[_-])(?<!sep[_-])(?<!cls[_-])(?<!mask[_-])token(?![a-z])"
    r"|secret|passw(or)?d|passphrase|credential|(api|access|private)[_-]?key"
)
"""Options and variables whose values are not kept; `--tokenizer`, `--max-tokens`, `--pad-token` are settings of a model."""
_USER = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""Name and password in an address."""
HIDDEN = "…"


def command_line(argv: Sequence[str] | None = None) -> list[str]:
    """The command line without what looks secret."""
    words = [as_text(word) for word in (sys.argv if argv is None else argv)]
    return [_program(words[0]), *blotted(words[1:])] if words else []


def _program(path: str) -> str:
    """The program as a user types it: `python -m dlprof` is dlprof."""
    name = Path(path).name
    return "dlprof" if name == "__main__.py" else name


def is_secret(name: str) -> bool:
    """Whether a variable or option of that name looks as if it held a secret."""
    return _SECRET.search(name) is not None


def blotted(words: Iterable[str]) -> list[str]:
    """Words of a command line without the values of what looks secret: `--api-key=x`, `--api-key x`, `HF_TOKEN=x`, and
    `https://name:word@host`; also where a word is itself a command. No option of dlprof takes a secret, but a script's may."""
    found: list[str] = []
    hides = False
    for word in words:
        key, equals, _ = word.partition("=")
        is_command = any(map(str.isspace, word)) and not word.startswith("-")
        if hides and not word.startswith("-"):
            found.append(HIDDEN)
        elif is_command:
            found.append(_blotted_command(word))
        elif equals and is_secret(key):
            found.append(f"{key}={HIDDEN}")
        else:
            found.append(_USER.sub(HIDDEN, word))
        hides = not equals and word.startswith("-") and is_secret(word)
    return found


def _blotted_command(text: str) -> str:
    """A word that is a command, as it was typed if there is nothing to hide; else as a shell would take it."""
    try:
        words = shlex.split(text)
    except ValueError:  # a text with an apostrophe, and no command
        words = text.split()
    hidden = blotted(words) if words != [text] else words
    return text if hidden == words else shlex.join(hidden)
