"""Defaults of a user or project: `DLPROF_BUDGET=10m`, or `budget = "10m"` under [tool.dlprof] in pyproject.toml.

They become words in front of those that were typed, so that the parser checks them as the others, and what is typed wins.
A pyproject.toml may be anybody's, for it is that of the folder one happens to be in. So only options that choose what is measured
how long and how it is shown can stand there: none that names a program, a command or a file, lets something run or be
replaced, or lets a difference in the work stand. What is taken from it is said on standard error.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dlprof.errors import UsageError

OPTIONS: Final = frozenset(
    {
        *("format", "brief", "rows", "by", "where", "verbose", "quiet", "progress", "kind"),
        *("budget", "time", "trials", "precision", "margin", "traces", "gate", "max-slowdown", "timeout"),
        *("preset", "batch-size", "epochs", "device", "threads", "max-steps", "seed", "no-reasons", "frameworks"),
    }
)
"""Options that have a default of this kind."""
_PREFIX: Final = "DLPROF_"
_FILE: Final = "pyproject.toml"
_MOST: Final = 4 << 20
"""Bytes of a pyproject.toml that is looked at."""
_LARGEST: Final = 10**18
"""No option takes a larger number; one of thousands of digits cannot even be written out."""
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("", "0", "false", "no", "off")


def words(
    verb: str, parser: argparse.ArgumentParser, environ: Mapping[str, str], folder: Path
) -> tuple[list[str], str]:
    """The words to put in front of what was typed, and what is to be said of them ('' for nothing).

    A variable goes before the file, and there [tool.dlprof.VERB] before [tool.dlprof]. Raises `UsageError` for what cannot be.
    """
    actions = {name: action for name, action in _options(parser) if name in OPTIONS}
    file, table = _table(folder)
    general = {name: value for name, value in table.items() if not isinstance(value, dict)}
    own = table.get(verb, {})
    _check(file, {**general, **(own if isinstance(own, dict) else {verb: own})})
    chosen: dict[str, str] = {}
    for name, action in actions.items():
        variable = _PREFIX + name.upper().replace("-", "_")
        if environ.get(variable):
            chosen[name] = _word(name, action, environ[variable], variable)
        elif name in own or name in general:
            chosen[name] = _word(name, action, own.get(name, general.get(name)), f"{file}: {name}")
    said = [
        chosen[name] for name in chosen if not environ.get(_PREFIX + name.upper().replace("-", "_")) and chosen[name]
    ]
    return [word for word in chosen.values() if word], f"from {file}: {' '.join(said)}" if said else ""


def _options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        for option in action.option_strings:
            if option.startswith("--"):
                yield option.removeprefix("--"), action


def _word(name: str, action: argparse.Action, value: Any, where: str) -> str:
    """`--budget=10m`; of a flag `--quiet`, or '' where it is off."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise UsageError(f"{where}: a number too large for --{name}", hint="write a smaller one")
    if action.nargs == 0:
        text = str(value).lower()
        if text not in _TRUE + _FALSE:
            raise UsageError(f"{where}: {value!r} is neither true nor false", hint="write true or false")
        return f"--{name}" if text in _TRUE else ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{where}: not a value of --{name}", hint=f'write it like {name} = "…"')
    return f"--{name}={value}"


def _check(file: Path | None, given: Mapping[str, Any]) -> None:
    """That only options stand there which may. Raises `UsageError`."""
    from dlprof.cli.suggest import suggestion

    for name in given:
        if name not in OPTIONS:
            close = suggestion(name, OPTIONS)
            raise UsageError(
                f"{file}: [tool.dlprof] {name}: no option that may stand there",
                hint=close
                or "options that name programs or files, or allow something, are taken from the command line alone",
            )


def _table(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """The nearest pyproject.toml that has a [tool.dlprof], of the folder and those above it, and that table."""
    for place in (folder, *folder.parents):
        file = place / _FILE
        try:
            if not file.is_file() or file.stat().st_size > _MOST:
                continue
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # nobody asked for it, so that it cannot be read is no error
        if "tool.dlprof" not in text:
            continue
        try:
            tools = tomllib.loads(text).get("tool")
        except (ValueError, RecursionError) as error:  # not TOML, or a number of thousands of digits
            raise UsageError(f"{file}: not TOML: {error}", hint="mend it, or say --isolated to leave it out") from None
        table = tools.get("dlprof") if isinstance(tools, dict) else None
        if isinstance(table, dict):
            return file, table
    return None, {}


def of(verb: str, parser: argparse.ArgumentParser, typed: Sequence[str]) -> tuple[list[str], str]:
    """`words` of this process; none where the command line says --isolated, or goes on with a run that has its own options."""
    if any(word == "--isolated" or word.partition("=")[0] == "--resume" for word in typed):
        return [], ""
    return words(verb, parser, os.environ, Path.cwd())
