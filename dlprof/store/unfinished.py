"""What interrupted or killed comparisons left: found, ranked, and gone on with."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dlprof import temporary
from dlprof.errors import StoreError
from dlprof.manifest import LockstepOptions
from dlprof.store.capture import Capture, traced_folders


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison that was killed, and what of it is finished.

    path: where it lies, which may be under a temporary name
    place: where it was to go
    trials, captures: finished ones
    begun: start of its first session, which tells parts of one comparison from another's
    """

    path: Path
    place: Path
    trials: int
    captures: int
    begun: str

    @property
    def rank(self) -> tuple[int, int]:
        return self.trials, self.captures


def taken_up(path: Path) -> Path | None:
    """The directory to go on with when `path` is resumed; None where there is none.

    It is `path` itself or what killed processes left of it, whichever has more finished trials and captures. Raises
    `StoreError` where a living process is at work on it.
    """
    place = temporary.place_of(path) or path
    if temporary.at_work(place):
        raise StoreError(f"{place}: another dlprof is at work on it", hint="wait for it, or stop it")
    left = [one.path for one in temporary.left_beside(place.parent) if one.name == place.name]
    found = [unfinished(one, place) for one in (place, *left)]
    whole = [one for one in found if one is not None]
    return max(whole, key=lambda one: one.rank).path if whole else None


def unfinished(path: Path, place: Path) -> Unfinished | None:
    """What of a comparison at `path` is finished; None where there is no manifest of one."""
    try:
        manifest = Capture.open(path).manifest
    except StoreError:
        return None
    if not manifest.of_sides:
        return None
    captures = len(traced_folders(path))
    sessions = manifest.options.sessions if isinstance(manifest.options, LockstepOptions) else []
    begun = sessions[0].created if sessions else manifest.created
    return Unfinished(path=path, place=place, trials=len(manifest.trials), captures=captures, begun=begun)
