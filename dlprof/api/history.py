"""A history on disk: a folder with a small JSON file for each comparison or calibration that was kept.

Nothing runs for it, and in git two branches that keep something never meet in one file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from dlprof.analysis import columns, history
from dlprof.analysis.history import Entry, Figures
from dlprof.analysis.timing import beside, lockstep
from dlprof.api import calibrate
from dlprof.api.results import ComparisonResult, load_run
from dlprof.capture.script.revision import commit_of, git, uncommitted
from dlprof.errors import StoreError, UsageError
from dlprof.manifest import Machine
from dlprof.names import SIDES
from dlprof.report import json
from dlprof.report.html import figure, history_plot
from dlprof.store import Capture
from dlprof.stored_files import read_json, typed
from dlprof.temporary import atomic
from dlprof.version import __version__

FOLDER: Final = Path("dlprof-history")
"""Where it lies where nobody says otherwise: in the working folder."""

SCHEMA_VERSION: Final = 1
CALIBRATION: Final = "calibration.json"
_NAME: Final = re.compile(r"\w[\w.+-]{0,79}")
_TITLE: Final = 120


class _Head(msgspec.Struct, frozen=True):
    schema_version: int
    kind: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What `save` did. file: of the entry; new: whether it was not there; notes: what the user should know."""

    entry: Entry
    file: Path
    new: bool
    notes: tuple[str, ...] = ()


def save(folder: Path, name: str, source: Path, revision: str | None = None) -> Kept:
    """Keep a comparison's directory, or a calibration.json, under `name`.

    revision: what was measured; None: side B's commit, else that of the working folder's repository. Raises `UsageError`,
    `StoreError`.
    """
    place, notes = _place(folder, name), list[str]()
    calibrated = source.name == CALIBRATION
    entry = _of_calibration(source, revision) if calibrated else _of_comparison(source, revision, notes)
    plain = json.plain(asdict(entry))
    typed(plain, Entry, source, "what is to be kept")  # nothing is kept that could not be read
    data = json.dump({"schema_version": SCHEMA_VERSION, "kind": "history", "entry": plain})
    # By what was measured: the same comparison kept twice is one file.
    digest = hashlib.sha256(repr((entry.kind, entry.measured, entry.items)).encode()).hexdigest()[:8]
    file = place / f"{re.sub(r'[^0-9T]', '', entry.when[:19])}-{_slug(entry.revision)}-{digest}.json"
    held = next(place.glob(f"*-{digest}.json"), None)
    if held is not None and held != file:
        held.unlink()
    place.mkdir(parents=True, exist_ok=True)
    with atomic(file) as target:
        target.write_text(data, encoding="utf-8")
    return Kept(entry, file, held is None, tuple(notes))


def names(folder: Path) -> list[str]:
    """Those that something is kept under."""
    if not folder.is_dir():
        return []
    return sorted(
        one.name
        for one in folder.iterdir()
        if _NAME.fullmatch(one.name) and not one.is_symlink() and any(one.glob("*.json"))
    )


def entries(folder: Path, name: str) -> tuple[Entry, ...]:
    """All that is kept under `name`, oldest first. Raises `UsageError` where nothing is, `StoreError` for a damaged file."""
    place = _place(folder, name)
    found = [_read(file) for file in sorted(place.glob("*.json"))]
    if not found:
        known = names(folder)
        hint = f"{folder} has {', '.join(known)}" if known else "dlprof baseline save NAME COMPARISON begins one"
        raise UsageError(f"{folder}: nothing is kept under {name}", hint=hint)
    return tuple(sorted(found, key=lambda one: (one.when, one.measured)))


def read(folder: Path, name: str, *, item: str | None = None, metric: history.Metric = "ratio") -> history.History:
    """How one figure of it went. Raises as `entries`."""
    try:
        return history.of(name, entries(folder, name), item=item, metric=metric)
    except ValueError as error:
        raise UsageError(str(error), hint="dlprof baseline show NAME lists what is kept") from None


def plot(found: history.History, form: str) -> bytes:
    """The figure of it, as a file of a `figure.Format`."""
    with figure.style():
        return figure.render(history_plot.draw(found), form)  # type: ignore[arg-type]


def _place(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r}: no name for a history", hint="letters, digits, and . _ + - behind the first")
    place = folder / name
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise StoreError(
            f"{place}: a {'link' if place.is_symlink() else 'file'}, where a folder of the history should be",
            hint="remove it, or name another folder: --history",
        )
    return place


def _read(file: Path) -> Entry:
    try:
        plain: Any = read_json(file)
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}") from None
    head = typed(plain, _Head, file)
    if head.kind != "history" or head.schema_version > SCHEMA_VERSION:
        raise StoreError(f"{file}: no entry of a history that this dlprof can read", hint="upgrade dlprof")
    return typed(plain.get("entry"), Entry, file, "$.entry")


