"""Going on with a comparison of workloads that was interrupted or ran out of time: its options and conditions, checked."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dlprof.api.compare.side_facts import side_facts
from dlprof.api.lockstep.going_on import SCRIPTS, asked_before, held, must_be, refuse_others
from dlprof.api.lockstep.measured import Measured
from dlprof.api.options import CompareOptions, RunOptions
from dlprof.api.sides import SideSpec
from dlprof.errors import UsageError
from dlprof.names import pairs_of
from dlprof.store import MANIFEST_FILE, Capture
from dlprof.stored_files import typed
from dlprof.workload import Workload


def options(path: Path, asked: CompareOptions, default: CompareOptions) -> CompareOptions:
    """The options of the comparison at `path`, with the budget, the gate and the place of this session.

    asked: the command line; default: the same without any option. Raises `UsageError` where an option was given and
    differs from what the comparison was made with, or where it cannot be gone on with; `StoreError` where nothing is there.
    """
    path, stated = asked_before(path, asked.output)
    if SCRIPTS in stated:
        raise UsageError(
            f"{path} compares two scripts, programs that would be run again",
            hint="to confirm that they may, repeat them: --a 'python …' --b 'python …'",
        )
    made = typed(stated, CompareOptions, path / MANIFEST_FILE, "$.options.asked")
    refuse_others(path, asked.absolute(), default.absolute(), made)
    _confirmed(path, asked.absolute().run, made.run)
    time_s = asked.budget_s if asked.budget_s != default.budget_s else None
    return dataclasses.replace(made, output=path, gate=asked.gate, limits=asked.limits, resume=path, time_s=time_s)


def _confirmed(path: Path, asked: RunOptions, before: RunOptions) -> None:
    """A directory may come from anybody: a program that it names runs only where the command line names it too."""
    for word, named, made in (("--python", asked.python, before.python), ("--calls", asked.calls, before.calls)):
        if made is not None and named != made:
            raise UsageError(
                f"{path} was made with {word} {made}, a program that would be run again",
                hint=f"to confirm that it may, repeat it: {word} {shlex.quote(str(made))}",
            )


def measured(
    source: Path, sides: Mapping[str, SideSpec], workloads: Mapping[str, Workload]
) -> tuple[Measured, list[str]]:
    """What the comparison at `source` holds, and its warnings but for those on how it ended.

    Raises `UsageError` where the sides, the workload or the machine are not those of the first session.
    """
    before = Capture.open(source)
    for what, was, now in _conditions(before, sides, workloads):
        must_be(source, what, was, now)
    return held(before, pairs_of(sides))


def _conditions(
    before: Capture, sides: Mapping[str, SideSpec], workloads: Mapping[str, Workload]
) -> Iterator[tuple[str, Any, Any]]:
    """(what, as it was, as it is)."""
    for name, spec in sides.items():
        yield f"side {name.upper()}", before.manifest.sides[name], side_facts(spec)
        now = msgspec.json.decode(msgspec.json.encode(workloads[name].description))
        yield "the workload", before.manifest.workload[name], now
