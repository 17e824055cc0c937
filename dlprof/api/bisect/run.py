"""A bisection from its command line to its folder: the ends, the trials, and the neighbours of what was found."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from dlprof.analysis.bisection import Bisection, Compared, Culprit, Probe, State
from dlprof.analysis.facts import Ratio
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing import lockstep
from dlprof.analysis.timing.verdicts import headline_of
from dlprof.api.bisect import record
from dlprof.api.bisect.said_once import SaidOnce
from dlprof.api.bisect.search import MOST_TRIALS, Search, Untestable
from dlprof.api.bisect.subject import Subject
from dlprof.api.progress import Progress
from dlprof.api.record import output_folder
from dlprof.errors import (
    ChildFailed,
    EnvironmentFailed,
    Interrupted,
    NotComparable,
    StoreError,
    Unsupported,
    UsageError,
)
from dlprof.report.text import gate_text
from dlprof.stats.design.bisection import ANOTHER, rest
from dlprof.store import Capture
from dlprof.units import format_share

_ONE_WAY: Final = ("slower", "faster")
_SHOWN: Final = (*_ONE_WAY, "negligible")
_EQUAL: Final = ("equivalent", "negligible")
_LEAST: Final = 0.01
"""Probability from which a suspect is named."""

_CONFIDENCE: Final = 0.95
"""Of the interval of what is left of the ends' difference."""

ENVIRONMENTS: Final = "environments"
"""Folder of the search in which the environments of its releases lie while it runs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a bisection was asked for.

    subject: what is searched, and how its comparisons are made
    good, bad: revisions, or releases
    most: trials at most
    keep: whether the environments stay when it has ended
    """

    subject: Subject
    good: str
    bad: str
    most: int = MOST_TRIALS
    keep: bool = False


@dataclass(slots=True)
class _Work:
    asked: Asked
    progress: Progress
    folder: Path
    found: Bisection

    @property
    def overlays(self) -> Path:
        """Where the environments of releases lie."""
        return self.folder / ENVIRONMENTS

    def keep(self, **changes: object) -> None:
        self.found = replace(self.found, **changes)  # type: ignore[arg-type]
        record.write(self.found, self.folder)

    def compare(self, base: str, head: str, name: str, trials: int | None, traces: int | None) -> Comparison:
        """A comparison of two revisions in a folder of its own; one of an earlier sitting that was stopped there is gone on with.
        Raises what comparisons raise, `NotComparable` among it."""
        subject, shape = self.asked.subject, (trials, traces)
        found, code = subject.compare(base, head, self.folder / name, self.overlays, shape, self.progress)
        if code == Interrupted.exit_code:
            raise Interrupted("interrupted")
        if code == NotComparable.exit_code:
            raise NotComparable(found.items[0].sentence if found.items else "the work is another one")
        return found


def bisect(asked: Asked, progress: Progress, *, resume: bool = False) -> tuple[Bisection, Path]:
    """Run it; returns what was found, and the folder, which holds everything, also what was finished where it is interrupted."""
    subject = asked.subject
    places = subject.row(asked.good, asked.bad)
    folder = output_folder(subject.design.output, f"{subject.name}-bisect")
    found = Bisection(command=subject.command, package=subject.package, row=places, how=tuple(subject.how()))
    if resume:
        found = replace(record.held(folder, found), state="under way")
        progress.say(f"going on with {folder}: {len(found.probes)} trials are there")
    else:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: no folder", hint="choose another -o")
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder}: exists", hint="choose another -o, or go on with it by --resume")
        folder.mkdir(parents=True, exist_ok=True)
        gaps = subject.left_out(places)
        found = replace(found, notes=(gaps,) if gaps else ())
    work = _Work(asked, SaidOnce(progress), folder, found)
    work.keep()
    progress.say(f"{len(places) - 1} {'releases' if subject.package else 'commits'} after {places[0].label}")
    without_environments(work.overlays)
    try:
        if _ends(work):
            _narrow(work)
    except (KeyboardInterrupt, Interrupted):
        again = f"dlprof bisect --resume {shlex.quote(str(folder))}, with the rest of the command line, goes on with it"
        raise Interrupted("interrupted", hint=f"{len(work.found.probes)} trials are kept: {again}") from None
    finally:
        if not asked.keep:
            shutil.rmtree(work.overlays, ignore_errors=True)
    return work.found, folder


