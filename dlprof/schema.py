"""The common per-kernel schema: every column of every stored table, declared once with type, unit, nullability, meaning.

Times are int64 **picoseconds relative to the trace's origin**, not nanoseconds: XPlane counts picoseconds, kernels of
100 ns exist, and rounding each of them would put sums off by more than the 1e-6 that we promise against other tools.
int64 picoseconds span 106 days. The origin (`origin_ns`, Unix epoch where the trace tells it) is in the table metadata
and in manifest.json; absolute time in ns = origin_ns + start_ps / 1000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

SCHEMA_VERSION: Final = 3
"""2 added host, rank and parent, and the phase communication; 3 added source_line. A table of an older version reads with null in
what it lacks."""

FURTHEST_PS: Final = 2**62
"""53 days: the latest start and the longest duration of a table, so that the sum of both fits."""

LEVELS: Final = ("api", "op", "kernel", "copy", "sync", "marker", "counter")
PHASES: Final = (
    "input",
    "forward",
    "loss",
    "backward",
    "optimizer",
    "transfer",
    "bookkeeping",
    "communication",
)

_TEXT: Final = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Arrow type, its unit ('' where it has none), whether it may be null, and what it means."""

    name: str
    type: pa.DataType
    unit: str
    nullable: bool
    meaning: str


EVENT_COLUMNS: Final = (
    Column("id", pa.int64(), "", False, "0-based position of the event in the capture's table"),
    Column("source", _TEXT, "", False, "file the event was read from, relative to the capture's raw/ folder"),
    Column(
        "host",
        _TEXT,
        "",
        True,
        "machine that recorded it, where the trace or its file's name tells: node0. Devices of two hosts are two devices",
    ),
    Column(
        "rank",
        pa.int64(),
        "",
        True,
        "rank of the recording process in a distributed job, where told. Devices of two ranks are two devices",
    ),
    Column(
        "device",
        _TEXT,
        "",
        False,
        "where it ran, counted within its host and rank: cpu:0, gpu:4, tpu:0, or host for CPU threads of a GPU trace",
    ),
    Column("stream", _TEXT, "", False, "stream or thread, as the producer named it"),
    Column(
        "track",
        pa.int32(),
        "",
        False,
        "small number of the (source, device, stream), unique in the capture; raw 64-bit thread ids break viewers",
    ),
    Column(
        "level",
        _TEXT,
        "",
        False,
        "api | op | kernel | copy | sync | marker | counter; on a CPU the operator's own "
        "execution is level op, on a GPU op is the host side and kernel/copy the device side",
    ),
    Column("name", _TEXT, "", False, "raw name, exactly as recorded"),
    Column("category", _TEXT, "", True, "raw category of the producer (chrome `cat`)"),
    Column("op", _TEXT, "", True, "canonical operator in ONNX terms; null where the vocabulary does not know the name"),
    Column("fuses", _TEXT, "", True, "comma list of canonical operators that one fused or bulked event executes"),
    Column("kernel", _TEXT, "", True, "what ran: GPU kernel name, or on a CPU the framework's own operator type"),
    Column("op_path", _TEXT, "", True, "the framework's path of the operator, such as forward/conv1/Conv2D"),
    Column("layer", _TEXT, "", True, "layer of the model, such as conv1"),
    Column(
        "source_line", _TEXT, "", True, "line of the user's program that it comes from, where recorded: model.py:42"
    ),
    Column(
        "phase",
        _TEXT,
        "",
        True,
        "input | forward | loss | backward | optimizer | transfer | bookkeeping | communication; the last is a class of "
        "its own, wherever it was called: work of this phase is neither compute nor a copy",
    ),
    Column("start_ps", pa.int64(), "ps", False, "start, relative to origin_ns"),
    Column("duration_ps", pa.int64(), "ps", False, "end minus start; 0 for instants and counters"),
    Column(
        "self_ps", pa.int64(), "ps", False, "duration minus the time of the events nested directly inside on its track"
    ),
    Column("step", pa.int64(), "", True, "step that a synchronised step marker assigns it to; null = unassigned"),
    Column("correlation", pa.int64(), "", True, "the producer's correlation id (launch ↔ kernel)"),
    Column(
        "launch",
        pa.int64(),
        "",
        True,
        "`id` of the event that launched it: for a kernel or copy its op, else its API call",
    ),
    Column(
        "parent",
        pa.int64(),
        "",
        True,
        "`id` of the innermost operator around this event on its own thread; null for one in no operator, on a device's "
        "stream, and in a table of schema 1",
    ),
    Column("occurrences", pa.int64(), "", False, "executions that the event stands for; 1 except in aggregated traces"),
    Column(
        "calls",
        pa.int64(),
        "",
        False,
        "calls of the canonical op that it stands for, so that their sum counts calls: 0 for a second part "
        "(TensorFlow splits one backward Conv into a filter and an input gradient), for an operator inside one of the "
        "same op (aten::convolution inside aten::conv2d) and for every further kernel of one call; else = occurrences",
    ),
    Column("shape", _TEXT, "", True, "input shapes as recorded"),
    Column("dtype", _TEXT, "", True, "element type as recorded"),
    Column("bytes", pa.int64(), "B", True, "bytes moved or accessed, where recorded"),
    Column("flops", pa.int64(), "", True, "floating-point operations, where recorded"),
    Column("value", pa.float64(), "", True, "value of a counter (level counter); its unit is the producer's"),
    # plain text, not a dictionary: arguments hardly ever repeat, and a dictionary of them doubled memory and took a fifth
    Column("args", pa.string(), "", True, "all further recorded arguments, as one JSON object"),
)

