"""Entry point: parses the command line, runs one verb, prints an error once, returns the exit code.

Verbs are imported when chosen: `dlprof --help` must not pay for pyarrow or scipy.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn, cast

from dlprof.cli import defaults, help_layout, suggest
from dlprof.cli.signals import as_interrupts
from dlprof.cli.terminal import Manner, columns, in_manner, line, say
from dlprof.errors import DlprofError, of_system
from dlprof.report.text.layout import at_width
from dlprof.version import __version__

# verb → (module, one line of help). Order = order of `dlprof --help`.
VERBS: Final = {
    "compare": ("compare", "run a workload on two sides in lockstep and say which is faster, how surely, and why"),
    "gate": ("gate", "say whether a script or a side is too slow against a base that runs beside it, for builds"),
    "bisect": (
        "bisect",
        "find the commit, or the release of a package or framework, that made a script or workload slower",
    ),
    "baseline": ("baseline", "keep comparisons and calibrations of revisions, for `dlprof history`"),
    "history": ("history", "show how a figure went from revision to revision, and where its level changed"),
    "run": ("run", "run a study: many comparisons or captures that one file declares"),
    "calibrate": ("calibrate", "measure how far verdicts can be trusted on this machine"),
    "capture": ("capture", "run a workload once under a framework's own profiler"),
    "diff": ("diff", "compare two recorded traces or captures, of either framework"),
    "ranks": ("ranks", "say which rank of a distributed job holds up the others, by how much, and in what"),
    "show": ("show", "break one trace down by op, kernel, layer, phase, step or device"),
    "report": ("report", "write one HTML page: verdict, waterfall, tables, timelines"),
    "plot": ("plot", "draw one figure as a file"),
    "view": ("view", "look at a result: its report page on loopback, or TensorBoard"),
    "import": ("import_", "read trace files into a capture directory"),
    "verify": ("verify", "compute a result anew from its stored tables, and compare with what it states"),
    "export": ("export", "write a result for Perfetto/Chrome, TensorBoard, Parquet, CSV or JSON"),
    "env": ("env", "list, create or remove framework environments"),
    "doctor": ("doctor", "say what works on this machine, what is missing and how to mend it"),
    "workloads": ("workloads", "list the workloads, their presets and settings"),
    "frameworks": ("frameworks", "list the frameworks, their versions and modes"),
    "mcp": ("mcp", "answer an assistant's questions about results and traces (Model Context Protocol)"),
    "completion": ("completion", "print what makes bash, zsh or fish complete dlprof's command lines"),
    "help": ("help", "explain a verb, or a word of the reports (dlprof help glossary)"),
}

EPILOG: Final = """examples:
  dlprof diff traces/lenet-tf-exact traces/lenet-mxnet-exact
                                                two recordings that come with the sources, in seconds
  dlprof compare lenet                          TensorFlow against MXNet, with their defaults
  dlprof compare lenet --a tf:graph --b tf:eager
  dlprof capture lenet --framework tf -o my-capture
  dlprof diff profile.json host.xplane.pb       two raw traces, no framework needed
  dlprof show my-capture --by layer

