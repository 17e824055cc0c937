"""What is searched: commits that a script is run on, releases of a package beside it, or of a framework that runs a workload.

Each says what stands in the row, and makes a comparison of two of it.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dlprof.analysis.bisection import Place
from dlprof.analysis.model import Comparison
from dlprof.api.bisect import row
from dlprof.api.compare import resume as workload_resume
from dlprof.api.compare.run import compare as compare_workloads
from dlprof.api.lockstep import items
from dlprof.api.options import CompareOptions, Design
from dlprof.api.progress import Progress
from dlprof.api.script import resume as script_resume
from dlprof.api.script.compare import compare_scripts
from dlprof.api.script.ground import kept_overlay
from dlprof.api.script.options import ScriptCompare
from dlprof.api.script.record import name_of
from dlprof.capture.script import revision
from dlprof.capture.script.command import Command
from dlprof.errors import StoreError, UsageError
from dlprof.store import Capture, taken_up


class Subject(ABC):
    """package: whose releases are searched; '' for commits. overlays: folder of the search for environments of releases."""

    package: str

    @property
    @abstractmethod
    def design(self) -> Design:
        """How each of its full comparisons is made."""

    @property
    @abstractmethod
    def command(self) -> str:
        """What is run, as it was typed."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Of the folder."""

    @abstractmethod
    def row(self, good: str, bad: str) -> tuple[Place, ...]:
        """From good to bad. Raises `UsageError`."""

    @abstractmethod
    def left_out(self, places: tuple[Place, ...]) -> str:
        """What a reader should know of the row; '' for nothing."""

    @abstractmethod
    def how(self) -> Iterator[str]:
        """Options that change what a trial is."""

    @abstractmethod
    def prepare(self, good: str, overlays: Path, progress: Progress) -> None:
        """What every comparison needs: what fails here is no fault of another revision."""

    @abstractmethod
    def compare(
        self,
        base: str,
        head: str,
        target: Path,
        overlays: Path,
        shape: tuple[int | None, int | None],
        progress: Progress,
    ) -> tuple[Comparison, int]:
        """A comparison of two of the row at `target`, and its exit code; one that was stopped there is gone on with.

        shape: number of trials and of traces, None as by default. Raises what comparisons raise.
        """


class Scripts(Subject):
    """Commits of the script's repository, or releases of a package that it imports."""

    def __init__(self, options: ScriptCompare, package: str = "") -> None:
        self.options = options
        self.package = package

    @property
    def design(self) -> Design:
        return self.options

    @property
    def command(self) -> str:
        return str(self.options.a)

    @property
    def name(self) -> str:
        return name_of(self.options.a)

    def row(self, good: str, bad: str) -> tuple[Place, ...]:
        if self.package:
            return row.releases(self.package, good, bad, self.options.a.interpreter())
        return row.commits(good, bad, Path.cwd())

    def left_out(self, places: tuple[Place, ...]) -> str:
        if self.package:
            return row.left_out(self.package, places)
        changed = revision.uncommitted(Path.cwd())
        return f"{changed}; no revision that is tried has them" if changed else ""

    def how(self) -> Iterator[str]:
        script = self.options
        if script.step:
            yield f"--step {script.step}"
        yield from (f"--allow {one}" for one in script.allow)
        yield from (f"--link {one}" for one in script.links)
        yield f"--margin {100 * script.margin:g}%"
        for word, given in (
            ("in-place", script.in_place),
            ("interleaved", script.interleaved),
            ("finish run", script.run_out),
        ):
            if given:
                yield f"--{word}"
        yield f"--spin {script.spin}"

    def prepare(self, good: str, overlays: Path, progress: Progress) -> None:
        if self.package:
            kept_overlay(self.on(good), overlays, progress)

    def on(self, name: str) -> Command:
        """The script on one of the row."""
        script = self.options.a
        if self.package:
            return replace(script, packages=(*script.packages, f"{self.package}=={name}"))
        return replace(script, revision=name)

    def compare(
        self,
        base: str,
        head: str,
        target: Path,
        overlays: Path,
        shape: tuple[int | None, int | None],
        progress: Progress,
    ) -> tuple[Comparison, int]:
        trials, traces = shape
        options = replace(
            self.options, a=self.on(base), b=self.on(head), trials=trials, traces=traces, output=None, overlays=overlays
        )
        return compare_scripts(self.gone_on_with(options, target), progress)

    def gone_on_with(self, options: ScriptCompare, target: Path) -> ScriptCompare:
        """The options of a new comparison at `target`, or of going on with what a stopped sitting left of the same one there."""
        if _has_trials(target):
            try:
                return replace(script_resume.options(target, options, options), time_s=options.budget_s)
            except (StoreError, UsageError):  # another one, or nothing that can be gone on with
                return replace(options, output=_free(target))
        return replace(options, output=_free(target) if target.exists() else target)


