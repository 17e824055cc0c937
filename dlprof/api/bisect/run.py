"""A bisection from its command line to its folder: the ends, the trials, and the neighbours of what was found."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from dlprof.analysis.bisection import Bisection, Compared, Culprit, Place, Probe, State
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing import lockstep
from dlprof.api.bisect import record, row
from dlprof.api.bisect.search import MOST_TRIALS, Search, Untestable
from dlprof.api.progress import Progress
from dlprof.api.record import output_folder
from dlprof.api.script.compare import compare_scripts
from dlprof.api.script.options import ScriptCompare
from dlprof.api.script.record import name_of
from dlprof.errors import ChildFailed, EnvironmentFailed, Interrupted, NotComparable, Unsupported, UsageError
from dlprof.report.text import gate_text
from dlprof.store import Capture

_ONE_WAY: Final = ("slower", "faster")
_SHOWN: Final = ("slower", "faster", "negligible")
_LEAST: Final = 0.01
"""Probability from which a suspect is named."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a bisection was asked for.

    script: the command as both sides of a comparison, with the budget and the rest of it
    good, bad: revisions, or releases of `package`
    most: trials at most
    """

    script: ScriptCompare
    good: str
    bad: str
    package: str = ""
    most: int = MOST_TRIALS


@dataclass(slots=True)
class _Work:
    asked: Asked
    progress: Progress
    folder: Path
    found: Bisection

    def keep(self, **changes: object) -> None:
        self.found = replace(self.found, **changes)  # type: ignore[arg-type]
        record.write(self.found, self.folder)

    def compare(self, base: str, head: str, name: str, trials: int | None, traces: int | None) -> Comparison:
        """A comparison of two revisions in a folder of its own. Raises what comparisons raise, `NotComparable` among it."""
        script, package = self.asked.script, self.asked.package
        commands = [
            replace(script.a, packages=(*script.a.packages, f"{package}=={one}"))
            if package
            else replace(script.a, revision=one)
            for one in (base, head)
        ]
        options = replace(
            script, a=commands[0], b=commands[1], trials=trials, traces=traces, output=_free(self.folder, name)
        )
        found, code = compare_scripts(options, self.progress)
        if code == Interrupted.exit_code:
            again = f"dlprof bisect --resume {self.folder}, with the rest of the command line, goes on with it"
            raise Interrupted("interrupted", hint=f"{len(self.found.probes)} trials are kept: {again}")
        if code == NotComparable.exit_code:
            raise NotComparable(found.items[0].sentence if found.items else "the work is another one")
        return found


def bisect(asked: Asked, progress: Progress, *, resume: bool = False) -> tuple[Bisection, Path]:
    """Run it; returns what was found, and the folder, which holds everything, also what was finished where it is interrupted."""
    places = _row(asked)
    command = str(asked.script.a)
    folder = output_folder(asked.script.output, f"{name_of(asked.script.a)}-bisect")
    found = Bisection(command=command, package=asked.package, row=tuple(Place(one.name, one.label) for one in places))
    if resume:
        found = replace(record.held(folder, found), state="under way", culprits=())
        progress.say(f"going on with {folder}: {len(found.probes)} trials are there")
    else:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder}: exists", hint="choose another -o, or go on with it by --resume")
        folder.mkdir(parents=True, exist_ok=True)
        gaps = row.left_out(asked.package, places) if asked.package else ""
        found = replace(found, notes=(gaps,) if gaps else ())
    work = _Work(asked, progress, folder, found)
    work.keep()
    progress.say(f"{len(places) - 1} {'releases' if asked.package else 'commits'} after {places[0].label}")
    if _ends(work):
        _narrow(work)
    return work.found, folder


def _row(asked: Asked) -> tuple[row.Revision, ...]:
    if asked.package:
        return row.releases(asked.package, asked.good, asked.bad, asked.script.a.interpreter())
    return row.commits(asked.good, asked.bad, Path.cwd())


def _ends(work: _Work) -> bool:
    """Whether the two ends differ, by a comparison that goes on until it has a verdict."""
    if work.found.ends is not None:
        return work.found.ends.verdict in _ONE_WAY
    good, bad = work.found.row[0].name, work.found.row[-1].name
    work.progress.say(f"the ends: {work.found.label(bad)} against {work.found.label(good)}")
    found = work.compare(good, bad, "ends", work.asked.script.trials, 0)
    told = _compared(found, work.folder)
    probes = tuple(Probe(bad, value, told.folder) for value in _log_ratios(work.folder / told.folder, found))
    differ = told.verdict in _ONE_WAY
    work.keep(ends=told, probes=probes, state="under way" if differ else "no difference")
    return differ


def _narrow(work: _Work) -> None:
    """Trials until the place is known, then the neighbours against each other."""
    names = [one.name for one in work.found.row]
    search = Search(names, skipped=dict(work.found.skipped))
    for probe in work.found.probes:
        search.trials.setdefault(probe.revision, []).append(probe.log_ratio)
    probes = list(work.found.probes)

    def measure(name: str) -> float:
        work.progress.say(f"trial {len(probes) + 1}: {work.found.label(name)}")
        found = _tried(lambda: work.compare(names[0], name, f"trial-{len(probes) + 1:03d}", 1, 0))
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
    _tell(work, search, probes)
    found = search.found()
    if found is None:
        work.keep(state="open")
        return
    culprits = []
    for name in found:
        before, between = search.before(name)
        work.progress.say(f"the neighbours: {work.found.label(name)} against {work.found.label(before)}")
        neighbours = _compared(
            work.compare(
                before,
                name,
                f"culprit-{_slug(work.found.label(name))}",
                work.asked.script.trials,
                work.asked.script.traces,
            ),
            work.folder,
        )
        culprits.append(Culprit(name, _probability(search, name), before, between, neighbours))
        work.keep(culprits=tuple(culprits))
    work.keep(state=_state(culprits))


def _tell(work: _Work, search: Search, probes: Sequence[Probe]) -> None:
    """What is known after a trial, on disk and in a line."""
    known, names = search.known(), search.testable
    suspected = {names[at]: round(float(p), 4) for at, p in enumerate(known.first) if p >= _LEAST}
    work.keep(probes=tuple(probes), skipped=dict(search.skipped), suspects=suspected, two=round(known.two, 4))
    likeliest = max(suspected, key=lambda name: suspected[name])
    more = f", {len(suspected) - 1} others possible" if len(suspected) > 1 else ""
    work.progress.say(f"  likeliest {work.found.label(likeliest)}: {suspected[likeliest]:.0%}{more}")


def _state(culprits: Sequence[Culprit]) -> State:
    """Neighbours that differ at all confirm it: one of two changes may lie within the margin."""
    shown = all(one.neighbours is not None and one.neighbours.verdict in _SHOWN for one in culprits)
    return "found" if shown else "not confirmed"


def _probability(search: Search, name: str) -> float:
    known, at = search.known(), search.testable.index(name)
    return round(float(max(known.first[at], known.second[at] * known.two)), 4)


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


def _log_ratios(path: Path, found: Comparison) -> list[float]:
    """Of each trial of the headline."""
    trials = lockstep.by_item(Capture.open(path).timings())[found.items[0].item]
    return [one.log_ratio for one in trials.values() if np.isfinite(one.log_ratio)]


def _inside(found: Comparison, folder: Path) -> str:
    """The comparison's folder, as the bisection names it."""
    return Path(found.facts.folder or folder).relative_to(folder).as_posix()


def _free(folder: Path, name: str) -> Path:
    """A folder of that name that is not there yet: one of a sitting that was stopped may be."""
    taken = [folder / name, *(folder / f"{name}-{again}" for again in range(2, 1000))]
    return next(one for one in taken if not one.exists())


def _slug(label: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", label)[:32].strip("-.")
