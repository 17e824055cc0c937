"""What must not matter to a PyTorch trace: the order of its events, and whether its ranks lie in one file or in several."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_reading import Row, rows

EPOCH = 1_700_000_000_000_000
RECORDED = Path(__file__).parents[1] / "data" / "pytorch"
NAMES = ("aten::conv2d", "aten::convolution", "aten::mm", "aten::relu", "aten::linear", "my::op", "nccl:all_reduce")
WRAPS = (
    "autograd::engine::evaluate_function: MmBackward0",
    "Optimizer.step#SGD.step",
    "nn.Module: Linear_0",
    "forward",
    "stem",
    "train.py(7): step",
    "/lib/python3.11/site-packages/net/block.py(40): forward",
)

HEADER = {"schemaVersion": 1, "host_name": "a", "deviceProperties": [{"id": 0, "name": "GPU"}]}
"""Kineto lists the devices of the machine in each file, those of ranks that used none among them."""

_MEANING = ("host", "device", "stream", "op", "phase", "layer", "source_line", "step", "calls", "self_ps")

Events = list[dict[str, Any]]


@dataclass
class Writer:
    """Writes one rank as Kineto does: ids count from 1. clock: µs at which the next event may begin."""

    rank: int
    draw: st.DrawFn
    clock: int
    number: int = 0

    def __post_init__(self) -> None:
        self.events: Events = []
        self.free = self.clock + 1

    def write(self, category: str, name: str, start: int, end: int, pid: int, tid: int, **args: Any) -> None:
        event = {"ph": "X", "cat": category, "name": name, "pid": pid, "tid": tid}
        self.events.append(event | {"ts": EPOCH + start, "dur": end - start, "args": args})

    def gap(self) -> None:
        self.clock += self.draw(st.integers(0, 2))

    def operator(self, depth: int) -> None:
        """An operator, what it calls and what it launches."""
        self.number += 1
        name, own, start = self.draw(st.sampled_from(NAMES)), self.number, self.clock
        self.gap()
        for _ in range(self.draw(st.integers(0, 2)) if depth < 3 else 0):
            self.operator(depth + 1)
            self.gap()
        if self.draw(st.booleans()):
            self.launch(own)
        self.clock += self.draw(st.integers(1, 3))
        self.write("cpu_op", name, start, self.clock, 100 + self.rank, 1, **{"External id": own})

    def launch(self, operator: int) -> None:
        self.number += 1
        self.write("cuda_runtime", "cudaLaunchKernel", self.clock, self.clock + 1, 100 + self.rank, 1,
                   correlation=self.number, **{"External id": operator})  # fmt: skip
        self.clock += 1
        start = max(self.free, self.clock) + self.draw(st.integers(0, 3))
        self.free = start + self.draw(st.integers(1, 5))
        kernel = self.draw(st.sampled_from(("gemm", "relu", "ncclDevKernel_AllReduce_Sum")))
        self.write(
            "kernel", kernel, start, self.free, self.rank, 7, correlation=self.number, device=self.rank, stream=7
        )

    def wrapped(self) -> None:
        """A span around operators, as of autograd, an optimizer, a module or the user."""
        name, start = self.draw(st.sampled_from(WRAPS)), self.clock
        self.clock += 1
        self.operator(0)
        self.clock += 1
        frame = name.startswith("nn.Module") or "(" in name
        category = "cpu_op" if name.startswith("autograd") else "python_function" if frame else "user_annotation"
        ids = {}
        if category == "cpu_op":
            self.number += 1
            ids = {"External id": self.number}
        self.write(category, name, start, self.clock, 100 + self.rank, 1, **ids)

    def step(self, number: int) -> None:
        start = self.clock
        self.clock += 1
        for _ in range(self.draw(st.integers(1, 2))):
            self.wrapped() if self.draw(st.booleans()) else self.operator(0)
            self.gap()
        self.clock += 1
        self.write("user_annotation", f"ProfilerStep#{number}", start, self.clock, 100 + self.rank, 1)
        self.gap()


@st.composite
def ranks(draw: st.DrawFn, least: int = 1) -> list[Events]:
    """The events of one to three ranks that train a few steps, and work outside the steps."""
    found = []
    for rank in range(draw(st.integers(least, 3))):
        writer = Writer(rank, draw, draw(st.integers(0, 5)))
        for number in range(draw(st.integers(0, 2))):
            writer.step(number)
        writer.operator(0)
        found.append(writer.events)
    return found


def merged(every: list[Events], label: bool) -> Events:
    """All ranks in one list, each with process ids of its own."""
    return [
        event
        | {
            "pid": f"[TP{rank}] {event['pid']}"
            if label or isinstance(event["pid"], str)
            else 10**7 * rank + event["pid"]
        }
        for rank, events in enumerate(every)
        for event in events
    ]


def figures(files: dict[str, dict[str, Any]], order: random.Random | None = None) -> Counter[tuple[Any, ...]]:
    """What a trace says, without where it stands in a file: each event with its rank, place, meaning, time and relations."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, value in files.items():
            events = list(value["traceEvents"])
            if order is not None:
                order.shuffle(events)
            (folder / file).write_text(json.dumps(HEADER | value | {"traceEvents": events}))
        found, info = rows(folder)
    at = (info.origin_ns or 0) * 1000

    def told(row: Row) -> tuple[Any, ...]:
        return (row["rank"], row["name"], row["level"], at + row["start_ps"], row["duration_ps"])

    def related(row: Row) -> tuple[Any, ...]:
        others = (None if row[key] is None else told(found[row[key]]) for key in ("parent", "launch"))
        meaning = (row[key] for key in _MEANING)
        return (*told(row), *others, *meaning)

    assert [row["id"] for row in found] == list(range(len(found)))
    return Counter(related(row) for row in found)


