"""Fuzzes what traces of PyTorch mean: documents of Kineto through the reader and the finishing pass, as a file is read.

    python tests/fuzz/fuzz_kineto.py --runs 500000   mutations of whole events
    python tests/fuzz/fuzz_kineto.py FILE…           replays finds

fuzz_json.py breaks the text; here it mostly stays one that a profiler could have written: small documents of several ranks,
accelerators, steps, modules, Python frames, collectives and memory, in which an event is moved, doubled, relabelled, put on
another thread or given another value. Each input is read, with --repair too if it is refused, and its names are asked; a third
goes through the finishing pass, which takes three times as long. A crash, an event lost without
a counter, a row that cannot be (a negative self time, a launch or parent that is none, calls below 0, a line that is none) or
an input that takes over two seconds is a find: it is kept below tests/fuzz/corpus_kineto.
"""

from __future__ import annotations

import random
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import msgspec  # noqa: E402  path set above
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from engine import Harness, MemorySource, main  # noqa: E402

from dlprof.errors import TraceError  # noqa: E402
from dlprof.frameworks import vocabularies  # noqa: E402
from dlprof.ingest.anomalies import Anomalies  # noqa: E402
from dlprof.ingest.batch import Pools  # noqa: E402
from dlprof.ingest.dialects import kineto_frames  # noqa: E402
from dlprof.ingest.dialects.kineto_categories import CATEGORIES, MEMORY_DEVICES  # noqa: E402
from dlprof.ingest.dialects.registry import reader_for  # noqa: E402
from dlprof.ingest.finish.finisher import Finisher, Place  # noqa: E402
from dlprof.ingest.reader import Context, Damaged  # noqa: E402

VOCABULARY = vocabularies()["pytorch"]
EPOCH = 1_700_000_000_000_000
Event = dict[str, Any]

FRAMES = [
    "train.py(30): step",
    "torch/nn/modules/module.py(1700): _call_impl",
    "/opt/lib/python3.11/site-packages/net/block.py(12): forward",
    "/opt/lib/python3.11/site-packages/torch/utils/data/x.py(1): f",
    "C:\\lib\\python3.9\\threading.py(973): _bootstrap",
    "threading.py(973): run",
    "<built-in function linear>",
    "<ipython-input-3>(4): <module>",
    "<string>(1): __init__",
    "a(b)(3): c(4): d",
    "x.py(99999999999999999999): f",
    "x.py(-1): f",
    "(1): f",
    "x.py(1): ",
    "x.py(1):",
    "x;y.py(1): f",
    "nn.Module: Linear_0",
    "nn.Module: ",
    "",
]
NAMES = [
    *FRAMES,
    "aten::mm", "aten::linear", "aten::addmm", "aten::conv2d", "aten::convolution", "aten::_convolution", "MyOwn::op",
    "autograd::engine::evaluate_function: AddmmBackward0", "autograd::engine::evaluate_function: ", "AddmmBackward0",
    "CompiledFunctionBackward", "Optimizer.step#SGD.step", "Optimizer.zero_grad#SGD.zero_grad", "ProfilerStep#3",
    "ProfilerStep#4", "ProfilerStep#99999999999999999999", "ProfilerStep#", "dlprof:step=2", "dlprof:item=a#1", "dlprof:forward",
    "enumerate(DataLoader)#_X.__next__", "record_param_comms", "nccl:all_reduce", "c10d::allreduce_", "gloo:broadcast",
    "ncclDevKernel_AllReduce_Sum_f32_RING_LL", "void vllm::cross_device_reduce_1stage<float, 2>", "forward", "## backward ##",
    "loss",
    "Torch-Compiled Region: 0/0", "triton_poi_fused_add_cos_sin_0", "graph_0_cpp_fused_0", "gemm", "Memset (Device)", "[memory]",
    "cudaLaunchKernel", "Ascend Hardware", "Communication", "\u00e9\u2028", "x" * 300,
]  # fmt: skip
STACKS = ["model.py(9): forward;train.py(4): <module>", ";;", FRAMES[1] + ";" + FRAMES[0], "a" * 500 + ";", FRAMES[8]]
HIERARCHIES = ["TOP(N)::forward.head(S)::forward.1(L)::forward", "TOP(N)::", ".(", "a(b)::" * 40, "SELF(N)::f.a(B)::f."]
NUMBERS = [
    0,
    1,
    2,
    3,
    7,
    -1,
    12,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    1.5,
    "1",
    "0x7f",
    "",
    None,
    True,
    [],
    {},
    "x",
]
TIMES = [0, 0.001, 1, 5, 9, 10, 20, 50, 200, 1e9, 9e14, -5, "7", "1e3", None, 2**70, 86_400_000_001]
ARGUMENTS = {
    "External id": NUMBERS, "correlation": NUMBERS, "device": NUMBERS, "stream": NUMBERS, "Sequence number": NUMBERS,
    "Fwd thread id": [0, 1, 2, "1", None], "Call stack": STACKS, "Module Hierarchy": HIERARCHIES,
    "Collective name": ["allreduce", "", 3],
    "Total Allocated": NUMBERS, "Device Type": [*MEMORY_DEVICES, *NUMBERS], "Device Id": NUMBERS, "bytes": NUMBERS,
    "flops": NUMBERS,
    "Input Dims": [[[2, 3], []], [], "x", None], "Input type": [["float", ""], []], "connection_id": NUMBERS,
    "Task Type": ["SDMA", "EVENT_WAIT_SQE", "AI_CORE", 3], "task type": ["SDMA", ""],
    "name": ["Ascend Hardware", "CANN", "HCCL", "python"],
    "labels": ["NPU 3", "NPU", ""],
}  # fmt: skip
PLACES = [
    0,
    1,
    2,
    7,
    100,
    200,
    "100",
    "[TP0] 0",
    "[TP1] 0",
    "[TP0] 9",
    "rank1 3",
    "CPU functions",
    "CUDA functions",
    "stream 7",
    "",
    -1,
]


