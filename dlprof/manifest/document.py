"""manifest.json as a whole, and the form in which it is written.

Every fact that may be unknown has a default, so that a directory of an older dlprof is read by the same classes.
"""

from __future__ import annotations

from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from dlprof import schema
from dlprof.manifest.facts import DataFacts, EnvironmentFacts, TraceFacts, TrialFacts
from dlprof.manifest.machine import Machine
from dlprof.manifest.options import Options
from dlprof.protocol import ChildFacts, Epoch, Window
from dlprof.workload_shape import Layer

MANIFEST_VERSION: Final = 1

Kind = Literal["capture", "import", "compare", "ranking"]

O_co = TypeVar("O_co", bound=Options, covariant=True)


class File(msgspec.Struct, frozen=True):
    """A file of the directory: its size and its digest."""

    bytes: int
    sha256: str


class _Model(msgspec.Struct, frozen=True):
    """What analysis takes of a workload's `model`."""

    layers: list[Layer] = []


class Described(msgspec.Struct, frozen=True):
    """What analysis takes of a workload's description: its name and its layers (none for an op workload)."""

    name: str = ""
    model: _Model = _Model()


class Manifest(msgspec.Struct, Generic[O_co], frozen=True, kw_only=True):
    """manifest.json: what ran, where, with what.

    kind: capture (one traced window), import (files recorded elsewhere), compare (trials and captures of two sides), ranking
        (the same of more than two)
    complete: False for a run that was interrupted; what it had is there
    workload: the description that the child got; of a comparison one a side (a, b, …); {} for files from elsewhere
    options: how it was asked for, a class of its own for each kind and method
    child: what the child said of its run; all defaults where no child ran
    environment, data: None where there was none, and {} in the file
    sides: of a comparison, a, b and so on as asked for
    files: relative path → size and digest of raw files and tables
    """

    manifest_version: int = MANIFEST_VERSION
    schema_version: int = schema.SCHEMA_VERSION
    kind: Kind
    dlprof_version: str
    created: str
    command: list[str] = []
    complete: bool = True
    framework: str | None = None
    version: str | None = None
    device: str | None = None
    mode: str | None = None
    fidelity: str | None = None
    workload: dict[str, Any] = {}
    options: O_co
    seed: int | None = None
    environment: EnvironmentFacts | None = None
    machine: Machine = Machine()
    data: DataFacts | None = None
    child: ChildFacts = ChildFacts()
    trace: TraceFacts | None = None
    sides: dict[str, dict[str, str | None]] = {}
    trials: list[TrialFacts] = []
    warnings: list[str] = []
    files: dict[str, File] = {}

    @property
    def of_sides(self) -> bool:
        """Whether it is a comparison: of trials, with captures inside, and no capture itself."""
        return self.kind in ("compare", "ranking")

    @property
    def window(self) -> Window | None:
        """The traced window, as the child ran it; None for a trace from elsewhere."""
        return self.child.window

    @property
    def epochs(self) -> list[Epoch]:
        """The epochs that the child trained; none for a trace from elsewhere."""
        return self.child.epochs

    @property
    def described(self) -> Described:
        """Name and layers of the workload of a capture; empty for a trace from elsewhere."""
        return msgspec.convert(self.workload, Described)

    def encoded(self) -> bytes:
        """As JSON, indented: what a child did not say is left out, and no environment or data are {}."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        said = plain["child"] if self.kind == "capture" else {}
        plain["child"] = {key: value for key, value in said.items() if value not in ("", None)}
        for key in ("environment", "data"):
            plain[key] = plain[key] or {}
        for trial in plain["trials"]:
            trial["machine"] = trial["machine"] or {}
        return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def without_empty(plain: dict[str, Any]) -> dict[str, Any]:
    """A manifest as read, with None for the objects that are {} where there is nothing to say."""
    emptied = {key: None for key in ("environment", "data") if plain.get(key) == {}}
    trials = plain.get("trials")
    if isinstance(trials, list):
        emptied["trials"] = [
            {**one, "machine": None} if isinstance(one, dict) and one.get("machine") == {} else one for one in trials
        ]  # type: ignore[assignment]
    return {**plain, **emptied}
