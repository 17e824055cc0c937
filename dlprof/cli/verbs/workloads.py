"""`dlprof workloads`: what can be run, with presets and settings."""

from __future__ import annotations

import argparse

from dlprof.cli.terminal import line

EXAMPLES = """examples:
  dlprof workloads
  dlprof workloads lenet"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="WORKLOAD", help="show one in full")


def run(arguments: argparse.Namespace) -> int:
    from dlprof import workload
    from dlprof.api.lockstep import items

    for name in [arguments.name] if arguments.name else workload.names():
        loaded = workload.load(name)
        line(f"{name:12} {loaded.title}")
        if loaded.presets:
            line(f"{'':12} presets: {', '.join(loaded.presets)}")
        if arguments.name:
            for setting in loaded.settings.values():
                line(f"{'':12} --set {setting.describe()}")
            for task in loaded.description.get("tasks", []):
                line(f"{'':12} task {task['name']} ({task['op']})")
            for framework, alone in items.unmatched(loaded).items():
                line(f"{'':12} only {framework}: {', '.join(alone)}")
    return 0
