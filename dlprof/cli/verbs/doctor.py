"""`dlprof doctor`: what works on this machine, what is missing, and how to mend it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

from dlprof.cli.terminal import line

EXAMPLES = """example:
  dlprof doctor"""

State = Literal["ok", "warn", "absent", "note"]
"""ok: there, and as it should be; warn: there, but not as it should be; absent: not there; note: merely told."""

Finding = tuple[State, str, str]
"""How it is, what was found, how to mend it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 when something that every comparison needs is missing."""
    from dlprof.cli.output import though_unread

    del arguments
    counts: Counter[str] = Counter()
    with though_unread():
        for needed, name, probe in _CHECKS:
            for state, text, remedy in probe():
                mark = "MISSING" if needed and state == "absent" else state
                counts[mark] += 1
                line(f"{mark:7} {name}: {text}")
                if state in ("warn", "absent") and remedy:
                    line(f"        → {remedy}")
        line(_sum(counts))
    return 1 if counts["MISSING"] else 0


def _sum(counts: Mapping[str, int]) -> str:
    """The answer in a line."""
    if counts.get("MISSING"):
        return f"{counts['MISSING']} of what every comparison needs is missing."
    said = ["What every comparison needs is here"]
    if counts.get("warn"):
        said.append(f"{counts['warn']} warning{'' if counts['warn'] == 1 else 's'}")
    if counts.get("absent"):
        said.append(f"{counts['absent']} absent, which only what is named beside each needs")
    return "; ".join(said) + "."


def _uv() -> Iterator[Finding]:
    import uv

    try:
        yield "ok", uv.find_uv_bin(), ""
    except FileNotFoundError:
        yield "absent", "the uv program is not in this environment", "python3 -m pip install --force-reinstall uv"


def _machine() -> Iterator[Finding]:
    from dlprof.capture.machine import provenance
    from dlprof.units import counted

    facts = provenance.machine()
    load = facts.load[0] if facts.load else 0.0
    cores = facts.cores_usable or facts.cores_logical
    number = counted(cores, "core") if cores else "an unknown number of cores"
    yield "ok", f"{facts.cpu or 'unknown CPU'}, {number}", ""
    busy = load > 0.5 * (facts.cores_usable or 1)
    yield (
        "warn" if busy else "ok",
        f"load {load:.2f} over the last minute",
        "other programs disturb measurements; wait or stop them",
    )
    if facts.governor and facts.governor != "performance":
        yield (
            "warn",
            f"CPU frequency governor {facts.governor}",
            "cpupower frequency-set -g performance steadies the clock",
        )


def _reader() -> Iterator[Finding]:
    from dlprof.errors import UsageError
    from dlprof.native import library

    try:
        yield "note" if library.functions() is None else "ok", library.statement(), ""
    except UsageError as failure:
        yield "warn", failure.message, failure.hint or ""


def _cache() -> Iterator[Finding]:
    import os
    import shutil

    from dlprof.capture.environments.cache import cache_dir

    folder = cache_dir()
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    yield (
        "ok" if writable else "absent",
        f"{folder}" if writable else f"{folder} cannot be written",
        "set DLPROF_CACHE to a folder you may write to",
    )
    yield (
        "ok" if free > 4 << 30 else "warn",
        f"{free / (1 << 30):.1f} GiB free there",
        "an environment takes up to 2 GiB; set DLPROF_CACHE elsewhere",
    )


def _environments() -> Iterator[Finding]:
    from dlprof.capture.environments.env_store import EnvStore

    made = EnvStore().list()
    for environment in made:
        yield "ok", f"{environment.name} (Python {environment.python_version})", ""
    if not made:
        yield "note", "none yet; made on first use, or now: dlprof env create tf mxnet", ""


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
            "ok" if found else "absent",
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
            yield "ok" if path else "absent", f"for mode {mode} of {framework.label} ({tool.why}): {where}", tool.remedy


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
            yield "absent", failure.message, failure.hint or ""
    for found in gpu_check.check(specs, EnvStore().list()):
        bad: State = "absent" if found.absent else "warn"
        yield "note" if found.good is None else "ok" if found.good else bad, found.text, found.remedy


_OPTIONAL: Final = (
    ("pandas", "notebook", "findings as frames of pandas (`to_pandas`)"),
    ("polars", "notebook", "findings as frames of polars (`to_polars`)"),
    ("distributed", "dask", "`dlprof import --scheduler`, ranks read on a Dask cluster"),
    ("fsspec", "urls", "data sets of ranks at URLs"),
    ("mcp", "mcp", "`dlprof mcp`, the server for assistants"),
)
"""Packages of the optional extras: module, extra, what needs it."""


def _packages() -> Iterator[Finding]:
    from importlib.util import find_spec

    for module, extra, use in _OPTIONAL:
        there = find_spec(module) is not None
        yield "ok" if there else "absent", f"{module}, for {use}", f"python3 -m pip install 'dlprof[{extra}]'"


_CHECKS: tuple[tuple[bool, str, Callable[[], Iterator[Finding]]], ...] = (
    (True, "uv", _uv),
    (True, "cache", _cache),
    (False, "trace reader", _reader),
    (False, "machine", _machine),
    (False, "environments", _environments),
    (False, "Python", _pythons),
    (False, "compiler", _tools),
    (False, "package", _packages),
    (False, "GPU", _gpu),
)
