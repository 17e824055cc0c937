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
on standard input, one JSON line back on standard output. In between the parent stops it (SIGSTOP) with all that it started:

    {"cmd": "parity", "out": "parity.npz"}           -> {"ok": true, "arrays": ["logits", "loss", "grad/conv1/w", …],
                                                        "missing": {item: why it cannot run}}
    {"cmd": "run", "item": "train_block", "iterations": 3, "timed": true}
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

from dlprof.protocol.documents import (
    PROTOCOL_VERSION,
    Artefact,
    CaptureRequest,
    CaptureResult,
    ChildFacts,
    DeviceRef,
    Epoch,
    Inputs,
    Status,
    Window,
    encode,
    read_result,
)
from dlprof.protocol.messages import (
    Answer,
    Burst,
    BusyThreads,
    CloseWindow,
    Command,
    Deferred,
    Done,
    EpochEnd,
    Event,
    OpenWindow,
    Parity,
    Phase,
    Quit,
    Ready,
    Recheck,
    Run,
    Said,
    Threads,
    Traced,
    TracedSteps,
    TracedWindow,
    Unable,
    Unprofiled,
    Walls,
)

__all__ = [
    "PROTOCOL_VERSION",
    "Answer",
    "Artefact",
    "Burst",
    "BusyThreads",
    "CaptureRequest",
    "CaptureResult",
    "ChildFacts",
    "CloseWindow",
    "Command",
    "Deferred",
    "DeviceRef",
    "Done",
    "Epoch",
    "EpochEnd",
    "Event",
    "Inputs",
    "OpenWindow",
    "Parity",
    "Phase",
    "Quit",
    "Ready",
    "Recheck",
    "Run",
    "Said",
    "Status",
    "Threads",
    "Traced",
    "TracedSteps",
    "TracedWindow",
    "Unable",
    "Unprofiled",
    "Walls",
    "Window",
    "encode",
    "read_result",
]
