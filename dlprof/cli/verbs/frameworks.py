"""`dlprof frameworks`: which frameworks, versions and modes can be run."""

from __future__ import annotations

import argparse

EXAMPLES = """example:
  dlprof frameworks"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(arguments: argparse.Namespace) -> int:
    from dlprof.frameworks import registry

    del arguments
    for framework in registry().values():
        print(f"{framework.name:8} {framework.label}; also: {', '.join(framework.aliases)}")  # noqa: T201
        print(f"{'':8} modes: {', '.join(framework.modes)} (default {framework.modes[0]})")  # noqa: T201
        print(f"{'':8} locked versions: {', '.join(framework.versions)} (default {framework.default_version})")  # noqa: T201
    print("A version that is not listed is resolved on the fly, with a warning.")  # noqa: T201
    return 0
