"""`dlprof doctor`: what works on this machine, what is missing, and how to mend it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from dlprof.cli.terminal import line

EXAMPLES = """example:
  dlprof doctor"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 when something that every comparison needs is missing."""
    from dlprof.cli.output import though_unread

    del arguments
    needed_missing = False
    for needed, name, probe in _CHECKS:
        for good, text, remedy in probe():
            mark = "note   " if good is None else "ok     " if good else "MISSING" if needed else "absent "
            needed_missing |= needed and good is False
            with though_unread():
                line(f"{mark} {name}: {text}")
                if good is False and remedy:
                    line(f"        → {remedy}")
    return 1 if needed_missing else 0


Finding = tuple[bool | None, str, str]
"""Whether it is well (None: merely told), what was found, how to mend it."""


def _uv() -> Iterator[Finding]:
    import uv

    try:
        yield True, uv.find_uv_bin(), ""
    except FileNotFoundError:
        yield False, "the uv program is not in this environment", "python3 -m pip install --force-reinstall uv"


def _machine() -> Iterator[Finding]:
    from dlprof.capture.machine import provenance

    facts = provenance.machine()
    load = facts.load[0] if facts.load else 0.0
    yield True, f"{facts.cpu or 'unknown CPU'}, {facts.cores_usable or facts.cores_logical} cores", ""
    busy = load > 0.5 * (facts.cores_usable or 1)
    yield not busy, f"load {load:.2f} over the last minute", "other programs disturb measurements; wait or stop them"
    if facts.governor and facts.governor != "performance":
        yield (
            False,
            f"CPU frequency governor {facts.governor}",
            "cpupower frequency-set -g performance steadies the clock",
        )


def _reader() -> Iterator[Finding]:
    from dlprof.errors import UsageError
    from dlprof.native import library

    try:
        yield library.functions() is not None or None, library.statement(), ""
    except UsageError as failure:
        yield False, failure.message, failure.hint or ""


def _cache() -> Iterator[Finding]:
    import os
    import shutil

    from dlprof.capture.environments.cache import cache_dir

    folder = cache_dir()
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    yield writable, f"{folder}", "set DLPROF_CACHE to a folder you may write to"
    yield (
        free > 4 << 30,
        f"{free / (1 << 30):.1f} GiB free there",
        "an environment takes up to 2 GiB; set DLPROF_CACHE elsewhere",
    )


def _environments() -> Iterator[Finding]:
    from dlprof.capture.environments.env_store import EnvStore

    made = EnvStore().list()
    for environment in made:
        yield True, f"{environment.name} (Python {environment.python_version})", ""
    if not made:
        yield False, "none yet", "made on first use, or now: dlprof env create tf mxnet"


def _pythons() -> Iterator[Finding]:
    from dlprof.capture.environments import pythons
    from dlprof.frameworks import registry

    wanted: dict[str, list[str]] = {}
    for framework in registry().values():
        for version in framework.versions:
            usual = framework.env(version, "cpu")
            for spec in (usual, *usual.alternatives):
                wanted.setdefault(spec.python, []).append(f"{framework.name} {version}")
    for version, users in sorted(wanted.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        found = pythons.find(version)
        where = str(found) if found else "not on this machine"
        yield (
            found is not None,
            f"{version} for {', '.join(users)}: {where}",
            "uv downloads it on first use where the network allows",
        )


def _tools() -> Iterator[Finding]:
    from dlprof.capture.machine import tools
    from dlprof.frameworks import registry

    for framework in registry().values():
        for mode, tool in framework.env(framework.default_version, "cpu").tools.items():
            path = tools.found(tool)
            where = path or f"no {' or '.join(tool.programs)} on PATH"
            yield path is not None, f"for mode {mode} of {framework.label} ({tool.why}): {where}", tool.remedy


def _gpu() -> Iterator[Finding]:
    from dlprof.capture.environments.env_store import EnvStore
    from dlprof.capture.machine import gpu_check
    from dlprof.errors import Unsupported
    from dlprof.frameworks import registry

    specs = []
    for framework in registry().values():
        try:
            specs.append(framework.env(framework.default_version, "gpu"))
        except Unsupported as failure:
            yield False, failure.message, failure.hint or ""
    for found in gpu_check.check(specs, EnvStore().list()):
        yield found.good, found.text, found.remedy


_CHECKS: tuple[tuple[bool, str, Callable[[], Iterator[Finding]]], ...] = (
    (True, "uv", _uv),
    (True, "cache", _cache),
    (False, "trace reader", _reader),
    (False, "machine", _machine),
    (False, "environments", _environments),
    (False, "Python", _pythons),
    (False, "compiler", _tools),
    (False, "GPU", _gpu),
)