TIMING_COLUMNS: Final = (
    Column("trial", pa.int32(), "", False, "trial: a fresh worker of each side, in lockstep"),
    Column("side", _TEXT, "", False, "a | b; up to h in a comparison of several sides"),
    Column("item", _TEXT, "", False, "what was timed: train_block, epoch, matmul[size=50], …"),
    Column(
        "stage",
        _TEXT,
        "",
        False,
        "first_call | warmup | timed | epoch | compiled; the last is a timed burst in which a program was compiled, left out",
    ),
    Column("round", pa.int32(), "", False, "round within the trial; -1 outside the timed stage"),
    Column("position", pa.int32(), "", False, "0 = ran first in its round, 1 = second, …"),
    Column("iteration", pa.int32(), "", False, "iteration within the burst; 0 is dropped (order effects)"),
    Column("kept", pa.bool_(), "", False, "whether the estimate uses it"),
    Column("units", pa.int32(), "", False, "units of work in the iteration (training steps, items)"),
    Column("wall_ns", pa.int64(), "ns", False, "elapsed time, synchronised at the end"),
    Column("cpu_ns", pa.int64(), "ns", False, "CPU time of the worker's process meanwhile, all threads"),
    Column("start_ns", pa.int64(), "ns", False, "start of the iteration, Unix epoch"),
)

MONITOR_COLUMNS: Final = (
    Column(
        "t_ns",
        pa.int64(),
        "ns",
        False,
        "time of the sample since the run began; a resumed one goes on after its last sample",
    ),
    Column(
        "process", _TEXT, "", False, "child: name of its folder, trial-0-a, a-exact-1, …; its pid where it tells none"
    ),
    Column("pid", pa.int32(), "", False, "process id of the child; the figures are of it and all its descendants"),
    Column("cpu_percent", pa.float64(), "%", True, "CPU time since its last sample, 100 = one core; null in its first"),
    Column("rss_bytes", pa.int64(), "B", True, "resident memory"),
    Column("read_bytes", pa.int64(), "B", True, "bytes fetched from storage so far, page cache excluded"),
    Column("write_bytes", pa.int64(), "B", True, "bytes sent to storage so far"),
    Column(
        "gpu_percent",
        pa.float64(),
        "%",
        True,
        "time in which a kernel ran on the GPU, of all its users; null without NVML",
    ),
    Column("gpu_memory_bytes", pa.int64(), "B", True, "memory in use on the GPU, of all its users; null without NVML"),
    Column("gpu_power_w", pa.float64(), "W", True, "power drawn by the GPU; null where it does not tell"),
)

_OF_RANK: Final = (
    Column("run", _TEXT, "", False, "run within the data set, as in its folder run=…"),
    Column("rank", pa.int64(), "", False, "rank within the run, as in its folder rank=…"),
)