def event(
    category: str | None, name: str, start: float, length: float, pid: Any = 100, tid: Any = 1, **args: Any
) -> Event:
    made: Event = {"ph": "X", "name": name, "pid": pid, "tid": tid, "ts": EPOCH + start, "dur": length, "args": args}
    return made if category is None else made | {"cat": category}


def step(pid: Any, device: Any, shift: float) -> list[Event]:
    """A training step of one process: modules, frames, a gradient on another thread, an optimizer, a collective, memory."""

    def op(name: str, start: float, length: float, number: int, tid: Any = 1, **args: Any) -> Event:
        return event("cpu_op", name, shift + start, length, pid, tid, **{"External id": number}, **args)

    def call(start: float, number: int, tid: Any = 1) -> Event:
        return event("cuda_runtime", "cudaLaunchKernel", shift + start, 1, pid, tid, correlation=number)

    def kernel(name: str, start: float, length: float, number: int) -> Event:
        place = {"device": 0, "stream": 7, "correlation": number, "External id": number}
        return event("kernel", name, shift + start, length, device, 7, **place)

    return [
        event("user_annotation", "ProfilerStep#3", shift, 200, pid),
        event("python_function", FRAMES[0], shift, 190, pid),
        event("python_function", "nn.Module: Net_0", shift + 1, 60, pid),
        event("python_function", FRAMES[2], shift + 2, 50, pid),
        op("aten::linear", 5, 40, 1, **{"Sequence number": 7, "Fwd thread id": 0, "Input Dims": [[2, 3], []]}),
        op("aten::addmm", 10, 30, 2), call(12, 2), kernel("gemm", 20, 30, 2),
        op("autograd::engine::evaluate_function: AddmmBackward0", 70, 40, 3, 2),
        op("AddmmBackward0", 72, 36, 4, 2, **{"Sequence number": 7, "Fwd thread id": 1}),
        op("aten::mm", 75, 20, 5, 2), call(76, 5, 2),
        kernel("gemm_tn", 85, 20, 5),
        op("c10d::allreduce_", 112, 20, 6), op("record_param_comms", 114, 10, 7, **{"Collective name": "allreduce"}),
        call(116, 7),
        kernel("ncclDevKernel_AllReduce_Sum_f32_RING_LL", 120, 20, 7),
        event("user_annotation", "Optimizer.step#SGD.step", shift + 150, 30, pid),
        op("aten::_foreach_add_", 155, 10, 8), call(156, 8),
        kernel("add", 160, 5, 8),
        event("gpu_memset", "Memset (Device)", shift + 170, 3, device, 7, device=0, stream=7, correlation=9),
        {"ph": "i", "name": "[memory]", "pid": pid, "tid": 1, "ts": EPOCH + shift + 30,
         "args": {"Total Allocated": 3072, "Device Type": 1, "Device Id": 0, "Bytes": 5}},
    ]  # fmt: skip


