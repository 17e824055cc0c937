"""Completion of bash, zsh and fish, written from the parsers.

Static scripts, so that a press of Tab starts no Python. Others: argcomplete starts the program at each press, which takes a tenth
of a second, and needs a hook in the shell; shtab makes static scripts, but none for fish.
"""

from __future__ import annotations

import re

from dlprof.cli import spoken
from dlprof.cli.spoken import Option, Verb


def script(shell: str) -> str:
    """The script for a shell: bash, zsh or fish."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](spoken.verbs())


def _bash(verbs: list[Verb]) -> str:
    cases = []
    for verb in verbs:
        values = [
            f"      {'|'.join(one.names)}) {_bash_values(one)}; return ;;"
            for one in verb.options
            if one.names and one.value
        ]
        words = " ".join(name for one in verb.options for name in one.names)
        own = " ".join(choice for one in verb.options if not one.names for choice in one.choices)
        cases.append(
            f"  {verb.name})\n    case $before in\n" + "\n".join(values) + "\n    esac\n"
            f"    if [[ $word == -* ]]; then COMPREPLY=($(compgen -W '{words}' -- \"$word\"))\n"
            f'    else COMPREPLY=($(compgen -W \'{own}\' -- "$word") $(compgen -f -- "$word")); fi ;;'
        )
    names = " ".join(verb.name for verb in verbs)
    return f"""# bash completion of dlprof, from `dlprof completion bash`
_dlprof() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} verb=${{COMP_WORDS[1]}}
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W '{names} --help --version' -- "$word"))
    return
  fi
  case $verb in
{chr(10).join(cases)}
  esac
}}
complete -o filenames -F _dlprof dlprof
"""


def _bash_values(one: Option) -> str:
    if one.choices:
        return f"COMPREPLY=($(compgen -W '{' '.join(one.choices)}' -- \"$word\"))"
    return 'COMPREPLY=($(compgen -f -- "$word"))' if one.files else "COMPREPLY=()"


def _zsh(verbs: list[Verb]) -> str:
    listed = "\n".join(f"    {_quoted(f'{verb.name}:{verb.summary}')}" for verb in verbs)
    cases = []
    for verb in verbs:
        specs = [_quoted(f"{name}[{_plain(one.help)}]{_zsh_value(one)}") for one in verb.options for name in one.names]
        specs += [
            _quoted(f"*:{_plain(one.value)}:{_zsh_action(one) or '_files'}") for one in verb.options if not one.names
        ][:1]
        inner = " \\\n        ".join(specs)
        cases.append(f"    {verb.name})\n      _arguments \\\n        {inner} ;;")
    return f"""#compdef dlprof
# zsh completion of dlprof, from `dlprof completion zsh`
_dlprof() {{
  local -a verbs
  verbs=(
{listed}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
{chr(10).join(cases)}
  esac
}}
if [ "$funcstack[1]" = "_dlprof" ]; then _dlprof "$@"; else compdef _dlprof dlprof; fi
"""


def _zsh_value(one: Option) -> str:
    return f":{_plain(one.value)}:{_zsh_action(one)}" if one.value else ""


def _zsh_action(one: Option) -> str:
    return "_files" if one.files else f"({' '.join(one.choices)})" if one.choices else ""


def _fish(verbs: list[Verb]) -> str:
    lines = [
        "# fish completion of dlprof, from `dlprof completion fish`",
        "complete -c dlprof -n __fish_use_subcommand -f",
    ]
    first = "complete -c dlprof -n __fish_use_subcommand -f -a"
    lines += [f"{first} {verb.name} -d {_quoted(verb.summary)}" for verb in verbs]
    for verb in verbs:
        chosen = f"complete -c dlprof -n '__fish_seen_subcommand_from {verb.name}'"
        for one in verb.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in one.names)
            if one.choices:
                takes = f"{'-x ' if one.names else '-f '}-a {_quoted(' '.join(one.choices))}"
            else:
                takes = "-r" if one.files else "-x" if one.value else ""
            if one.names or one.choices:
                said = f"-d {_quoted(_plain(one.help))}" if one.help else ""
                lines.append(" ".join(part for part in (chosen, names, takes, said) if part))
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Help without what zsh's and fish's descriptions would act on."""
    return re.sub(r"[\[\]:'\"`$\\]", "", " ".join(text.split()))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "’") + "'"
