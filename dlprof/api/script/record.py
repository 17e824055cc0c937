"""A user's script, run once and recorded: a capture directory, and the script's own exit code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlprof import frameworks, schema, temporary
from dlprof.analysis.trace import periodicity, places
from dlprof.api.import_traces import ingest_into, now
from dlprof.api.record import output_folder
from dlprof.capture.machine import command_words, provenance
from dlprof.capture.script import no_step, watched
from dlprof.capture.script.command import Command
from dlprof.capture.script.watched import Watched, WindowWish
from dlprof.capture.workers.process import exit_words
from dlprof.errors import TraceError
from dlprof.manifest import CaptureOptions, EnvironmentFacts, Manifest, Package
from dlprof.names import STEPS_FOUND
from dlprof.protocol import Artefact, ChildFacts, Window
from dlprof.store import EVENTS_FILE, Capture, CaptureWriter
from dlprof.stored_files import read_table
from dlprof.units import format_ns, format_share
from dlprof.version import __version__


@dataclass(frozen=True, slots=True)
class ScriptCapture:
    """What was asked for.

    step: module:function that is one step; None = found
    output: the directory to be made; None = a dated one
    """

    command: Command
    wish: WindowWish
    step: str | None = None
    output: Path | None = None


def record_script(asked: ScriptCapture, say: Callable[[str], None]) -> tuple[Capture | None, int]:
    """Run the script to its end, as it runs without dlprof, and record some of its steps.

    Returns the capture and the script's exit code, as a shell tells it; no capture where the script failed before any step was
    recorded. Raises `TraceError` where it ended well and yet nothing could be recorded.
    """
    target = output_folder(asked.output, f"{name_of(asked.command)}-script")
    with temporary.folder() as scratch, CaptureWriter(target) as writer:
        raw = writer.partial.absolute() / "raw"
        began = time.monotonic()
        found = watched.watch(asked.command, asked.wish, scratch, raw, step=asked.step, say=say)
        code = found.returncode if found.returncode >= 0 else 128 - found.returncode
        if not found.artefacts:
            if code:
                say(f"the script ended with {exit_words(found.returncode)}, and nothing was recorded: {found.why}")
                return None, code
            raise _nothing(found, asked)
        for line in told(found, asked.wish, time.monotonic() - began):
            say(line)
        facts = ingest_into(writer, [Path(one.path) for one in found.artefacts], root=raw)
        checked = periodicity.of(places.apart(read_table(writer.partial / EVENTS_FILE, schema.EVENTS)))
        doubts = [checked.statement] if checked and checked.statement else []
        for text in doubts:
            say(f"warning: {text}")
        assert found.hello is not None
        manifest = Manifest(
            kind="capture",
            dlprof_version=__version__,
            created=now(),
            command=command_words.command_line(),
            framework=found.hello.framework,
            version=found.hello.version,
            device=str(found.facts.get("device", "cpu:0")),
            mode=str(asked.command),
            fidelity="exact",
            workload={"name": name_of(asked.command)},
            options=CaptureOptions(),
            environment=environment_of(found.facts, found.hello.python, found.hello.executable),
            machine=provenance.machine(frameworks.thread_variables()),
            warnings=[*warnings(found, asked.wish), *doubts],
            trace=facts,
            child=child_facts(found, writer.partial.absolute()),
        )
        return writer.commit(manifest), code


def _nothing(found: Watched, asked: ScriptCapture) -> TraceError:
    """Why a script that ended well left no recording."""
    if found.hello is None:
        return TraceError(
            f"no training step was seen in {asked.command}{no_step.words(found.without, asked.step)}", hint=no_step.HINT
        )
    if "could not do" in found.why:
        return TraceError(f"nothing was recorded: {found.why}")
    steps = found.hello.step + len(found.walls)
    return TraceError(
        f"the script took {steps} steps or a few more, and none was recorded: {found.why or 'its times never became level'}",
        hint="let it run for longer, or name steps that it comes to, such as --steps 5..9: named ones are waited for",
    )


def name_of(command: Command) -> str:
    """A short name for what runs: `train` of `python train.py --fused`."""
    for word in command.words[1:]:
        if word.endswith((".py", ".sh")):
            return Path(word).stem
    if "-m" in command.words[:-1]:
        return command.words[command.words.index("-m") + 1]
    return Path(command.words[0]).name


def told(found: Watched, wish: WindowWish, seconds: float) -> Iterator[str]:
    """What a user is told after the run."""
    assert found.hello is not None
    yield f"steps: {found.hello.found}"
    last = found.first + len(found.traced) - 1
    ranks = f" of {found.ranks} ranks" if found.ranks > 1 else ""
    yield f"recorded: steps {found.first} to {last}{ranks}, in a run of {seconds:.0f} s"
    if "start" in found.facts:
        yield f"before: {before_words(found.facts['start'])}"
    cost = watched.cost(found)
    if cost is not None:
        beside, traced = (format_ns(_median(times)) for times in (found.beside, found.traced))
        more = format_share(cost, 1, signed=True)
        yield f"recording cost {more} of a step: {traced} against {beside} beside the window, each step waited for"
    yield from (f"warning: {text}" for text in warnings(found, wish))


def before_words(start: Mapping[str, Any]) -> str:
    """What came before the steps that are timed, in words. start: as the script's process tells it."""
    programs, seconds = start["compiled"], start["compiling"]
    took = "" if seconds is None else f" in {seconds:.1f} s"
    compiled = f", in which {programs} programs were compiled{took}" if programs else ""
    return (
        f"{start['seconds']:.1f} s from its start to the steps that are timed{compiled}; no part of any time of a step"
    )


def warnings(found: Watched, wish: WindowWish) -> Iterator[str]:
    """What a reader of the capture must know."""
    assert found.hello is not None
    yield from found.hello.troubles
    yield from found.facts.get("untold", ())
    if found.why:
        yield found.why
    if found.compiled:
        yield f"{found.compiled} programs were compiled among the recorded steps, which therefore are not all alike"
    if wish.first is None and wish.after_s is None and not found.steady:
        yield "the times of the steps had not become level when the window began"
    for hello in found.late:
        yield f"process {hello.pid} took steps too and was not recorded: {' '.join(command_words.blotted(hello.argv))[:120]}"


def _median(times: list[int]) -> float:
    return sorted(times)[len(times) // 2]


def environment_of(facts: Mapping[str, Any], python: str, executable: str) -> EnvironmentFacts:
    """The script's own environment, which dlprof did not make."""
    versions = facts.get("versions", {})
    return EnvironmentFacts(
        environment=executable,
        python=python,
        locked=False,
        digest=None,
        packages={name: Package(version=version) for name, version in sorted(versions.items())},
    )


def runtime_of(found_by: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a script's facts beside its packages."""
    return {STEPS_FOUND: found_by, **{key: value for key, value in facts.items() if key != "versions"}}


def child_facts(found: Watched, root: Path) -> ChildFacts:
    """What the script said of its run. root: of the capture directory, which paths are relative to."""
    assert found.hello is not None
    return ChildFacts(
        versions={"python": found.hello.python, found.hello.framework: found.hello.version},
        runtime=runtime_of(found.hello.found, found.facts),
        artefacts=[
            Artefact(kind=one.kind, path=Path(one.path).relative_to(root).as_posix()) for one in found.artefacts
        ],
        window=Window(
            steps=len(found.traced) * found.ranks,
            synchronised=True,
            wall_ns=found.wall_ns,
            untraced_step_ns=found.beside,
        ),
        warmup_steps=found.first - 1,
    )