def documents() -> list[list[Event]]:
    """Traces of one process, of two steps, of merged ranks, of other accelerators, of msprof and of the legacy profiler."""
    named = [(1, "Python"), (2, "CANN"), (3, "Ascend Hardware"), (5, "HCCL"), (6, "Overlap Analysis")]
    names: list[Event] = [
        {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": text}} for pid, text in named
    ]
    names.append({"ph": "M", "name": "thread_name", "pid": 5, "tid": 0, "args": {"name": "Group 0 Communication"}})
    ascend = [
        event("cpu_op", "aten::mm", 0, 20, 1), event(None, "AscendCL@aclnnMatmul", 5, 8, 2, connection_id=77),
        event(None, "MatMulV2", 40, 100, 3, 2, connection_id=77), event(None, "hcom_allReduce__1", 150, 30, 5, 0),
        event(None, "Memcpy", 160, 20, 5, 2, **{"task type": "SDMA"}), event(None, "Computing", 40, 100, 6),
    ]  # fmt: skip
    others = [
        event(category, "run", 10 * at, 5, 0, 3, device=at % 3, stream=1, correlation=at, **{"External id": at})
        for at, category in enumerate(CATEGORIES)
    ]
    legacy = [event(None, "aten::mm", at, 134, "CPU functions") for at in (0, 200)]
    legacy += [event(None, "aten::mm", at + 50, 90, "CUDA functions", 0) for at in (0, 200)]
    stacked = [event("cpu_op", "aten::linear", 0, 9, **{"Call stack": STACKS[0], "Module Hierarchy": HIERARCHIES[0]})]
    return [
        step(100, 0, 0),
        [*step(100, 0, 0), *step(100, 0, 300)],
        [*step("[TP0] 100", "[TP0] 0", 0), *step("[TP1] 100", "[TP1] 0", 7)],
        [*step(100, 0, 0), *step(200, 1, 3)],
        [*names, *ascend],
        others,
        legacy,
        stacked,
    ]


_TEXTS = [msgspec.json.encode(document) for document in documents()]


def changed(events: list[Event], chance: random.Random) -> None:
    """One change of a document in place."""
    if not events:
        events.append(event("cpu_op", chance.choice(NAMES), 0, 5))
        return
    at = chance.randrange(len(events))
    one = events[at]
    what = chance.randrange(11)
    if what == 0:
        one["name"] = chance.choice(NAMES)
    elif what == 1:
        one["cat"] = chance.choice([*CATEGORIES, "new_engine", "", None])
    elif what == 2:
        near = chance.choice((EPOCH, 0, 10**18)) + chance.randrange(250)
        one[chance.choice(("ts", "dur"))] = near if chance.random() < 0.6 else chance.choice(TIMES)
    elif what == 3:
        one[chance.choice(("pid", "tid"))] = chance.choice(PLACES)
    elif what == 4:
        key = chance.choice(list(ARGUMENTS))
        args = one.setdefault("args", {})
        args[key] = chance.choice(ARGUMENTS[key])
    elif what == 5:
        events.insert(chance.randrange(len(events) + 1), {**one, "args": dict(one.get("args") or {})})
    elif what == 6:
        del events[at]
    elif what == 7:
        chance.shuffle(events)
    elif what == 8:
        one["ph"] = chance.choice(("X", "B", "E", "b", "e", "i", "C", "M", "s", "N"))
    elif what == 9:
        one.pop(chance.choice(list(one)))
    else:
        events.append(
            event(chance.choice(list(CATEGORIES)), chance.choice(NAMES), chance.randrange(250), chance.randrange(60))
        )
        events[-1]["tid"] = chance.choice(PLACES)


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """A document with some events changed; of a find, or now and then, some bytes too."""
    if chance.random() < 0.03:
        data = bytearray(chance.choice(pool))
        data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data)
    events = msgspec.json.decode(chance.choice(_TEXTS))
    for _ in range(chance.choice((1, 2, 3, 5, 12))):
        changed(events, chance)
        events = [one for one in events if isinstance(one, dict) and one]
    header = {"schemaVersion": 1, "distributedInfo": {"rank": chance.choice((0, 3, "1", -1))}}
    return msgspec.json.encode(header | {"traceEvents": events})


