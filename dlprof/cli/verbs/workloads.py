"""`dlprof workloads`: what can be run, with presets and settings."""

from __future__ import annotations

import argparse

EXAMPLES = """examples:
  dlprof workloads
  dlprof workloads lenet"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="WORKLOAD", help="show one in full")


def run(arguments: argparse.Namespace) -> int:
    from dlprof import workload
    from dlprof.api.compare import items

    for name in [arguments.name] if arguments.name else workload.names():
        loaded = workload.load(name)
        print(f"{name:12} {loaded.title}")  # noqa: T201
        if loaded.presets:
            print(f"{'':12} presets: {', '.join(loaded.presets)}")  # noqa: T201
        if arguments.name:
            for setting in loaded.settings.values():
                print(f"{'':12} --set {setting.describe()}")  # noqa: T201
            for task in loaded.description.get("tasks", []):
                print(f"{'':12} task {task['name']} ({task['op']})")  # noqa: T201
            for framework, alone in items.unmatched(loaded).items():
                print(f"{'':12} only {framework}: {', '.join(alone)}")  # noqa: T201
    return 0
