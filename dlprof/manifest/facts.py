"""What manifest.json states of a run beside its options: its trace, its trials, its environment, its data."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dlprof.manifest.machine import Disturbance
from dlprof.names import LETTERS

SideName = Annotated[str, msgspec.Meta(pattern=f"^[{LETTERS}]$")]
"""Letter of a side."""


class TraceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What ingest said of the trace.

    kinds: format of each file, by its path inside the directory
    producer: the framework (or tool) that recorded it
    origin_ns: Unix time of the table's zero; None where the trace has none
    events: rows of events.parquet
    anomalies: counters (ingest/anomalies.py)
    completeness, facts: what the file says of its own completeness and of its recording, in the file's own words
    """

    kinds: dict[str, str]
    producer: str
    origin_ns: int | None
    events: int
    anomalies: dict[str, int] = {}
    completeness: dict[str, Any] = {}
    facts: dict[str, Any] = {}


class Start(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came before the timed steps of a script's process, and what was compiled among them.

    seconds: from its start to where nothing but warm-up is left before the timed steps
    first_step: seconds from its start to the end of its first step; None where that was not seen
    first_call: ns of the call that was the first step; None where a step is no call
    early_ns: of the steps after the first
    compiled, compiling: programs until then, and seconds of that; None where the framework does not tell
    again: how many of them were compiled for further shapes of what was compiled before; None as above
    warming: programs that were compiled while it was warmed up
    timed, bursts, of: programs that were compiled in timed bursts, in so many of these, of how many
    left_out: those bursts have no part in the estimate
    """

    seconds: float
    first_step: float | None = None
    first_call: int | None = None
    early_ns: list[int] = []
    compiled: int = 0
    compiling: float | None = None
    again: int | None = None
    warming: int = 0
    timed: int = 0
    bursts: int = 0
    of: int = 0
    left_out: bool = False


class Used(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a side's processes used in a trial, up to the end of its timed steps.

    peak_bytes: peak resident memory, summed over its processes; None where it cannot be read
    joules: energy of the machine (or its processor and GPUs) a timed step; None where it was not asked for
    """

    peak_bytes: int | None = None
    joules: float | None = None


class TrialFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A finished trial.

    rounds: timed rounds of each group of items
    wall_s: how long it took, start of the processes included
    idle: side → CPU that its worker used while it had nothing to do, as a fraction of a core
    machine: what else the machine did; None where that was not measured
    starts: side → what came before its timed steps; unset where that is not told
    used: side → memory and energy; unset in directories of an older dlprof
    """

    number: int
    rounds: list[int]
    wall_s: float
    idle: dict[SideName, float]
    machine: Disturbance | None
    starts: dict[SideName, Start] | msgspec.UnsetType = msgspec.UNSET
    used: dict[SideName, Used] | msgspec.UnsetType = msgspec.UNSET


class Package(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An installed package.

    contents_sha256: over its files; None where that is not known
    """

    version: str
    contents_sha256: str | None = None


class EnvironmentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The Python environment that a child ran in.

    environment: its name
    locked: made from a hash-locked list
    digest: of that list
    """

    environment: str
    python: str
    locked: bool
    digest: str | None
    packages: dict[str, Package] = {}


class DataFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The data set that a run used.

    genuine: whether it is the published one, by its checksums
    sha256: of each file made from it
    """

    name: str
    source: str
    genuine: bool
    sha256: dict[str, str]