def without_environments(place: Path) -> None:
    """Remove what an earlier sitting left there: it would be run, and a folder may come from anybody, with a link in its place.
    Raises `StoreError` where it stays."""
    if place.is_symlink() or place.is_file():
        place.unlink()
    else:
        shutil.rmtree(place, ignore_errors=True)
    if os.path.lexists(place):
        raise StoreError(f"{place}: cannot be removed, and what lies there must not run", hint="remove it")


def _ends(work: _Work) -> bool:
    """Whether the two ends differ, by a comparison that goes on until it has a verdict."""
    good, bad = work.found.row[0].name, work.found.row[-1].name
    told, probes = work.found.ends, work.found.probes
    if told is None or told.verdict == "inconclusive":
        work.progress.say(f"the ends: {work.found.label(bad)} against {work.found.label(good)}")
        work.asked.subject.prepare(good, work.overlays, work.progress)
        try:
            found = work.compare(good, bad, "ends", work.asked.subject.design.trials, 0)
        except ChildFailed as error:
            raise ChildFailed(error.message, hint=error.hint or "name ends that can both be run") from None
        told = _compared(found, work.folder)
        probes = tuple(Probe(bad, value, told.folder) for value in _log_ratios(work.folder / told.folder, found))
    differ = told.verdict in _ONE_WAY
    state = "under way" if differ else "no difference" if told.verdict in _EQUAL else "open"
    work.keep(ends=told, probes=probes, state=state)
    return differ


def _narrow(work: _Work) -> None:
    """Trials until the place is known, then the neighbours against each other; and once more where these explain a part only."""
    search = _begun(work)
    while True:
        _search(work, search)
        found = search.found()
        if found is None:
            # What an earlier pass found stands: looking for another change ended without one.
            if search.two >= ANOTHER and work.found.culprits and _confirmed(work.found.culprits):
                work.keep(state="in part")
            else:
                _open(work, search)
            return
        culprits = tuple(_culprit(work, search, name) for name in found)
        state = _state(culprits)
        explained = [_log_ratios(work.folder / one.neighbours.folder) for one in culprits if one.neighbours]
        ends = [one.log_ratio for one in work.found.probes if work.found.ends and one.folder == work.found.ends.folder]
        if state == "found" and not search.makes_up(ends, explained):
            state = "in part"
        work.keep(culprits=culprits, state=state, left=_left(ends, explained))
        if state != "in part" or len(found) > 1:
            return
        work.progress.say("that is too little for the difference of the ends: looking for another change")
        search.look_for_another()


def _open(work: _Work, search: Search) -> None:
    """The trials have ended: with the first change, where that is known and only a second one is not."""
    first = search.first_known()
    if first is None:
        work.keep(state="open")
        return
    culprits = (_culprit(work, search, first),)
    work.keep(culprits=culprits, left=None, state="open" if _confirmed(culprits) else "not confirmed")


def _left(ends: Sequence[float], explained: Sequence[Sequence[float]]) -> Ratio | None:
    """What the changes leave of the ends' difference."""
    left = rest(ends, explained)
    if left is None:
        return None
    estimate, low, high = (float(np.exp(one)) for one in (left.gap, *left.interval(_CONFIDENCE)))
    trials = sum(map(len, (ends, *explained)))
    return Ratio(estimate, low, high, _CONFIDENCE, trials, "Welch's t, log scale")


def _begun(work: _Work) -> Search:
    """What is known by the trials that were made, in their order."""
    margin = work.asked.subject.design.margin
    search = Search([one.name for one in work.found.row], skipped=dict(work.found.skipped), margin=margin)
    for probe in work.found.probes:
        if probe.revision in search.row[1:] and probe.revision not in search.skipped:
            search.add(probe.revision, probe.log_ratio)
    return search


