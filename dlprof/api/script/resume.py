"""Going on with a comparison of scripts that was interrupted or ran out of time."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import msgspec

from dlprof.api.lockstep import going_on
from dlprof.api.lockstep.measured import Measured
from dlprof.api.script.options import ScriptCompare
from dlprof.capture.script.command import Command
from dlprof.errors import UsageError
from dlprof.manifest import LockstepOptions, Manifest, Options
from dlprof.names import SIDES
from dlprof.store import MANIFEST_FILE, Capture
from dlprof.stored_files import typed


def stated(asked: ScriptCompare) -> dict[str, Any]:
    """What was asked for, as a manifest keeps it: without secrets."""
    told = dataclasses.replace(asked, a=asked.a.told, b=asked.b.told)
    found: dict[str, Any] = msgspec.to_builtins(told, enc_hook=str)
    return found


def options(path: Path, asked: ScriptCompare, default: ScriptCompare) -> ScriptCompare:
    """As of a comparison of workloads. A directory may come from anybody: the commands must have been repeated, and so must
    what lets them write to the user's own files. What runs is what was typed. Raises `UsageError`, `StoreError`."""
    path, held = going_on.asked_before(path, asked.output)
    if going_on.SCRIPTS not in held:
        raise UsageError(f"{path} compares frameworks, no scripts", hint="leave --a and --b out")
    made = typed(held[going_on.SCRIPTS], ScriptCompare, path / MANIFEST_FILE, f"$.options.asked.{going_on.SCRIPTS}")
    for side in SIDES:
        going_on.must_be(path, f"side {side.upper()}", str(made.commands[side]), str(asked.commands[side]))
    going_on.refuse_others(path, asked, default, made)
    if (asked.in_place, asked.links) != (made.in_place, made.links):
        raise UsageError(
            f"{path} was made with {_access(made)}, by which scripts write to your own files",
            hint=f"to confirm that they may, repeat it: {_access(made)}",
        )
    time_s = asked.budget_s if asked.budget_s != default.budget_s else None
    return dataclasses.replace(
        made,
        a=asked.a,
        b=asked.b,
        output=path,
        gate=asked.gate,
        limits=asked.limits,
        calibration=asked.calibration,
        resume=path,
        time_s=time_s,
    )


def measured(source: Path) -> tuple[Measured, list[str]]:
    """What the comparison at `source` holds, and its warnings. Raises `UsageError` where the machine is another."""
    return going_on.held(Capture.open(source), [SIDES])


def apart(manifest: Manifest[Options]) -> str:
    """Why the sides of the earlier trials were alive one after the other, '' where they were together."""
    assert isinstance(manifest.options, LockstepOptions)
    return manifest.options.apart if isinstance(manifest.options.apart, str) else ""


def words(target: Path, asked: ScriptCompare) -> str:
    """How to go on with a comparison that was stopped."""
    sides = (
        f"--{side} {shlex.quote(_typed(command))}{_more(side, command)}" for side, command in asked.commands.items()
    )
    words = [f"dlprof compare --resume {shlex.quote(str(target))}", *sides, *filter(None, [_access(asked)])]
    words += [] if asked.gate is None else [f"--gate {100 * asked.gate:g}%"]
    return f"{' '.join(words)} goes on with it"


def _access(asked: ScriptCompare) -> str:
    """The options by which scripts write to the user's own files, as they are typed."""
    links = [f"--link {shlex.quote(str(link))}" for link in asked.links]
    return " ".join([*(["--in-place"] if asked.in_place else []), *links])


def _typed(command: Command) -> str:
    """The command as it was typed after --a or --b."""
    return str(Command(command.words, command.variables))


def _more(side: str, command: Command) -> str:
    """Its other options."""
    given = [("python", command.python), ("rev", command.revision), *(("with", one) for one in command.packages)]
    return "".join(f" --{side}-{name} {shlex.quote(str(value))}" for name, value in given if value is not None)
