"""What killed processes left beside results and in the system's temporary directory: later runs remove it, but no trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dlprof import temporary
from dlprof.errors import StoreError
from dlprof.store import Unfinished, unfinished
from dlprof.temporary import Leftover

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cleared:
    """What became of the leftovers of killed processes.

    removed: how many leftovers and reports are gone
    kept: comparisons that were killed and hold finished trials
    """

    removed: int
    kept: tuple[Unfinished, ...]


def clear(folder: Path, say: Say, *, but: Path | None = None, reports: bool = False) -> Cleared:
    """Remove what dead processes left in `folder` and in the system's temporary directory, and say how much it was.

    A comparison that holds finished trials stays, and is named with how to go on with it. Reports of failures that are old go
    without a word, for they are no run's. but: the result about to be gone on with, whose parts are left alone. reports: remove
    all reports of failures, and say so.
    """
    beside = [left for left in temporary.left_beside(folder) if but is None or left.name != but.name]
    kept = tuple(one for left in beside if (one := worth_keeping(left)) is not None)
    held = {one.path for one in kept}
    removed = _removed([left for left in beside if left.path not in held]) + _removed(temporary.left_in_system())
    reported = _removed(temporary.old_reports(every=reports))
    if removed:
        say(f"removed {removed} leftover{'s' if removed > 1 else ''} of runs that were killed")
    if reported and reports:
        say(f"removed {reported} report{'s' if reported > 1 else ''} of failures")
    for one in kept:
        say(f"note: {_told(one)}: {_go_on(one)}")
    return Cleared(removed + reported, kept)


def clear_system() -> None:
    """Remove what dead processes left in the system's temporary directory, and old reports of failures."""
    _removed([*temporary.left_in_system(), *temporary.old_reports()])


def clear_cache(say: Say) -> int:
    """Remove what dead processes left in the user's cache, and the logs of old environments' making; how much that was.

    say: told what had to be passed over
    """
    from dlprof.capture.data import datasets
    from dlprof.capture.environments.cache import cache_dir
    from dlprof.capture.environments.env_store import EnvStore

    places = [path for path in (cache_dir() / "calibration").glob("*/") if path.is_dir()]
    left = [one for place in (cache_dir(), *places) for one in temporary.left_beside(place)]
    return _removed(left) + EnvStore().clean(say) + datasets.clean(on_progress=say)


def _removed(left: Iterable[Leftover]) -> int:
    return sum(temporary.remove(one) for one in left)


def folder_of(output: Path | None) -> Path:
    """Where a run's result goes, and so where leftovers of earlier ones lie: beside -o, else in the default folder."""
    if output is not None:
        return output.parent
    from dlprof.api.record import OUTPUT_FOLDER  # late: an import needs none of what records

    return Path(OUTPUT_FOLDER)


def check_free(target: Path) -> None:
    """Raises `StoreError` where a new result at `target` would replace one, or pass over trials of a killed run of it."""
    if target.exists():
        raise StoreError(f"{target}: exists already", hint="choose another -o, or remove it")
    for one in _finished(target):
        raise StoreError(f"{target}: {_told(one)}", hint=f"{_go_on(one)}; or remove {one.path}")


def _finished(target: Path) -> Iterator[Unfinished]:
    for left in temporary.left_beside(target.parent):
        if left.name == target.name and (one := worth_keeping(left)) is not None:
            yield one


def finished_of(target: Path) -> Unfinished | None:
    """What a killed run of `target` finished and nothing else holds; None where there is nothing of it."""
    return max(_finished(target), key=lambda one: one.rank, default=None)


def worth_keeping(left: Leftover) -> Unfinished | None:
    """The comparison that a killed process left, if it has finished trials that are nowhere else."""
    found = unfinished(left.path, left.path.with_name(left.name)) if left.kind == "partial" else None
    if found is None or not found.trials:
        return None
    placed = unfinished(found.place, found.place)
    superseded = placed is not None and placed.begun == found.begun and placed.rank >= found.rank
    return None if superseded else found


def _told(one: Unfinished) -> str:
    traced = f" and {one.captures} traced runs" if one.captures else ""
    return f"a run of {one.place} was killed; {one.trials} finished trials{traced} of it are kept in {one.path}"


def _go_on(one: Unfinished) -> str:
    return f"dlprof compare --resume {one.place} goes on with it"
