"""`dlprof frameworks`: which frameworks, versions and modes can be run."""

from __future__ import annotations

import argparse

from dlprof.cli.terminal import line

EXAMPLES = """example:
  dlprof frameworks"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(arguments: argparse.Namespace) -> int:
    from dlprof.frameworks import registry

    del arguments
    for framework in registry().values():
        also = f"; also: {', '.join(framework.aliases)}" if framework.aliases else ""
        line(f"{framework.name:8} {framework.label}{also}")
        line(f"{'':8} modes: {', '.join(framework.modes)} (default {framework.modes[0]})")
        line(f"{'':8} locked versions: {', '.join(framework.versions)} (default {framework.default_version})")
    line("A version that is not listed is resolved on the fly, with a warning.")
    return 0
