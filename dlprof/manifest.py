"""What manifest.json holds, as typed values: one class for each object in it, and the form in which it is written.

Every fact that may be unknown has a default, so that a directory of an older dlprof is read by the same classes.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec

from dlprof import schema
from dlprof.names import LETTERS
from dlprof.protocol import ChildFacts, Epoch, Window
from dlprof.workload_shape import Layer

MANIFEST_VERSION: Final = 1

Kind = Literal["capture", "import", "compare", "ranking"]
SideName = Annotated[str, msgspec.Meta(pattern=f"^[{LETTERS}]$")]
"""Letter of a side."""
Margin = Annotated[float, msgspec.Meta(gt=0, lt=1)]
"""Half-width of the band around 1 in which a ratio counts as no difference."""


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


class Gpu(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A GPU of the machine, as NVIDIA's management library tells it; None for what this GPU or driver does not tell.

    Units are in the names. Clocks, power, temperature, memory in use and utilisation are those of one moment.
    index: in the order of the PCI bus
    unreadable: why nothing else is known
    clock_held_down_by: reasons, as the library names them
    memory_mib, compute: as nvidia-smi tells them, where there is no library
    uuid: never stored
    """

    index: int
    unreadable: str | None = None
    name: str | None = None
    uuid: str | None = None
    compute_capability: str | None = None
    memory_total_bytes: int | None = None
    sm_clock_max_mhz: int | None = None
    memory_clock_max_mhz: int | None = None
    sm_clock_applications_mhz: int | None = None
    power_limit_w: float | None = None
    persistence_mode: bool | None = None
    compute_mode: int | None = None
    ecc: bool | None = None
    mig: bool | None = None
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    power_w: float | None = None
    temperature_c: int | None = None
    memory_used_bytes: int | None = None
    utilisation_percent: int | None = None
    clock_held_down_by: list[str] | None = None
    driver: str | None = None
    driver_cuda: str | None = None
    memory_mib: str | None = None
    compute: str | None = None

    @property
    def lasting(self) -> Gpu:
        """What is the same at another moment."""
        return msgspec.structs.replace(
            self,
            sm_clock_mhz=None,
            memory_clock_mhz=None,
            power_w=None,
            temperature_c=None,
            memory_used_bytes=None,
            utilisation_percent=None,
            clock_held_down_by=None,
        )


class Machine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Facts of a machine at one moment (capture.machine.provenance), units in the names; what could not be read is None.

    load: over 1, 5 and 15 minutes
    threads: the thread variables that reached the child
    """

    cpu: str | None = None
    architecture: str | None = None
    cores_logical: int | None = None
    cores_physical: int | None = None
    cores_usable: int | None = None
    frequency_mhz: float | None = None
    governor: str | None = None
    memory_bytes: int | None = None
    memory_available_bytes: int | None = None
    os: str | None = None
    kernel: str | None = None
    virtualisation: str | None = None
    load: list[float] | None = None
    threads: dict[str, str] | None = None
    gpus: list[Gpu] | None = None


class Disturbance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What else a machine did during a trial; fractions are of all cores, pairs are before and after the trial.

    other_cpu: what programs beside dlprof and its children used
    steal: what the hypervisor took away
    frequency_mhz, temperature_c: None where the machine does not tell
    """

    wall_s: float
    load_1m: tuple[float, float]
    steal: float
    other_cpu: float
    context_switches_per_s: int
    frequency_mhz: tuple[float, float] | None = None
    temperature_c: tuple[float, float] | None = None


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


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One sitting of a comparison: when it began (UTC), and how many trials it finished."""

    created: str
    trials: int


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


class CaptureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one traced window was asked for.

    set: `--set` values
    differs: what the preset lets differ between the sides
    trial: the trial of a comparison whose workers recorded it after their timed rounds; unset for a run of its own
    """

    preset: str | None = None
    set: dict[str, Any] = {}
    max_steps: int | None = None
    threads: int | None = None
    differs: list[str] = []
    trial: int | msgspec.UnsetType = msgspec.UNSET


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What was imported.

    sources: names of the files
    repair: whether damaged ones were to be mended
    """

    sources: list[str] = []
    repair: bool = False


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found out of the work on both sides, as comparison.json states it (types: analysis.facts).

    parity: the differences
    agreement: how closely the sides agree, {} where that was not asked
    primitives: oneDNN's own account; None where it was not asked
    """

    parity: list[dict[str, str]] = []
    agreement: dict[str, Any] = {}
    primitives: dict[str, Any] | None = None


class LockstepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a comparison was made, and what going on with it needs.

    adaptive: whether the ratios decided when to stop; None in directories of an older dlprof
    stopped: why it ended early, '' where it did not
    ended: the warning that says so
    traces: trials that end with a traced window at most; None = all (of an older dlprof: traced runs a side)
    listed: the workload's items
    sessions: the sittings in which it was made
    work: what was found out of the work on both sides; unset in directories of an older dlprof, and of more than two sides
    works: the same of each pair of more than two sides, by their letters (ac); unset of two
    asked: the options of the command line (api.options.CompareOptions); None where it cannot be gone on with
    """

    budget_s: float | None = None
    trials: int | None
    precision: float | None = None
    margin: Margin
    traces: int | None = 1
    allow: list[str] = []
    method: str = "lockstep"
    adaptive: bool | None = None
    stopped: str = ""
    ended: str = ""
    listed: list[str] = []
    sessions: list[Session] = []
    work: Work | msgspec.UnsetType = msgspec.UNSET
    works: dict[str, Work] | msgspec.UnsetType = msgspec.UNSET
    asked: dict[str, Any] | None = None


class PublishedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison by the original study's method: repetitions within one process."""

    method: Literal["as-published"]
    repetitions: int
    margin: Margin
    trials: int


class ImportedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Others' table of timings.

    sources: name of the file
    layout: which column means what (ingest.timings_csv.Layout)
    """

    method: Literal["imported"]
    sources: list[str]
    layout: dict[str, Any]
    margin: Margin
    trials: int
    adaptive: bool


Options = CaptureOptions | ImportOptions | LockstepOptions | PublishedOptions | ImportedOptions
O_co = TypeVar("O_co", bound=Options, covariant=True)

_OF_KIND: Final[dict[str, type[Options]]] = {"capture": CaptureOptions, "import": ImportOptions}
_OF_METHOD: Final[dict[str, type[Options]]] = {"as-published": PublishedOptions, "imported": ImportedOptions}


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


def options_of(kind: str, method: str | None) -> type[Options]:
    """The class of a manifest's `options`."""
    return _OF_KIND.get(kind) or _OF_METHOD.get(method or "") or LockstepOptions


def without_empty(plain: dict[str, Any]) -> dict[str, Any]:
    """A manifest as read, with None for the objects that are {} where there is nothing to say."""
    emptied = {key: None for key in ("environment", "data") if plain.get(key) == {}}
    trials = plain.get("trials")
    if isinstance(trials, list):
        emptied["trials"] = [
            {**one, "machine": None} if isinstance(one, dict) and one.get("machine") == {} else one for one in trials
        ]  # type: ignore[assignment]
    return {**plain, **emptied}