def _slug(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", text)[:24].strip("-.") or "unnamed"


def _of_comparison(source: Path, revision: str | None, notes: list[str]) -> Entry:
    capture = Capture.open(source)
    found = load_run(source) if capture.manifest.kind == "compare" else None
    if not isinstance(found, ComparisonResult) or found.timings is None or not found.items:
        raise UsageError(
            f"{source}: no comparison of two sides with trials",
            hint="name the directory of a `dlprof compare` or `dlprof gate`, or a calibration.json",
        )
    manifest, told = capture.manifest, found.found
    commits = {side: _commit(manifest.sides.get(side)) for side in SIDES}
    revision, title, when = _revision(revision, commits["b"], notes)
    order = [one.item for one in told.items]
    figures = dict(_figures(found.timings))
    more = {
        item: Figures(one.log_ratios, one.a, one.b, one.unit)
        for item, one in beside.of(manifest.trials, found.timings).items()
    }
    return Entry(
        kind="comparison",
        revision=revision,
        title=title,
        when=when or manifest.created,
        measured=manifest.created,
        base=told.a.label
        + (f" at {commits['a'][:12]}" if commits["a"] else _release(told.a.framework, told.a.version)),
        head=told.b.label,
        machine=machine_words(manifest.machine),
        items={item: figures[item] for item in order if item in figures} | more,
        verdict=told.items[0].verdict,
        gate=told.gate.state if told.gate else "",
        dlprof_version=manifest.dlprof_version,
    )


def _of_calibration(source: Path, revision: str | None) -> Entry:
    found = calibrate.read(source)
    return Entry(
        kind="calibration",
        revision=revision or found.side,
        when=found.created,
        measured=found.created,
        base=found.label,
        head=f"{found.workload}, {found.label}",
        machine=machine_words(found.machine),
        items={item: Figures(tuple(one.log_ratios)) for item, one in found.items.items()},
        dlprof_version=__version__,
    )


def _commit(side: Any) -> str:
    """The revision of a script's side; '' of what is none."""
    told = side.get("commit") if isinstance(side, dict) else None
    return told if isinstance(told, str) else ""


def _release(framework: str, version: str) -> str:
    """What tells a script's base apart that is no revision: what it ran on."""
    return "" if "unknown" in (framework, version) else f" ({framework} {version})"


def _revision(asked: str | None, commit: str, notes: list[str]) -> tuple[str, str, str]:
    """Name, title and time of what was measured; '' for what is not known. Raises `UsageError` where nobody says it."""
    here = Path.cwd()
    if asked is None and not commit:
        changed = uncommitted(here)
        if changed:
            notes.append(f"{changed}: what was measured may be another than the commit that it is kept under")
    try:
        found = commit_of(asked or commit or "HEAD", here, wrong="")
        title = git(here, "log", "-1", "--format=%s", "--end-of-options", found, "--", wrong="")
        seconds = git(here, "log", "-1", "--format=%ct", "--end-of-options", found, "--", wrong="")
    except UsageError:
        if asked or commit:
            return asked or commit, "", ""
        raise UsageError(
            "which revision was measured is not known: this is no git repository", hint="name it: --revision v1.2"
        ) from None
    shown = title.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    when = datetime.fromtimestamp(int(seconds), UTC).isoformat(timespec="seconds")
    return asked if asked and not found.startswith(asked) else found[:12], shown[:_TITLE], when


def machine_words(machine: Machine) -> str:
    """What must be the same for two figures to be of one history."""
    memory = f", {machine.memory_bytes / 2**30:.0f} GiB" if machine.memory_bytes else ""
    gpus = "".join(f", {gpu.name}" for gpu in machine.gpus or [] if gpu.name)
    return f"{machine.cpu or 'unknown processor'}, {machine.cores_usable} cores{memory}{gpus}"


def _figures(timings: pa.Table) -> Iterator[tuple[str, Figures]]:
    """Each item of a timing table, trial by trial."""
    ratios = lockstep.by_item(timings)
    item, side = columns.text(timings, "item"), columns.text(timings, "side")
    kept, trial = timings.column("kept").to_numpy(), columns.integers(timings, "trial")
    unit_ns = columns.integers(timings, "wall_ns") / np.maximum(columns.integers(timings, "units"), 1)
    for name, trials in ratios.items():
        mine = kept & item.where(name)
        usable = {number: one.log_ratio for number, one in trials.items() if np.isfinite(one.log_ratio)}
        base, head = (
            tuple(float(np.median(unit_ns[mine & side.where(letter) & (trial == number)])) for number in usable)
            for letter in SIDES
        )
        yield name, Figures(tuple(usable.values()), base, head)