def _search(work: _Work, search: Search) -> None:
    """Trials until it is known, each kept."""
    good, probes = work.found.row[0].name, list(work.found.probes)
    before = len(probes)

    def measure(name: str) -> float:
        work.progress.say(f"trial {len(probes) + 1}: {work.found.label(name)}")

        def compare() -> Comparison:
            return work.compare(good, name, f"trial-{len(probes) + 1:03d}", 1, 0)

        try:
            found = _tried(compare)
        except Untestable as error:
            if name not in search.trials:
                raise
            work.progress.say(f"  {error}; it did run before, and is tried once more")
            found = _tried(compare)
        ratio = found.items[0].ratio if found.items else None
        if ratio is None:
            raise Untestable("it gave no time")
        probes.append(Probe(name, float(np.log(ratio.estimate)), _inside(found, work.folder)))
        return probes[-1].log_ratio

    def told(name: str) -> None:
        _tell(work, search, probes)
        if name in search.skipped:
            work.progress.say(f"  {work.found.label(name)} is left out: {search.skipped[name]}")

    try:
        search.go(measure, told, work.asked.most)
    except Untestable as error:
        raise ChildFailed(f"{work.found.row[-1].label}: {error}", hint="name a bad revision that can be run") from None
    if len(probes) == before:  # else the last trial has told it
        _tell(work, search, probes)


def _culprit(work: _Work, search: Search, name: str) -> Culprit:
    """It, beside the revision before it; that comparison is made once."""
    before, between = search.before(name)
    folder = f"culprit-{_slug(work.found.label(name))}"
    for held in work.found.culprits:
        if (held.revision, held.before) == (name, before) and held.neighbours and held.neighbours.verdict in _SHOWN:
            return replace(held, probability=_probability(search, name), between=between)
    work.progress.say(f"the neighbours: {work.found.label(name)} against {work.found.label(before)}")
    design = work.asked.subject.design
    neighbours = _compared(work.compare(before, name, folder, design.trials, design.traces), work.folder)
    return Culprit(name, _probability(search, name), before, between, neighbours)


def _tell(work: _Work, search: Search, probes: Sequence[Probe]) -> None:
    """What is known after a trial, on disk and in a line."""
    known, names = search.known(), search.testable
    suspected = {names[at]: round(float(p), 4) for at, p in enumerate(known.first) if p >= _LEAST}
    work.keep(
        probes=tuple(probes),
        skipped=dict(search.skipped),
        suspects=suspected,
        two=round(known.two, 4),
        least=search.least,
    )
    likeliest = max(suspected, key=lambda name: suspected[name])
    more = f", {len(suspected) - 1} others possible" if len(suspected) > 1 else ""
    work.progress.say(f"  likeliest {work.found.label(likeliest)}: {format_share(suspected[likeliest])}{more}")


def _state(culprits: Sequence[Culprit]) -> State:
    return "found" if _confirmed(culprits) else "not confirmed"


def _confirmed(culprits: Sequence[Culprit]) -> bool:
    """Neighbours that differ at all confirm it: one of two changes may lie within the margin."""
    return all(one.neighbours is not None and one.neighbours.verdict in _SHOWN for one in culprits)


def _probability(search: Search, name: str) -> float:
    known, at = search.known(), search.testable.index(name)
    paired = known.both if at in known.pair else 0.0
    return round(float(max(known.first[at], known.second[at] * known.two, paired)), 4)


def _tried(compare: Callable[[], Comparison]) -> Comparison:
    """What makes a revision untestable, apart from what is wrong with the command line."""
    try:
        return compare()
    except NotComparable as error:
        raise Untestable(f"it does other work than the good one: {error.message}") from None
    except (ChildFailed, EnvironmentFailed, Unsupported, UsageError) as error:
        raise Untestable(error.message.splitlines()[0]) from None


def _compared(found: Comparison, folder: Path) -> Compared:
    first = found.items[0]
    causes = tuple(gate_text.grown(found.ledger)) if found.ledger else ()
    return Compared(first.verdict, first.sentence, first.ratio, _inside(found, folder), causes)


def _log_ratios(path: Path, found: Comparison | None = None) -> list[float]:
    """Of each trial of the headline."""
    items = lockstep.by_item(Capture.open(path).timings())
    trials = items[found.items[0].item if found else headline_of(items)]
    return [one.log_ratio for one in trials.values() if np.isfinite(one.log_ratio)]


def _inside(found: Comparison, folder: Path) -> str:
    """The comparison's folder, as the bisection names it."""
    return Path(found.facts.folder or folder).relative_to(folder).as_posix()


def _slug(label: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", label)[:32].strip("-.")
