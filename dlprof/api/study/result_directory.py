"""A study's directory: study.json kept up to date, cells that were finished before, one run at a time."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import filelock
import msgspec

from dlprof import frameworks, temporary
from dlprof.api import leftovers
from dlprof.api.findings import stored
from dlprof.api.import_traces import now
from dlprof.api.study.plan import Plan
from dlprof.capture.machine import provenance
from dlprof.errors import StoreError, UsageError
from dlprof.manifest import LockstepOptions, Machine
from dlprof.store import MANIFEST_FILE, RANKING_FILE, Capture
from dlprof.stored_files import read_json, typed
from dlprof.study import STUDY_FILE, CellRecord, StudyRecord
from dlprof.study.record import FINISHED, SPEC_FILE, VERSION, differing
from dlprof.temporary import atomic
from dlprof.version import __version__

_NAMED_IN_ERROR: Final = 8
SAVED: Final = ".before"


class _Head(msgspec.Struct, frozen=True):
    """What of study.json says how to read the rest."""

    dlprof_version: str
    schema_version: int = VERSION


class _RankedPair(msgspec.Struct, frozen=True):
    """What of a pair in ranking.json a study tells."""

    verdict: str


class _Ranked(msgspec.Struct, frozen=True):
    """What of ranking.json a study tells."""

    statement: str
    pairs: tuple[_RankedPair, ...]


def read(path: Path) -> StudyRecord:
    """study.json of a study's directory. Raises `StoreError`."""
    file = path / STUDY_FILE
    try:
        plain = read_json(file)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{path}: not a study (no {STUDY_FILE})", hint="give what `dlprof run -o` wrote") from None
    head = typed(plain, _Head, file)
    if head.schema_version > VERSION:
        raise StoreError(
            f"{path}: written by dlprof {head.dlprof_version}, which is newer than this one", hint="upgrade dlprof"
        )
    return typed(plain, StudyRecord, file)


class Directory:
    """The directory of a study under way; made, or taken up again, by `opened`.

    elsewhere: what the machine of the run before is called, where that was another one than this; '' where it was not
    """

    def __init__(self, path: Path, record: StudyRecord, elsewhere: str = "") -> None:
        self.path = path
        self.record = record
        self.elsewhere = elsewhere

    def update(self, cell: CellRecord) -> None:
        """A cell's new state, on disk when this returns."""
        cells = [cell if one.id == cell.id else one for one in self.record.cells]
        self.record = msgspec.structs.replace(self.record, cells=cells)
        with atomic(self.path / STUDY_FILE) as file:
            file.write_bytes(self.record.encoded())

    def place(self, cell: CellRecord) -> Path:
        return self.path / cell.path


@contextlib.contextmanager
def opened(path: Path, plan: Plan) -> Iterator[Directory]:
    """The study's directory for a run, locked. What was finished there stays; leftovers of a killed run are removed.

    Raises `StoreError` where it is another study's, or another run is at work; `UsageError` where the study has changed.
    """
    if path.exists() and not (path / STUDY_FILE).is_file() and not _just_begun(path):
        raise StoreError(f"{path}: exists and is no study", hint="choose another -o")
    try:
        (path / "cells").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be made: {error.strerror}", hint="choose another -o") from None
    lock = filelock.FileLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise StoreError(f"{path}: another `dlprof run` is at work on it", hint="wait for it, or stop it") from None
    try:
        _sweep(path)
        leftovers.clear_system()
        yield _taken_up(path, plan)
    finally:
        lock.release()


def _just_begun(path: Path) -> bool:
    """Whether a folder has nothing but what a run leaves there that is killed before study.json is whole."""
    left = {one.path.name for one in temporary.left_beside(path) if one.name == STUDY_FILE}
    others = {one.name for one in path.iterdir()} - {".lock", "cells"} - left
    cells = path / "cells"
    return not others and (not cells.exists() or (cells.is_dir() and not any(cells.iterdir())))


def _taken_up(path: Path, plan: Plan) -> Directory:
    planned = [cell.record for cell in plan.cells]
    old = read(path) if (path / STUDY_FILE).is_file() else None
    if old is not None:
        _check_same(path, old, planned, quick=plan.quick)
    known = {cell.id: cell for cell in old.cells} if old else {}
    record = StudyRecord(
        name=plan.study.spec.name,
        title=plan.study.spec.title,
        spec_sha256=plan.study.sha256,
        quick=plan.quick,
        dlprof_version=__version__,
        created=old.created if old else now(),
        machine=provenance.machine(frameworks.thread_variables()),
        cells=[_found(path, known.get(cell.id, cell)) for cell in planned],
    )
    directory = Directory(path, record, _elsewhere(old.machine, record.machine) if old else "")
    with atomic(path / STUDY_FILE) as file:  # first: by it a folder is known as a study's
        file.write_bytes(record.encoded())
    _copy(path, plan)
    return directory


