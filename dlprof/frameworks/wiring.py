"""What a framework's wiring is made of: its names, its table of releases, and the files of its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlprof.frameworks import call_table, vocabulary
from dlprof.frameworks.release import Releases
from dlprof.plugin import CallTable, EnvSpec, Vocabulary


@dataclass(frozen=True, slots=True)
class Wiring:
    """A framework (plugin.Framework) of one table of releases. A framework is a dataclass of this with defaults for all fields.

    name, label, aliases, default_version, modes, producer, adapter: as in plugin.Framework
    releases: which releases it has, and the environment of each
    operators_file: its vocabulary (frameworks/vocabulary.py)
    calls_file: its calls of the operators that op workloads name (frameworks/call_table.py)
    """

    name: str
    label: str
    aliases: Sequence[str]
    default_version: str
    modes: Sequence[str]
    producer: str
    releases: Releases
    adapter: Path
    operators_file: Path
    calls_file: Path

    @property
    def versions(self) -> Sequence[str]:
        return self.releases.locked("cpu")

    @property
    def operators(self) -> Vocabulary:
        return vocabulary.read(self.operators_file)

    @property
    def calls(self) -> CallTable:
        return call_table.read(self.calls_file)

    def env(self, version: str, device: str) -> EnvSpec:
        return self.releases.env(version, device)