def in_files(every: list[Events]) -> dict[str, dict[str, Any]]:
    return {
        f"rank{rank}.json": {"distributedInfo": {"rank": rank}, "traceEvents": events}
        for rank, events in enumerate(every)
    }


@settings(max_examples=40, deadline=None)
@given(ranks(), st.randoms(use_true_random=False))
def test_the_order_of_events_changes_no_figure(every: list[Events], order: random.Random) -> None:
    files = in_files(every)
    assert figures(files, order) == figures(files)


@settings(max_examples=40, deadline=None)
@given(ranks(least=2), st.booleans(), st.randoms(use_true_random=False))
def test_ranks_in_one_file_and_in_a_file_each_give_the_same_figures(
    every: list[Events], label: bool, order: random.Random
) -> None:
    apart = figures(in_files(every))
    assert figures({"all.json": {"traceEvents": merged(every, label)}}) == apart
    assert figures({"all.json": {"traceEvents": merged(every, label)}}, order) == apart


@pytest.mark.parametrize("name", ["plain", "everything"])
@pytest.mark.parametrize("label", [True, False])
def test_a_recording_gives_the_same_figures_shuffled_split_and_merged(name: str, label: bool) -> None:
    value = json.loads(gzip.decompress((RECORDED / f"{name}.pt.trace.json.gz").read_bytes()))
    value.pop("distributedInfo", None)
    # Without the marks of the profiler itself (its start and end), which belong to no process.
    events = [event for event in value["traceEvents"] if event.get("cat", "Trace") != "Trace" and event["ph"] in "Xi"]
    late = [event | {"ts": event["ts"] + 12.5} for event in events]
    head = {key: value[key] for key in value if key != "traceEvents"}
    apart = figures({
        f"rank{rank}.json": head | {"distributedInfo": {"rank": rank}, "traceEvents": one}
        for rank, one in enumerate((events, late))
    })  # fmt: skip
    assert {key[0] for key in apart} == {0, 1}
    for order in (None, random.Random(1)):
        assert figures({"all.json": head | {"traceEvents": merged([events, late], label)}}, order) == apart
