"""CaptureRequest and CaptureResult, and the lockstep line protocol: all that parent and child say to each other.

The child is started as `<python> dlprof/runner/run.py CONTROL_DIR`. It reads CONTROL_DIR/request.json, writes artefacts
below CONTROL_DIR/raw/ and finally CONTROL_DIR/result.json (written to a temporary name, then renamed). JSON only. A child
that ends without result.json has crashed. Its standard output carries one JSON object per line (framework chatter is
redirected to standard error, which the parent keeps as CONTROL_DIR/stderr.log):

    {"event": "ready", "versions": {…}, "runtime": {…}, "items": […], "startup_ns": …}   task serve only: waits for commands
    {"event": "phase", "name": "warm-up"}                                               what it is doing, for progress
    {"event": "epoch", "epoch": 1, "of": 5, "wall_ns": …, "validation_accuracy": …}     task trace
    {"event": "done"}                                                                   result.json is in place

task `trace` runs the workload to its end under the profiler and exits. task `serve` answers commands, one JSON line each
on standard input, one JSON line back on standard output, doing nothing (no spinning threads) in between:

    {"cmd": "parity", "out": "parity.npz"}           -> {"ok": true, "arrays": ["logits", "loss", "grad/conv1/w", …],
                                                        "missing": {item: why it cannot run}}
    {"cmd": "run", "item": "train_block", "iterations": 3}
                                                     -> {"ok": true, "wall_ns": […], "cpu_ns": […], "start_ns": […], "units": 5}
    {"cmd": "recheck", "out": "recheck.npz", "seed": 7, "steps": 400}
                                                     -> {"ok": true, "arrays": […], "deferred": {item: share}}
    {"cmd": "open_window", "items": ["train_block"], "units": 48}
                                                     -> {"ok": true}: the profiler runs, writing below raw/
    {"cmd": "traced", "item": "train_block", "iterations": 5}, and the same with "unprofiled" before and after the window
                                                     -> {"ok": true, "wall_ns": […]}, of synchronised steps or calls
    {"cmd": "close_window"}                          -> {"ok": true, "artefacts": […], "window": {…}, "left_out": {…}}
    {"cmd": "quit"}                                  -> {"ok": true}, writes result.json, exits 0
    any failure                                      -> {"ok": false, "status": "failed", "message": …, "hint": …}

Items of a network workload: `train_block` (block_steps steps, one synchronisation at the end), `train_step_sync` (one step,
synchronised; reported beside it), `infer_block`. Items of an op workload: one per size, such as `matmul[size=50]`.
wall_ns is elapsed (perf_counter), cpu_ns is process_time (all threads), start_ns is Unix time.

Markers that the child puts into the framework's own trace (names.Marker parses them):
    dlprof:step=17            a synchronised training step: every op of the step ends inside (fidelity exact)
    dlprof:unsynced_step=17   a step as it runs natively: ops may end after it, so none is assigned to it by time
    dlprof:epoch=5            the traced epoch;  dlprof:item=matmul[size=50]@12   item 12 of an op workload (synchronised;
                              @ and not #, for TensorFlow cuts a name at its first #)
    dlprof:input, dlprof:forward, dlprof:loss, dlprof:backward, dlprof:optimizer, dlprof:sync   host phases inside a step
    dlprof:call               the code of a training step, which the phases from forward to optimizer lie in
    dlprof:gc                 a full collection of Python's garbage
"""

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


class TracedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `close_window`: what a worker recorded after its timed rounds; the window's times are the parent's to add.

    window: steps, synchronised, epoch and expected of a Window
    left_out: item of an op workload → why it could not be run
    """

    artefacts: list[Artefact]
    window: dict[str, Any]
    left_out: dict[str, str] = {}


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