`dlprof VERB --help` explains a verb. Exit codes: 0 ok, 1 failed, 2 usage, 3 regression and 4 inconclusive (only
where a gate is asked for), 5 not comparable, 130 interrupted."""


class Parser(argparse.ArgumentParser):
    """argparse in dlprof's manner: an error is one line and a hint, exit code 2.

    verb: the parser of the verb that was asked for; itself where none was
    """

    verb: argparse.ArgumentParser

    def error(self, message: str) -> NoReturn:
        told, meant = suggest.of_choice(message)
        print_error(told, f"{meant}{' ' if meant else ''}{self.prog} --help shows what can be said")
        raise SystemExit(2)

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Words that nothing knows: an error, with the option that may have been meant."""
        from dlprof.frameworks import registry

        elsewhere = {name: _options(build_parser(name).verb) for name in VERBS}
        meant = suggest.of_words(self.prog.rpartition(" ")[2], unknown, registry())
        meant = meant or suggest.of_options(unknown, _options(self), elsewhere)
        told = f"unrecognized arguments: {' '.join(unknown)}"
        print_error(told, f"{meant or ''}{' ' if meant else ''}{self.prog} --help shows what can be said")
        raise SystemExit(2)


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _open_closed_streams()
    try:
        with as_interrupts():
            return _run(words)
    except DlprofError as error:
        print_error(error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted", None)
        return 130
    except BrokenPipeError:
        # The reader (head, less) went away: not an error, and no verb that gets here has an answer in its exit code (those show
        # it with output.though_unread). Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        refused = of_system(error)
        if refused is None:
            return _internal(error)
        print_error(refused.message, refused.hint)
        return refused.exit_code
    except Exception as error:  # noqa: BLE001  the last door: no traceback reaches a user, and none is lost
        return _internal(error)


def _open_closed_streams() -> None:
    """A shell may start a program with its output closed (`>&-`); what it says then goes nowhere, and is no error."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  for as long as the program runs
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


class _Version(argparse.Action):
    """Prints the version and, asked for only then, the trace reader; ends the program."""

    def __call__(self, *_: object, **__: object) -> NoReturn:
        from dlprof.native import library

        line(f"dlprof {__version__}")
        line(f"trace reader: {library.statement()}")
        raise SystemExit(0)


def build_parser(verb: str | None = None) -> Parser:
    """The parser; with the arguments of `verb` only (each verb's module is imported only when it is the one asked for)."""
    parser = Parser(
        prog="dlprof",
        description="Which deep-learning framework is faster, by how much, how sure that is, and why.",
        epilog=EPILOG,
        formatter_class=help_layout.Layout,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and which trace reader is active")
    parser.verb = parser
    made = cast("type[Parser]", functools.partial(_parser_of, verb, Parser(prog="dlprof", add_help=False)))
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=made)
    for name, (module, summary) in VERBS.items():
        sub = verbs.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=help_layout.Layout,
        )
        if name == verb:
            loaded = importlib.import_module(f"dlprof.cli.verbs.{module}")
            sub.epilog = loaded.EXAMPLES
            loaded.add_arguments(sub)
            _add_manner(sub)
            sub.set_defaults(run=loaded.run)
            parser.verb = sub
    return parser


def _parser_of(verb: str | None, other: Parser, **options: Any) -> Parser:
    """A parser for the verb that is asked for; argparse gets the same idle one for all others, of which it needs the names alone:
    each that is made looks for translations on the disk."""
    return Parser(**options) if options["prog"].split()[-1] == verb else other


def _add_manner(parser: argparse.ArgumentParser) -> None:
    """What every verb has."""
    group = parser.add_argument_group("how it speaks")
    group.add_argument(
        "-v", "--verbose", action="store_true", help="nothing folded in reports, every detail of progress"
    )
    group.add_argument(
        "-q", "--quiet", action="store_true", help="no progress on standard error, only errors and results"
    )
    group.add_argument(
        "--progress",
        choices=["text", "jsonl"],
        default="text",
        help="jsonl: progress as one JSON object a line, on standard error",
    )
    group.add_argument(
        "--isolated", action="store_true", help="take no defaults from DLPROF_… variables and pyproject.toml"
    )


def print_error(message: str, hint: str | None) -> None:
    """`error: …` and `hint: …` on standard error."""
    say(f"error: {message}")
    if hint:
        say(f"hint: {hint}")


def _run(words: list[str]) -> int:
    if not words:
        words = ["help"]
    verb = next((word for word in words if not word.startswith("-")), None)
    parser = build_parser(verb)
    before = list(_before_command(verb, words))
    if verb is None and not any(option.startswith(word) for word in words for option in _options(parser)):
        parser.refuse(words)
    if verb in VERBS:
        added, told = defaults.of(verb, parser.verb, before)
        at = before.index(verb) + 1
        before[at:at] = added
        if told and not {"-q", "--quiet"} & set(before):
            say(told)
    arguments, unknown = parser.parse_known_args(before)
    if unknown:
        assert isinstance(parser.verb, Parser)
        parser.verb.refuse(unknown)
    arguments.command = words[words.index("--") + 1 :] if _has_command(verb, words) else None
    with in_manner(Manner(arguments.quiet, arguments.verbose, arguments.progress)), at_width(columns()):
        code: int = arguments.run(arguments)
    sys.stdout.flush()
    return code


def _has_command(verb: str | None, words: Sequence[str]) -> bool:
    """Whether another program's command line follows `--`."""
    return verb in ("capture", "gate", "bisect") and "--" in words


def _before_command(verb: str | None, words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if _has_command(verb, words) else words


def _internal(error: BaseException) -> int:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="dlprof-error-", suffix=".txt", delete=False) as file:
        file.write(f"dlprof {__version__} on Python {sys.version}\ncommand: {sys.argv}\n\n")
        file.write("".join(traceback.format_exception(error)))
    print_error(
        f"dlprof itself failed: {type(error).__name__}: {error}", f"this is a bug; please report it with {file.name}"
    )
    return 1
