"""The lines that parent and child say to each other while the child lives, as typed values."""

from __future__ import annotations

from typing import Any

import msgspec

from dlprof.protocol.documents import Artefact, Window

# what a child says by itself


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """A line that answers nothing."""


class Phase(Event, frozen=True, tag="phase"):
    """What the child is doing now."""

    name: str


class EpochEnd(Event, frozen=True, kw_only=True, tag="epoch"):
    """An epoch of task `trace` is over. of: how many there are."""

    epoch: int
    of: int = 0
    wall_ns: int = 0
    validation_accuracy: float | None = None


class Ready(Event, frozen=True, kw_only=True, tag="ready"):
    """A worker waits for commands.

    versions: of Python, NumPy and the framework
    runtime: in the adapter's own words, as a manifest keeps it; dlprof itself reads `facts` and threads of it
    items: what it can run
    startup_ns: from its start until now
    """

    versions: dict[str, str] = {}
    runtime: dict[str, Any] = {}
    items: list[str]
    startup_ns: int = 0


class Done(Event, frozen=True, tag="done"):
    """result.json is in place."""


Said = Phase | EpochEnd | Ready | Done


# what a worker is asked


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="cmd"):
    """A line that is answered by one line."""

    @property
    def name(self) -> str:
        """Its `cmd`."""
        return str(self.__struct_config__.tag)


class Parity(Command, frozen=True, tag="parity"):
    """Outputs on one batch. out: the file for the arrays."""

    out: str


class Threads(Command, frozen=True, tag="threads"):
    """How many threads share a large matrix product."""


class Run(Command, frozen=True, tag="run"):
    """Timed iterations, each synchronised at its end. timed: a burst of a round, not a part of the warm-up."""

    item: str
    iterations: int
    timed: bool = False


class Recheck(Command, frozen=True, tag="recheck"):
    """What the timed objects make of new operands.

    steps: training steps that the side must have taken
    scales: parameter array → size of its gradients, as far as known; the same for both sides
    brief: what a traced window has done alone, of objects that were asked before it
    """

    out: str
    seed: int
    steps: int
    scales: dict[str, float] = {}
    brief: bool = False


class OpenWindow(Command, frozen=True, tag="open_window"):
    """Start the profiler for `units` steps, or calls of each item."""

    items: list[str]
    units: int


class Traced(Command, frozen=True, tag="traced"):
    """Synchronised steps or calls under the profiler."""

    item: str
    iterations: int


class Unprofiled(Command, frozen=True, tag="unprofiled"):
    """The same without it."""

    item: str
    iterations: int


class CloseWindow(Command, frozen=True, tag="close_window"):
    """Stop the profiler."""


class Quit(Command, frozen=True, tag="quit"):
    """Write result.json and exit."""


# what it answers


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Of any answer whether it is one; else why not (status as of result.json)."""

    ok: bool = False
    status: str = "failed"
    message: str = "failed"
    hint: str = ""


class Unable(msgspec.Struct, frozen=True, kw_only=True):
    """To `parity`, beside the arrays. missing: item → why it cannot run."""

    missing: dict[str, str] = {}


class BusyThreads(msgspec.Struct, frozen=True, kw_only=True):
    """To `threads`. None where that cannot be seen."""

    busy_threads: float | None = None


class Burst(msgspec.Struct, frozen=True):
    """To `run`: one entry an iteration (ns; start_ns is Unix time); units of work in each iteration. compiled: programs that the
    framework compiled meanwhile, where that is watched (scripts)."""

    wall_ns: list[int]
    cpu_ns: list[int]
    start_ns: list[int]
    units: int
    compiled: int = 0


class Deferred(msgspec.Struct, frozen=True, kw_only=True):
    """To `recheck`, beside the arrays, shares of an item's time; None where other programs left that unsettled.

    deferred: what was put off until a result was read
    saved: what inputs that were seen before save
    """

    deferred: dict[str, float | None] = {}
    saved: dict[str, float | None] = {}


class Walls(msgspec.Struct, frozen=True, kw_only=True):
    """To `traced` and `unprofiled`: wall times, ns."""

    wall_ns: list[int]


class TracedSteps(msgspec.Struct, frozen=True, kw_only=True):
    """What a traced window holds, as of `Window`; its times are the parent's to add."""

    steps: int
    synchronised: bool
    epoch: int | None = None
    expected: dict[str, int] = {}

    def timed(self, wall_ns: int, untraced_step_ns: list[int]) -> Window:
        """With its times."""
        return Window(
            steps=self.steps,
            synchronised=self.synchronised,
            wall_ns=wall_ns,
            epoch=self.epoch,
            expected=self.expected,
            untraced_step_ns=untraced_step_ns,
        )


class TracedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """To `close_window`: what a worker recorded after its timed rounds.

    left_out: item of an op workload → why it could not be run
    """

    artefacts: list[Artefact]
    window: TracedSteps
    left_out: dict[str, str] = {}
