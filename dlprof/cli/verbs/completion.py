"""`dlprof completion`: what makes a shell complete dlprof's command lines."""

from __future__ import annotations

import argparse

EXAMPLES = """examples:
  source <(dlprof completion bash)                                             for this shell
  dlprof completion bash > ~/.local/share/bash-completion/completions/dlprof
  dlprof completion zsh > "${fpath[1]}/_dlprof"
  dlprof completion fish > ~/.config/fish/completions/dlprof.fish"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="which shell")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.cli import completion
    from dlprof.cli.output import deliver

    deliver(completion.script(arguments.shell), None)
    return 0
