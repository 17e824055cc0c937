"""`dlprof mcp`: results and traces for assistants, over the Model Context Protocol on standard input and output."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  dlprof mcp                              the working folder
  dlprof mcp dlprof-out traces            these folders, and nothing else

An assistant's configuration names the command, such as
  {"mcpServers": {"dlprof": {"command": "dlprof", "args": ["mcp", "RESULTS"]}}}
Its tools (load, diff, show, verify, explain, glossary) only read; nothing is run. Needs dlprof[mcp]."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="*",
        type=Path,
        default=[Path()],
        metavar="DIR",
        help="what may be read (default: the working folder)",
    )


def run(arguments: argparse.Namespace) -> int:
    from dlprof.errors import Unsupported

    try:
        import mcp  # noqa: F401  looked for here, so that what else is missing is not taken for it
    except ImportError:
        raise Unsupported("the protocol's SDK is not installed", hint="python3 -m pip install 'dlprof[mcp]'") from None
    from dlprof.cli import assistant

    assistant.serve(arguments.folder)
    return 0