class Workloads(Subject):
    """Releases of a framework that runs a workload of dlprof's: those whose environments are made, and the two ends."""

    def __init__(self, options: CompareOptions, package: str, mode: str = "") -> None:
        """package: the framework's name. mode: how it executes; '' its first one."""
        self.options = options
        self.package = package
        self.mode = mode

    @property
    def design(self) -> Design:
        return self.options

    @property
    def command(self) -> str:
        run = self.options.run
        settings = [f"--set {shlex.quote(f'{key}={value}')}" for key, value in run.settings.items()]
        return " ".join([run.workload, *settings])

    @property
    def name(self) -> str:
        return Path(self.options.run.workload).stem

    def row(self, good: str, bad: str) -> tuple[Place, ...]:
        count = items.count(self.options.run.resolve(self.package))
        if count > 1:
            raise UsageError(
                f"{self.command} has {count} items, and one that is searched for must be named",
                hint="such as --set sizes=1000",
            )
        return row.environments(self.package, good, bad)

    def left_out(self, places: tuple[Place, ...]) -> str:
        return (
            f"tried are the releases of {self.package} whose environments are made here, {len(places)} in all: "
            f"dlprof env create {self.package}@VERSION makes another"
        )

    def how(self) -> Iterator[str]:
        if self.mode:
            yield f"--framework {self.package}:{self.mode}"
        yield from (f"--allow {one}" for one in self.options.allow)
        yield f"--margin {100 * self.options.margin:g}%"

    def prepare(self, good: str, overlays: Path, progress: Progress) -> None:
        pass

    def compare(
        self,
        base: str,
        head: str,
        target: Path,
        overlays: Path,  # noqa: ARG002  frameworks have environments of their own
        shape: tuple[int | None, int | None],
        progress: Progress,
    ) -> tuple[Comparison, int]:
        trials, traces = shape
        sides = [f"{self.package}@{one}{self.mode and f':{self.mode}'}" for one in (base, head)]
        options = replace(
            self.options, a=sides[0], b=sides[1], trials=trials, traces=traces, reasons=traces != 0, output=None
        )
        found, code = compare_workloads(self._gone_on_with(options, target), progress)
        assert isinstance(found, Comparison)
        return found, code

    def _gone_on_with(self, options: CompareOptions, target: Path) -> CompareOptions:
        if _has_trials(target):
            try:
                return replace(workload_resume.options(target, options, options), time_s=options.budget_s)
            except (StoreError, UsageError):
                return replace(options, output=_free(target))
        return replace(options, output=_free(target) if target.exists() else target)


def _has_trials(target: Path) -> bool:
    """Whether a comparison that was stopped left finished trials there."""
    held = taken_up(target)
    return held is not None and bool(Capture.open(held).manifest.trials)


def _free(target: Path) -> Path:
    """A folder of that name that is not there yet."""
    further = (target.with_name(f"{target.name}-{again}") for again in range(2, 1000))
    return next(one for one in further if not one.exists() and taken_up(one) is None)
