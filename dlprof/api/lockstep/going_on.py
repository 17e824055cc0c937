"""Going on with a comparison that was interrupted or ran out of time: what it was asked for and what it holds, read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from dlprof import temporary
from dlprof.analysis.facts import Agreement, Primitives
from dlprof.api.findings import stored
from dlprof.api.lockstep.measured import Between, Measured
from dlprof.api.options import Design, RunOptions
from dlprof.capture.machine import provenance
from dlprof.capture.workers.trial import Trial
from dlprof.errors import StoreError, UsageError
from dlprof.manifest import LockstepOptions, Machine, TrialFacts, Work
from dlprof.names import SIDES, Pair
from dlprof.store import MANIFEST_FILE, Capture, taken_up
from dlprof.stored_files import typed
from dlprof.version import __version__

SCRIPTS: Final = "script"
"""Key of `options.asked` under which the manifest of a comparison of scripts says what it was asked for."""

_OF_A_SESSION: Final = ("output", "gate", "limits", "calibration", "budget_s", "resume", "time_s")
"""Options that may differ from those of the first session; a changed design (trials, margin, …) would be another test."""

_MACHINE: Final = ("cpu", "architecture", "cores_logical", "cores_usable", "memory_bytes")

_WORDS: Final = {
    "more": "--side",
    "settings": "--set",
    "workload": "WORKLOAD",
    "timeout_s": "--timeout",
    "reasons": "--no-reasons",
}


def asked_before(path: Path, output: Path | None) -> tuple[Path, Mapping[str, Any]]:
    """The place of the comparison at `path`, and what it was asked for. output: what -o says. Raises as `options`."""
    path = temporary.place_of(path) or path
    held = Capture.open(source(path)).manifest.options
    if not isinstance(held, LockstepOptions) or held.asked is None:
        raise UsageError(
            f"{path}: not a comparison that can be gone on with",
            hint="only directories that `dlprof compare` of this version wrote, by its lockstep method, can",
        )
    if output is not None and output.absolute() != path.absolute():
        raise UsageError("--resume writes to the directory that it goes on with", hint="leave -o out")
    return path, held.asked


def refuse_others(path: Path, asked: Any, default: Any, made: Any) -> None:
    """Raises `UsageError` where an option was given that is not the one the comparison was made with."""
    differing = list(_differing(asked, default, made))
    if differing:
        raise UsageError(
            f"{path} was made with other options: {'; '.join(differing)}",
            hint="leave them out, since --resume takes those of the directory; other options are another comparison",
        )


def source(path: Path) -> Path:
    """The directory to go on with: `path`, or what a killed process left of it. Raises `StoreError` where there is neither."""
    found = taken_up(path)
    if found is not None:
        return found
    if path.exists():
        Capture.open(path)
    raise StoreError(
        f"{path}: nothing is there to go on with",
        hint=f"no trial was finished: begin it with dlprof compare WORKLOAD … -o {path}",
    )


def _differing(asked: Any, default: Any, before: Any) -> Iterator[str]:
    """What was given (is not the default) and is not as stored; a default that was typed out goes unseen. What is of its kind of
    comparison comes before what all have (`Design`)."""
    shared = {field.name for field in dataclasses.fields(Design)}
    for field in sorted(dataclasses.fields(asked), key=lambda field: field.name in shared):
        given, usual, made = (getattr(one, field.name) for one in (asked, default, before))
        if isinstance(given, RunOptions):
            yield from _differing(given, usual, made)
        elif field.name not in _OF_A_SESSION and given != usual and given != made:
            word = _WORDS.get(field.name, f"--{field.name.replace('_', '-')}")
            yield f"{word} is {_shown(made)} there, {_shown(given)} here"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={one}" for key, one in value.items()) or "none"
    return "not given" if value is None else str(value)


def must_be(path: Path, what: str, was: Any, now: Any) -> None:
    """Raises `UsageError` where a condition of the trials is not that of the first ones."""
    if was != now:
        raise UsageError(
            f"{temporary.place_of(path) or path}: {what} is not that of the first trials: {_first_difference(was, now)}",
            hint="trials of different conditions cannot be one comparison; start a new one",
        )


def held(before: Capture, pairs: Sequence[Pair]) -> tuple[Measured, list[str]]:
    """What a comparison holds, and its warnings but for those on how it ended. Raises `UsageError` where the machine is
    another, or more trials could change nothing."""
    manifest, path = before.manifest, temporary.place_of(before.path) or before.path
    assert isinstance(manifest.options, LockstepOptions)
    if manifest.options.stopped == "not comparable":
        raise UsageError(f"{path}: the two sides did different work, which more trials do not change")
    must_be(path, "the machine", *(_lasting(one) for one in (manifest.machine, provenance.machine())))
    timings = before.timings() if before.has("timings.parquet") else None
    found = Measured(
        between=_between(before, manifest.options, pairs),
        trials=[_trial(row, timings) for row in manifest.trials if timings is not None],
        captures=before.captures(),
        listed=tuple(manifest.options.listed),
        sessions=list(manifest.options.sessions),
    )
    outdated = Measured(ended=manifest.options.ended, sessions=found.sessions).notes
    warnings = [text for text in manifest.warnings if text not in outdated]
    if manifest.dlprof_version != __version__:
        warnings.append(f"begun with dlprof {manifest.dlprof_version}, gone on with {__version__}")
    return found, warnings


def _between(before: Capture, options: LockstepOptions, pairs: Sequence[Pair]) -> dict[Pair, Between]:
    """What is known of the work of each pair; a directory of an older dlprof says it in comparison.json alone."""
    if isinstance(options.works, dict):
        works = {pair: options.works.get("".join(pair), Work()) for pair in pairs}
        return {pair: _typed(before, work, f"$.options.works.{''.join(pair)}") for pair, work in works.items()}
    if isinstance(options.work, Work):
        return {SIDES: _typed(before, options.work, "$.options.work")}
    held = stored.read(before)
    return {SIDES: Between(held.parity, held.facts.agreement, held.facts.primitives)}


def _typed(before: Capture, work: Work, at: str) -> Between:
    file = before.path / MANIFEST_FILE
    return Between(
        differences=tuple(work.parity),
        agreement=typed(work.agreement, Agreement, file, f"{at}.agreement") if work.agreement else None,
        primitives=typed(work.primitives, Primitives, file, f"{at}.primitives") if work.primitives else None,
    )


def _lasting(machine: Machine) -> dict[str, object]:
    """What of a machine must be the same; its GPUs' clocks and temperatures are others at every moment."""
    facts = {key: getattr(machine, key) for key in _MACHINE}
    return {**facts, "gpus": [gpu.lasting for gpu in machine.gpus or []]}


def _first_difference(was: Any, now: Any) -> str:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        key = next(key for key in [*was, *now] if was.get(key) != now.get(key))
        return f"{key}: {_first_difference(was.get(key), now.get(key))}"
    return f"{was} then, {now} now"


def _trial(held: TrialFacts, timings: pa.Table) -> Trial:
    """A finished trial of an earlier session, from its line in the manifest and its timings."""
    return Trial(
        number=held.number,
        timings=timings.filter(pc.field("trial") == held.number),
        rounds=min((count for count in held.rounds if count), default=0),
        idle=held.idle,
        machine=held.machine,
        ready={},
        not_warm=(),
        wall_s=held.wall_s,
        warnings=(),
        group_rounds=tuple(held.rounds),
        starts=held.starts or {},
        used=held.used or {},
    )
