"""`dlprof env`: the framework environments in the user's cache."""

from __future__ import annotations

import argparse

from dlprof.cli.terminal import line

EXAMPLES = """examples:
  dlprof env list
  dlprof env create tf@2.21 mxnet
  dlprof env remove tf-2.21.0-cpu
  dlprof env clean                              what killed runs left, here, in dlprof-out and in the cache
  dlprof env clean results"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "create", "remove", "clean"])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="create: framework[@version]; remove: name as listed; clean: folders"
    )
    parser.add_argument("--device", default="cpu", help="create: cpu (default) or gpu")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.sides import parse_side
    from dlprof.capture.environments.env_store import EnvStore
    from dlprof.capture.machine import devices
    from dlprof.cli.terminal import Progress
    from dlprof.errors import UsageError

    store = EnvStore()
    if arguments.action == "list":
        for environment in store.list():
            line(f"{environment.name}\tpython {environment.python_version}\t{environment.root}")
        return 0
    if arguments.action == "clean":
        return _clean(arguments.names)
    if not arguments.names:
        raise UsageError(f"env {arguments.action} needs a name", hint="dlprof env --help has examples")
    for name in arguments.names:
        if arguments.action == "remove":
            store.remove(name)
            continue
        with Progress() as progress:
            side = parse_side(name, device=arguments.device)
            if side.device == "gpu":
                for misfit in devices.misfits(devices.require_gpu(side.index), side.env):
                    progress.say(f"warning: {misfit}")
            progress.stage(f"environment {side.env.name}")
            environment = store.ensure(side.env, progress.detail, announce=progress.say)
        line(environment.root)
    return 0


def _clean(names: list[str]) -> int:
    """Remove what killed runs left; of comparisons with finished trials only say where they are."""
    from pathlib import Path

    from dlprof.api import leftovers
    from dlprof.api.record import OUTPUT_FOLDER
    from dlprof.cli.terminal import say

    folders = [Path(name) for name in names] or [Path(), Path(OUTPUT_FOLDER)]
    cleared = [leftovers.clear(folder, say, reports=True) for folder in folders]
    in_cache = leftovers.clear_cache(say)
    if in_cache:
        say(f"removed {in_cache} leftover{'s' if in_cache > 1 else ''} of runs that were killed from the cache")
    kept = sum(len(one.kept) for one in cleared)
    print(f"{sum(one.removed for one in cleared) + in_cache} removed, {kept} kept for their finished trials")  # noqa: T201
    return 0
