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


class TrialFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A finished trial.

    rounds: timed rounds of each group of items
    wall_s: how long it took, start of the processes included
    idle: side → CPU that its worker used while it had nothing to do, as a fraction of a core
    machine: what else the machine did; None where that was not measured
    """

    number: int
    rounds: list[int]
    wall_s: float
    idle: dict[SideName, float]
    machine: Disturbance | None


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
