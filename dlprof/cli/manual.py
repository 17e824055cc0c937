"""The manual page (troff), from the parsers: what `dlprof help --man` prints."""

from __future__ import annotations

from dlprof.cli import spoken
from dlprof.cli.main import EPILOG
from dlprof.cli.spoken import Verb
from dlprof.report import glossary
from dlprof.version import __version__


def page() -> str:
    """The whole page."""
    lines = [
        f'.TH DLPROF 1 "" "dlprof {__version__}" "User Commands"',
        *(".SH NAME", "dlprof \\- which deep\\-learning framework is faster, by how much, how sure that is, and why"),
        *(".SH SYNOPSIS", ".B dlprof", "\\fIVERB\\fR [\\fIoptions\\fR]", ".SH VERBS"),
    ]
    verbs = spoken.verbs()
    for verb in verbs:
        lines += [f".TP\n.B {_text(verb.name)}", _text(verb.summary)]
    for verb in verbs:
        lines += _verb(verb)
    lines += [".SH EXAMPLES AND EXIT CODES", ".nf", _text(EPILOG), ".fi", ".SH GLOSSARY"]
    for term, meaning in glossary.TERMS.items():
        lines += [f".TP\n.B {_text(term)}", _text(meaning)]
    return "\n".join(lines) + "\n"


def _verb(verb: Verb) -> list[str]:
    lines = [f'.SH "DLPROF {_text(verb.name.upper())}"', _text(f"{verb.summary[0].upper()}{verb.summary[1:]}."), ".PP"]
    lines += [f".B {_text(' '.join(verb.usage.split()))}"]
    for one in verb.options:
        value = f" \\fI{_text(one.value)}\\fR" if one.value and one.names else ""
        named = ", ".join(f"\\fB{_text(name)}\\fR{value}" for name in one.names) or f"\\fI{_text(one.value)}\\fR"
        lines += [".TP", named, _text(one.help) or "\\&"]
    return [*lines, ".PP", ".nf", _text(verb.examples), ".fi"] if verb.examples else lines


def _text(text: str) -> str:
    """Text that troff takes as it is: no line of it is a request, no hyphen a dash."""
    kept = text.replace("\\", "\\e").replace("-", "\\-")
    kept = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in kept)
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in kept.splitlines())
