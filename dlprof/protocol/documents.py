"""What the child is asked (request.json) and what it leaves (result.json)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import msgspec

PROTOCOL_VERSION: Final = 1

Status = Literal["ok", "unsupported", "framework_missing", "failed"]


class DeviceRef(msgspec.Struct, frozen=True, kw_only=True):
    """A device: cpu:0, gpu:1."""

    kind: Literal["cpu", "gpu"] = "cpu"
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}"


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Files the parent has made for the child, the same for both sides (absolute paths, .npy/.npz).

    images: uint8 (n, rows, columns)
    labels: uint8 (n,)
    train: int32 (epochs, n_train) indices in training order, one row an epoch
    validation, test: int32 (n,)
    weights: float32 arrays `<layer>/w`, `<layer>/b`, in NHWC terms: Conv w is (rows, columns, in, out), Gemm w is
        (in, out) with `in` flattened from (rows, columns, channels)
    """

    images: str | None = None
    labels: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    weights: str | None = None


class CaptureRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the child shall do (request.json)."""

    protocol: int = PROTOCOL_VERSION
    task: Literal["trace", "serve"]
    framework: str
    adapter: str
    device: DeviceRef = DeviceRef()
    mode: str
    fidelity: Literal["exact", "native"] = "exact"
    workload: dict[str, Any]
    seed: int = 0
    epochs: int = 1
    max_steps: int | None = None
    threads: int | None = None
    inputs: Inputs = Inputs()
    options: dict[str, Any] = {}


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """A file the child wrote.

    kind: the format that its adapter has written (ingest/dialects/registry.py); the user is told where it reads as
        another
    path: relative to CONTROL_DIR
    """

    kind: str
    path: str


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of a trace task.

    losses: one float per step
    """

    epoch: int
    traced: bool
    steps: int
    wall_ns: int
    cpu_ns: int
    train_loss: float | None = None
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    losses: list[float] = []


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The traced window: steps in it, whether each step was synchronised, and what a reader must find there.

    expected: raw op name → executions per step that the child knows it asked for, where it knows
    untraced_step_ns: wall times of synchronised steps without the profiler, run in the same process just before and
        just after the window
    """

    steps: int
    synchronised: bool
    wall_ns: int
    epoch: int | None = None
    expected: dict[str, int] = {}
    untraced_step_ns: list[int] = []


class ChildFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a child said of its run, as far as a manifest keeps it; all defaults where no child ran.

    runtime: threads used, build features, environment variables that matter, seeds, in the adapter's own words
    first_call_ns: wall time of the first call, which compiles and allocates
    left_out: item of an op workload → why it could not be run
    """

    status: Status = "ok"
    message: str = ""
    hint: str = ""
    versions: dict[str, str] = {}
    runtime: dict[str, Any] = {}
    artefacts: list[Artefact] = []
    epochs: list[Epoch] = []
    window: Window | None = None
    first_call_ns: int | None = None
    warmup_steps: int = 0
    left_out: dict[str, str] = {}


class CaptureResult(ChildFacts, frozen=True, kw_only=True):
    """What the child did (result.json).

    status: required
    """

    protocol: int = PROTOCOL_VERSION
    status: Status
    traceback: str = ""

    def facts(self) -> ChildFacts:
        """What a manifest keeps of it."""
        return ChildFacts(**{name: getattr(self, name) for name in ChildFacts.__struct_fields__})


def encode(message: msgspec.Struct) -> bytes:
    """JSON of a message, indented for people who look into a control directory."""
    return msgspec.json.format(msgspec.json.encode(message), indent=1)


def read_result(path: Path) -> CaptureResult:
    """The child's result.json. Raises `msgspec.ValidationError` when it is not one."""
    return msgspec.json.decode(path.read_bytes(), type=CaptureResult)