RANK_STEP_COLUMNS: Final = (
    *_OF_RANK,
    Column("step", pa.int64(), "", False, "step as the trace numbers it; 0 for the whole of a trace that marks none"),
    Column("start_ps", pa.int64(), "ps", False, "start, relative to the origin of the rank's trace"),
    Column(
        "end_ps", pa.int64(), "ps", False, "end; compute, communication, copy, input and host sum to end minus start"
    ),
    Column("compute_ps", pa.int64(), "ps", False, "some work ran that is neither a collective nor a copy"),
    Column("communication_ps", pa.int64(), "ps", False, "exposed: a collective was under way and nothing was computed"),
    Column("copy_ps", pa.int64(), "ps", False, "copies alone"),
    Column("input_ps", pa.int64(), "ps", False, "the step's input was read, or waited for"),
    Column("host_ps", pa.int64(), "ps", False, "none of these: launches, Python, sleep, whatever is not recorded"),
    Column("overlapped_ps", pa.int64(), "ps", False, "collectives beside one of the other parts; counted in that one"),
    Column("memory_bytes", pa.int64(), "B", True, "most memory allocated on its accelerator, else on the host"),
)

RANK_LINE_COLUMNS: Final = (
    *_OF_RANK,
    Column("step", pa.int64(), "", False, "step in which the event began"),
    Column("stream", _TEXT, "", False, "device and stream or thread, as in events"),
    Column("part", _TEXT, "", False, "compute | communication | copy"),
    Column("op", _TEXT, "", True, "canonical operator"),
    Column("time_ps", pa.int64(), "ps", False, "sum of self time"),
    Column("calls", pa.int64(), "", False, "sum of calls"),
    Column("bytes", pa.int64(), "B", True, "sum of bytes, where recorded"),
)

COLLECTIVE_COLUMNS: Final = (
    *_OF_RANK,
    Column("step", pa.int64(), "", False, "step in which the rank arrived"),
    Column("group", _TEXT, "", True, "process group, where recorded"),
    Column("members", pa.int64(), "", True, "ranks in the group, where recorded"),
    Column("op", _TEXT, "", False, "canonical operator: AllReduce, AllGather, …"),
    Column("sequence", pa.int64(), "", True, "number of the collective within its group, where recorded"),
    Column("stream", _TEXT, "", False, "device and stream or thread, as in events"),
    Column("start_ps", pa.int64(), "ps", False, "the rank's arrival, relative to the origin of its trace"),
    Column("end_ps", pa.int64(), "ps", False, "end on this rank"),
    Column(
        "exposed_from_ps",
        pa.int64(),
        "ps",
        False,
        "start of the longest stretch of it in which the rank did nothing else; end_ps where there is none",
    ),
    Column("exposed_until_ps", pa.int64(), "ps", False, "end of that stretch"),
    Column("bytes", pa.int64(), "B", True, "bytes that the rank puts in, where recorded"),
)

MOMENT_COLUMNS: Final = (
    *_OF_RANK,
    Column("time_ps", pa.int64(), "ps", False, "a step's start or end, or one of the times of a collective"),
    Column("compute_ps", pa.int64(), "ps", False, "compute from the first step's start until then"),
    Column("communication_ps", pa.int64(), "ps", False, "exposed communication until then"),
    Column("copy_ps", pa.int64(), "ps", False, "copies until then"),
    Column("input_ps", pa.int64(), "ps", False, "input until then"),
    Column("overlapped_ps", pa.int64(), "ps", False, "overlapped communication until then"),
)


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in columns])


EVENTS: Final = _schema(EVENT_COLUMNS)
TIMINGS: Final = _schema(TIMING_COLUMNS)
MONITORS: Final = _schema(MONITOR_COLUMNS)
RANK_STEPS: Final = _schema(RANK_STEP_COLUMNS)
RANK_LINES: Final = _schema(RANK_LINE_COLUMNS)
COLLECTIVES: Final = _schema(COLLECTIVE_COLUMNS)
MOMENTS: Final = _schema(MOMENT_COLUMNS)
"""Summaries of a rank's trace in a data set of ranks; how they are made: docs/formats.md."""
