"""The trials of two scripts: their processes, the check of their work, their traced windows."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from dlprof import frameworks
from dlprof.analysis.same_work import parity, scripts
from dlprof.api.import_traces import ingest_into, now
from dlprof.api.lockstep import going_on
from dlprof.api.lockstep.measured import Between, Measured
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.lockstep.trials import Kind
from dlprof.api.progress import Progress
from dlprof.api.script.ground import Ground, made, told_of_both
from dlprof.api.script.options import ScriptCompare
from dlprof.api.script.record import environment_of
from dlprof.capture.machine import command_words, provenance
from dlprof.capture.script import shell, spin
from dlprof.capture.script.command import Command, same_environment
from dlprof.capture.script.link import Hello
from dlprof.capture.script.scratch import copied, leads_out
from dlprof.capture.script.together import BUSY, Room
from dlprof.capture.script.worker import ITERATION_NS, MOST_UNITS, Launch, ScriptWorker
from dlprof.capture.workers.trial import NotTogether, Plan, Trial
from dlprof.capture.workers.window import TracedSide, WindowPlan
from dlprof.errors import NotComparable, UsageError
from dlprof.manifest import CaptureOptions, Manifest, Start
from dlprof.names import EXACT, SIDES, Pair, trial_folder
from dlprof.protocol import ChildFacts
from dlprof.store import Capture, CaptureWriter
from dlprof.units import format_share
from dlprof.version import __version__

PAIR: Final[Pair] = ("a", "b")

PLAIN: Final = "python"
"""What a side says to be where it uses none of the frameworks (runner/inject, named.py)."""

STEPS: Final = 40
"""Marked steps of a window a side at most."""

LEAST_S: Final = 3.0
"""Seconds of a trial's rounds at least, both sides together, where the budget holds them. Comparisons of scripts end soonest with
about so many: the prior of the rule for their number expects processes to differ by more than those of one script do
(docs/statistics.md, benchmarks/script_rounds.py)."""


SideFacts = Mapping[str, str | None]
"""What a manifest says of a side."""


@dataclass(slots=True)
class ScriptTrials(Kind):
    """Of a comparison of scripts.

    facts, hellos: of each side, what its processes told, trial by trial
    grounds: of each side, what it runs
    before: what an earlier sitting's directory says of each side
    warn: a warning, said at once and kept
    apart: why the sides are alive one after the other, '' where they are together
    """

    asked: ScriptCompare
    pacing: Pacing
    measured: Measured
    scratch: Path
    progress: Progress
    warn: Callable[[str], None]
    before: Mapping[str, SideFacts] = field(default_factory=dict)
    facts: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: {side: [] for side in SIDES})
    hellos: dict[str, Hello] = field(default_factory=dict)
    grounds: dict[str, Ground] = field(default_factory=dict)
    apart: str = ""
    first: int = field(init=False)
    _workers: dict[str, ScriptWorker] = field(default_factory=dict)
    _step_ns: dict[str, float] = field(default_factory=dict)
    _units: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.first = len(self.measured.trials)
        if self.pacing.rounds is not None:
            self.pacing.rounds.least_s = LEAST_S

    @property
    def sides(self) -> Sequence[str]:
        return SIDES

    def prepare(self) -> None:
        """Revisions and environments. Raises `UsageError` where a revision is no longer the commit that it was, or a variable
        that can change a side has another value."""
        for side, command in self.asked.commands.items():
            self._check_paths(command)
            ground = self.grounds[side] = made(
                side, command, self.scratch, self.progress, self.asked.overlays, self.asked.links
            )
            for text in ground.notes:
                self.warn(f"{side.upper()}: {text}")
            self._as_before(side, {"commit": ground.commit})
            if "variables" in self.before.get(side, {}):  # a directory of an older dlprof does not tell them
                stated = shell.stated(self.asked.commands[side], frameworks.thread_variables())
                self._as_before(side, {"variables": stated})
        for text in told_of_both(self.grounds["a"], self.grounds["b"]):
            self.warn(text)

    def _check_paths(self, command: Command) -> None:
        """Raises `UsageError` where an argument would not be found from the copy of the working folder."""
        copies = command.revision is not None or not self.asked.in_place
        if copies and (word := leads_out(command.words[1:], Path.cwd())) is not None:
            raise UsageError(
                f"{word} leads out of the working folder, of which each trial runs in a copy",
                hint="name it by its absolute path, or start dlprof in the folder that holds all of it (bash -c 'cd …; python …' "
                "changes into another), or say --in-place",
            )

    def plan(self) -> Plan:
        """All items that the scripts have: one, their step."""
        window = None if self.asked.traces == 0 else WindowPlan(self.asked.traces, most=STEPS, items=self._recorded)
        return replace(self.pacing.plan(), items=None, window=window, interleaved=bool(self.apart))

    def separate(self, why: str) -> bool:
        """Trials become interleaved pairs of processes."""
        if self.apart:
            return False
        self.apart = why
        self.facts = {side: [] for side in SIDES}
        self.progress.say(f"warning: {why}\n  trials are pairs of processes from here on, one side after the other")
        return True

    def _recorded(self, items: Sequence[str]) -> Sequence[str]:
        """None where a side has no profiler."""
        return () if any(hello.framework == PLAIN for hello in self.hellos.values()) else items

    def worker(self, side: str, number: int) -> ScriptWorker:
        control, ground = self.scratch / trial_folder(number, side), self.grounds[side]
        shutil.rmtree(control, ignore_errors=True)
        folder = ground.folder
        if ground.revision is not None or not self.asked.in_place:
            target = self.scratch / f"{trial_folder(number, side)}-folder"
            shutil.rmtree(target, ignore_errors=True)
            folder = copied(folder, target, self.asked.links, origin=Path.cwd())
        origin = ground.revision.root if ground.revision else None
        if all(one.launch.trial != number for one in self._workers.values()):
            self._workers = {}
        worker = ScriptWorker(
            Launch(
                ground.command,
                folder,
                control,
                number,
                self.asked.step,
                self.asked.timeout_s,
                origin,
                ground.sources(self.grounds["b" if side == "a" else "a"]),
                self.asked.links,
                self.asked.run_out,
                alone=bool(self.apart),
                room=Room(self._workers).check,
                more=spin.settings(self.asked.commands, self.asked.spin),
                say=self.progress.say,
            )
        )
        self._workers[side] = worker
        return worker

    def ready(self, number: int, workers: Mapping[str, Any]) -> tuple[()]:
        """The sides that are alive took their first steps: are both the same work, and how many steps is an iteration?"""
        self._step_ns |= {side: worker.step_ns() for side, worker in workers.items()}
        if number not in self._units:  # of an interleaved trial the first side says it for the second, too
            slowest = max(self._step_ns.values() if self.apart else (self._step_ns[side] for side in workers))
            self._units[number] = min(max(math.ceil(ITERATION_NS / slowest), 1), MOST_UNITS)
        for side, worker in workers.items():
            worker.units = self._units[number]
            self.facts[side].append({**worker.facts, "kind of step": worker.ready.items[0]})
            self.hellos[side] = worker.hello
            self._as_asked(side, worker)
            if number == self.first:
                self._told(side)
        if len(self.facts["a"]) == len(self.facts["b"]):
            self._compare_work(number)
        return ()

    def _compare_work(self, number: int) -> None:
        """By what both sides of the trial told. Raises `NotComparable`."""
        found: tuple[scripts.Difference, ...]
        if number == self.first:
            found = scripts.compare(self.facts["a"][0], self.facts["b"][0], self.asked.allow)
        else:
            found = scripts.losses(self.facts["a"], self.facts["b"], self.asked.allow)
        self._judge(found)

    def _as_asked(self, side: str, worker: ScriptWorker) -> None:
        """Raises `UsageError` where the side does not run what it was to run, or not what it ran in an earlier sitting."""
        hello, command = worker.hello, self.grounds[side].command
        strays, installed = (worker.facts.get(told) for told in ("strays", "installed"))
        if command.python is not None and not same_environment(hello.executable, command.python):
            raise UsageError(
                f"side {side.upper()} runs in {hello.executable}, not in {command.python}: its program names a Python itself",
                hint="name that environment's own program, or start it by python -m",
            )
        if strays:
            raise UsageError(
                f"side {side.upper()} is to run revision {command.revision}, and yet {', '.join(strays[:4])} came from the "
                "working folder",
                hint="is the project installed there as editable? use an environment without it, with PYTHONPATH=src",
            )
        if installed:
            own = f"revision {command.revision}" if command.revision else "the working folder"
            raise UsageError(
                f"side {side.upper()} is to run {own}, and yet {', '.join(installed[:4])} came from the environment, where the "
                "project is installed as it was at another time",
                hint="use an environment without it, with PYTHONPATH=src; or name one in which that revision is installed with "
                "--a-python or --b-python (of a gate --base-python)",
            )
        told = {"framework": hello.framework, "version": hello.version, "python": hello.python}
        self._as_before(side, told if command.packages else {**told, "executable": hello.executable})

    def _as_before(self, side: str, now: SideFacts) -> None:
        """Raises `UsageError` where something is not as in the earlier sitting."""
        if side in self.before:
            was = {key: self.before[side].get(key) for key in now}
            going_on.must_be(self.asked.output or Path.cwd(), f"side {side.upper()}", was, now)

    def found(self) -> list[str]:
        """How each side's steps were found, for a reader of the directory."""
        return [f"{side.upper()}: a step is {hello.found}" for side, hello in sorted(self.hellos.items())]

    def _told(self, side: str) -> None:
        """How the side's steps were found, for the report."""
        self.progress.say(f"  {side.upper()}: {self.hellos[side].found}")
        if self.hellos[side].framework == PLAIN and self.asked.traces != 0:
            self.warn(
                f"{side.upper()}: uses none of the frameworks that can record, so both sides are timed and not traced"
            )
        for trouble in (*self.hellos[side].troubles, *self.facts[side][0].get("untold", ())):
            self.warn(f"{side.upper()}: {trouble}")

    def _judge(self, found: tuple[scripts.Difference, ...]) -> None:
        held = self.measured.between.get(PAIR, Between())
        known = {one["where"] for one in held.differences}
        new = tuple(one for one in found if one["where"] not in known)
        self.measured.between[PAIR] = replace(held, differences=(*held.differences, *new))
        for one in found:
            if one["blocks"] == "yes":
                self.progress.say(f"not the same work: {scripts.statement(one)}")
        if parity.blocking(found):
            raise NotComparable("the two scripts do different work in a step")

    def finished(self, trial: Trial) -> None:
        """Its warnings; what the scripts wrote into copies of their folder goes. Raises `NotTogether` where one side of the first
        trial was not idle while the other was timed."""
        busy = [side for side, share in trial.idle.items() if share > BUSY]
        if busy and not self.measured.trials:
            side = busy[0]
            command = self.asked.commands[side]
            raise NotTogether(
                f"`{command}` used {format_share(trial.idle[side])} of a core while the other side was timed"
            )
        for text in trial.warnings:
            self.warn(text)
        for side, worker in self._workers.items():
            if worker.ending:
                self.warn(f"trial {trial.number}: side {side} {worker.ending}")
            if (found := trial.compiled[side]).timed:
                which = "are left out" if found.left_out else "stay in: is each of its steps of other shapes?"
                self.warn(
                    f"trial {trial.number}: side {side.upper()} compiled {found.timed} programs while it was timed; the "
                    f"{found.bursts} of {found.of} bursts in which it did {which}"
                )
        for side in SIDES:
            shutil.rmtree(self.scratch / f"{trial_folder(trial.number, side)}-folder", ignore_errors=True)

    def starts(self, trial: Trial) -> Mapping[str, Start]:
        """As each side's process told it."""
        found = {}
        for side, worker in self._workers.items():
            told, compiled = worker.facts["start"], trial.compiled[side]
            warming = compiled.warming + worker.probed
            found[side] = msgspec.convert({**told, **asdict(compiled), "warming": warming}, Start)
        return found

    def keep(self, side: str, trial: Trial, traced: TracedSide, target: Path) -> Capture:
        """A side's traced window as a capture directory."""
        hello, facts, ready = self.hellos[side], self.facts[side][-1], trial.ready[side]
        with CaptureWriter(target) as writer:
            shutil.rmtree(writer.partial / "raw")
            shutil.move(traced.control / "raw", writer.partial / "raw")
            files = [writer.partial / artefact.path for artefact in traced.answer.artefacts]
            trace = ingest_into(writer, files, root=writer.partial / "raw")
            manifest = Manifest(
                kind="capture",
                dlprof_version=__version__,
                created=now(),
                command=command_words.command_line(),
                framework=hello.framework,
                version=hello.version,
                device=str(facts.get("device", "cpu:0")),
                mode=str(self.asked.commands[side]),
                fidelity=EXACT,
                workload={"name": self.pacing.workload.name},
                options=CaptureOptions(trial=trial.number),
                environment=environment_of(facts, hello.python, hello.executable),
                machine=provenance.machine(frameworks.thread_variables()),
                trace=trace,
                child=ChildFacts(
                    versions=ready.versions,
                    runtime=ready.runtime,
                    artefacts=traced.answer.artefacts,
                    window=traced.window,
                ),
            )
            return writer.commit(manifest)
