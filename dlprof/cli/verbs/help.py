"""`dlprof help`: what a verb does, or what a word of the reports means."""

from __future__ import annotations

import argparse

EXAMPLES = """examples:
  dlprof help                             all verbs
  dlprof help compare                     as dlprof compare --help
  dlprof help glossary                    the words of the reports
  dlprof help lockstep                    one of them
  dlprof help --man > dlprof.1            everything as a manual page: man ./dlprof.1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", nargs="*", metavar="VERB|TERM", help="a verb, `glossary`, or a term of it")
    parser.add_argument("--man", action="store_true", help="print the manual page (troff)")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.cli import main
    from dlprof.cli.output import deliver
    from dlprof.cli.suggest import suggestion
    from dlprof.errors import UsageError
    from dlprof.report import glossary

    if arguments.man:
        from dlprof.cli import manual

        deliver(manual.page(), None)
        return 0
    word = " ".join(arguments.word)
    if not word:
        deliver(main.build_parser().format_help(), None)
    elif word in main.VERBS:
        deliver(main.build_parser(word).verb.format_help(), None)
    elif word == "glossary":
        deliver("\n".join(map(glossary.text, glossary.TERMS)) + "\n", None)
    elif word.lower() in glossary.TERMS:
        deliver(glossary.text(word.lower()) + "\n", None)
    else:
        known = [*main.VERBS, *glossary.TERMS, "glossary"]
        raise UsageError(
            f"help {word}: no such verb or term",
            hint=suggestion(word, known) or "dlprof help lists the verbs, dlprof help glossary the terms",
        )
    return 0
