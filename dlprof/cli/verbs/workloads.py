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

    shown = [arguments.name] if arguments.name else workload.names()
    width = max(map(len, shown))
    for name in shown:
        loaded = workload.load(name)
        line(f"{name:{width}}  {loaded.title}")
        if loaded.presets:
            line(f"{'':{width}}  presets: {', '.join(loaded.presets)}")
        if arguments.name:
            for setting in loaded.settings.values():
                line(f"{'':{width}}  --set {setting.describe()}")
            for task in loaded.description.get("tasks", []):
                line(f"{'':{width}}  task {task['name']} ({task['op']})")
            for framework, alone in items.unmatched(loaded).items():
                line(f"{'':{width}}  only {framework}: {', '.join(alone)}")
    return 0