def _elsewhere(before: Machine, after: Machine) -> str:
    if (before.cpu, before.cores_usable) == (after.cpu, after.cores_usable):
        return ""
    return f"{before.cpu or 'unknown CPU'}, {before.cores_usable or '?'} cores"


def _copy(path: Path, plan: Plan) -> None:
    """The study file, and the workload files that lie beside or below it: the directory can be run by itself."""
    with atomic(path / SPEC_FILE) as file:
        file.write_text(plan.study.text, encoding="utf-8")
    for name in {cell.record.workload for cell in plan.cells if cell.record.workload.endswith(".toml")}:
        source, target = plan.study.path.parent / name, path / name
        if target.resolve().is_relative_to(path.resolve()) and source.resolve() != target.resolve():
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic(target) as file:
                shutil.copyfile(source, file)


def _check_same(path: Path, old: StudyRecord, planned: Sequence[CellRecord], *, quick: bool) -> None:
    if old.quick != quick:
        was, now_ = (" with --quick" if one else " without --quick" for one in (old.quick, quick))
        raise UsageError(f"{path}: was begun{was}, and this run is{now_}", hint="choose another -o")
    changed = differing(old.cells, planned)
    if not changed:
        return
    told = [f"\n  {name}: {what}" for name, what in list(changed.items())[:_NAMED_IN_ERROR]]
    more = f"\n  and {len(changed) - _NAMED_IN_ERROR} more" if len(changed) > _NAMED_IN_ERROR else ""
    raise UsageError(
        f"{path}: the study has changed since it was begun; {len(changed)} of {len(old.cells)} cells differ:"
        f"{''.join(told)}{more}",
        hint=f"choose another -o; or take back the change ({path / SPEC_FILE} is the study as it was)",
    )


def _found(path: Path, cell: CellRecord) -> CellRecord:
    """The cell as its directory says it is.

    It is done where it was killed after its directory was whole and before study.json said so; pending where that is gone.
    """
    folder = path / cell.path
    whole = (folder / MANIFEST_FILE).is_file()
    if cell.status in FINISHED and not whole:
        return msgspec.structs.replace(cell, status="pending", verdict=None, sentence=None, seconds=None, started=None)
    if cell.status == "pending" and whole and Capture.open(folder).manifest.complete:
        return msgspec.structs.replace(cell, status="done", **headline(folder))
    return cell


def headline(folder: Path) -> dict[str, Any]:
    """Verdict and sentence of what a cell left.

    Of a family of items those of the summary, and `mixed` where their verdicts differ; of more than two sides their order, and
    `mixed` where the verdicts of its pairs differ; of a capture how much was recorded.
    """
    capture = Capture.open(folder)
    manifest = capture.manifest
    if manifest.kind == "ranking":
        ranking = typed(capture.ranking(), _Ranked, folder / RANKING_FILE)
        told = {pair.verdict for pair in ranking.pairs}
        return {"verdict": told.pop() if len(told) == 1 else "mixed", "sentence": ranking.statement}
    if manifest.kind != "compare":
        events = manifest.trace.events if manifest.trace else 0
        return {"verdict": None, "sentence": f"{events} events recorded"}
    found = stored.read(capture)
    if found.facts.summary:
        verdicts = {item.verdict for item in found.items}
        return {"verdict": verdicts.pop() if len(verdicts) == 1 else "mixed", "sentence": found.facts.summary}
    return {"verdict": found.verdict, "sentence": found.items[0].sentence if found.items else "nothing was timed"}


def can_go_on(place: Path) -> bool:
    """Whether a cell left a comparison that was stopped, or killed, after some trials (api.compare.resume)."""
    if leftovers.finished_of(place) is not None:
        return True
    if not (place / MANIFEST_FILE).is_file():
        return False
    manifest = Capture.open(place).manifest
    if manifest.complete or not manifest.trials or not isinstance(manifest.options, LockstepOptions):
        return False
    return manifest.options.asked is not None


def _sweep(study: Path) -> None:
    """Removes what a killed run left under temporary names, and gives back its name to what that run had put aside.

    Finished trials stay: their cells go on with them.
    """
    for folder in (study, study / "cells"):
        for left in list(temporary.left_beside(folder)):
            if leftovers.worth_keeping(left) is None:
                temporary.remove(left)
    for path in list((study / "cells").iterdir()):
        if path.name.endswith(SAVED):
            place = path.with_name(path.name.removeprefix(".").removesuffix(SAVED))
            if place.exists():
                shutil.rmtree(path)
            else:
                path.rename(place)


@contextlib.contextmanager
def put_aside(place: Path) -> Iterator[None]:
    """What an interrupted or failed run of a cell left makes room, and comes back if this run leaves nothing."""
    saved = place.with_name(f".{place.name}{SAVED}")
    if place.exists():
        place.rename(saved)
    try:
        yield
    finally:
        if saved.exists() and place.exists():
            shutil.rmtree(saved)
        elif saved.exists():
            saved.rename(place)
