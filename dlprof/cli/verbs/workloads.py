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
    from dlprof.report.text.layout import paragraph

    shown = [workload.load(name) for name in ([arguments.name] if arguments.name else workload.names())]
    width = max(len(loaded.name) for loaded in shown)
    for loaded in shown:
        for part in paragraph(loaded.title, first=f"{loaded.name:{width}}  ", rest=f"{'':{width}}  "):
            line(part)
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
