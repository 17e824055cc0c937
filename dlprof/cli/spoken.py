"""The command line as data: its verbs with their options, read off the parsers, for completion and the manual page."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from dlprof.cli.main import VERBS, build_parser


@dataclass(frozen=True, slots=True)
class Option:
    """An option or a positional argument.

    names: `--format`, `-o`; none of a positional argument
    value: what it takes, such as FILE; '' for a flag
    choices: the values that it may have, where these are few
    files: whether its value is, or may be, the name of a file or folder (a workload is either)
    """

    names: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    files: bool
    help: str


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb with its options, usage and examples."""

    name: str
    summary: str
    usage: str
    options: tuple[Option, ...]
    examples: str


_FILES = ("FILE", "DIR", "PATH", "TRACE", "STUDY", "A", "B", "WORKLOAD")
"""What metavars of files and folders begin with."""


def verbs() -> list[Verb]:
    """All of them, in the order of the help."""
    return [_verb(name, summary) for name, (_, summary) in VERBS.items()]


def _verb(name: str, summary: str) -> Verb:
    parser = build_parser(name).verb
    options = tuple(_option(parser, action) for action in parser._actions if action.help != argparse.SUPPRESS)
    return Verb(name, summary, parser.format_usage().removeprefix("usage: ").strip(), options, parser.epilog or "")


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Option:
    takes = action.nargs != 0
    choices = tuple(map(str, action.choices)) if action.choices else ()
    if action.metavar == "WORKLOAD":
        from dlprof import workload

        return Option((), "WORKLOAD", tuple(workload.names()), True, action.help or "")
    metavar = action.metavar[0] if isinstance(action.metavar, tuple) else action.metavar
    value = (metavar or ("|".join(choices) if choices else action.dest.upper())) if takes else ""
    said = (action.help or "").replace("%%", "%").replace("%(prog)s", parser.prog)
    files = takes and not choices and (value.split(".")[0].rstrip("…") in _FILES or value.startswith(_FILES[:5]))
    return Option(tuple(action.option_strings), value, choices, files, said)