def seeds() -> list[bytes]:
    """The written documents and all finds."""
    written = [b'{"schemaVersion":1,"traceEvents":' + text + b"}" for text in _TEXTS]
    return [*written, *(path.read_bytes() for path in sorted(HARNESS.corpus.glob("*")))]


def check(table: pa.Table, anomalies: Anomalies) -> None:
    """What must hold of every table."""
    numbers = {name: table[name].to_numpy() for name in ("id", "start_ps", "duration_ps", "self_ps", "calls", "track")}
    assert (numbers["id"] == np.arange(table.num_rows)).all(), "ids out of order"
    assert (numbers["duration_ps"] >= 0).all(), "negative duration"
    assert (numbers["start_ps"] >= 0).all(), "negative start"
    assert (numbers["calls"] >= 0).all(), "negative calls"
    negative = numbers["self_ps"] < 0
    assert not negative.any() or anomalies.counts.get("partial_overlap"), "negative self time"
    assert (numbers["self_ps"] <= numbers["duration_ps"]).all(), "more self time than time"
    for name in ("launch", "parent"):
        found = table[name].drop_null().to_numpy()
        assert len(found) == 0 or (found.min() >= 0 and found.max() < table.num_rows), name
    lines = table["source_line"].cast(pa.string()).drop_null().unique().to_pylist()
    assert all(line.rpartition(":")[0] and line.rpartition(":")[2].isdigit() for line in lines), "a line that is none"


def read_one(data: bytes, repair: bool, finish: bool) -> bool:
    """Reads an input, through the finishing pass where asked; says whether it was refused. Raises on what must not happen."""
    anomalies = Anomalies()
    reader = reader_for("kineto")
    context = Context("memory", "memory", Pools(), anomalies, repair, reader.producer)
    finisher = Finisher(context.pools, anomalies)
    finished: list[pa.RecordBatch] = []
    rows, refused = 0, False
    resolve = partial(reader.operator, vocabulary=VOCABULARY)
    try:
        for batch in reader.read(MemorySource(data, anomalies, repair), context):
            rows += len(batch)
            if finish:
                finisher.add(batch, "memory")
    except TraceError:
        if repair:
            finisher.close()
            raise AssertionError("damage raised in spite of repair") from None
        refused = True
    except Damaged:
        assert repair, "the signal of repair without repair"
    try:
        if finish:
            places = {"memory": Place(context.host, context.rank, context.nested, context.run_steps)}
            shift = {"memory": -min(finisher.first_start.get("memory", 0), 0)}
            finisher.finish(resolve, shift, finished.append, places)
        else:
            for column in ("name", "lookup"):
                for text in context.pools.text[column].values_list:
                    resolve(text)
    finally:
        finisher.close()
    if finished:
        table = pa.Table.from_batches(finished)
        table.validate(full=True)
        assert table.num_rows + anomalies.counts.get("duplicate_event", 0) == rows, "events lost"
        check(table, anomalies)
    return refused


def one_input(data: bytes) -> None:
    """Reads an input, with --repair too where it is refused; each text in it is asked as a frame and as a stack."""
    finish = zlib.crc32(data) % 3 == 0
    if read_one(data, repair=False, finish=finish):
        read_one(data, repair=True, finish=finish)
    for text in data.decode(errors="replace").split('"')[1:24:2]:
        for found in (kineto_frames.line(text), kineto_frames.called_from(text)):
            assert found is None or found.rpartition(":")[2].isdigit(), "a line that is none"


LARGEST = 8_000
HARNESS = Harness(HERE / "corpus_kineto", LARGEST, one_input, seeds, mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
