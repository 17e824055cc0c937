"""Help at 80 columns: no line is cut within a word, commands stay whole, and every verb has its line beside it."""

from __future__ import annotations

import re

import pytest

from dlprof.cli import help_layout
from dlprof.cli.main import VERBS, build_parser


def test_prose_is_wrapped_and_commands_are_not() -> None:
    text = "examples:\n  dlprof show a   what it was\n  dlprof diff some/long/name other/long/name   both"
    text += "\n\nExit codes: 0\nok, 1 failed"
    assert list(help_layout.laid_out(text, 34)) == [
        "examples:",
        "  dlprof show a   what it was",
        "  dlprof diff some/long/name other/long/name",
        "      both",
        "",
        "Exit codes: 0 ok, 1 failed",
    ]


def test_a_remark_on_a_line_of_its_own_comes_nearer_where_it_has_no_room() -> None:
    assert list(help_layout.laid_out(" " * 20 + "what it was and is", 24)) == ["      what it was and is"]


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_no_line_of_help_is_wider_than_the_terminal_but_commands(
    verb: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = build_parser(verb).verb.format_help().splitlines()
    # A command is copied whole, and argparse never breaks a list of choices.
    wide = [line for line in lines if len(line) > 80 and not line.lstrip().startswith(("dlprof", "source", '{"'))]
    assert [line for line in wide if not re.search(r"\{\w[\w,]+\}", line)] == []


def test_every_verb_has_its_line_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = build_parser().format_help().splitlines()
    for verb, (_, told) in VERBS.items():
        assert any(line.split()[:2] == [verb, told.split()[0]] for line in lines if line.strip()), verb
