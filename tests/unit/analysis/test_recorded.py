"""Analysis of real traces that others recorded: figures agree with what the peers' own tools say of the same files."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pytest
from places import TRACES

from dlprof import ingest, schema
from dlprof.analysis import columns
from dlprof.analysis.explain import ledger
from dlprof.analysis.same_work import traced_work
from dlprof.analysis.trace import breakdown, launches, occupancy, steps
from dlprof.frameworks import vocabularies

pytestmark = pytest.mark.skipif(not TRACES.is_dir(), reason=f"no recorded traces at {TRACES}")

BERT, FALCON, QWEN = (
    "gaunernst_bert-small-uncased__1016001",
    "Falconsai_nsfw_image_detection__1016002",
    "Qwen_Qwen1.5-0.5B-Chat__1016005",
)


@cache
def read(name):
    batches = []
    path = TRACES / name
    root = path if path.is_dir() else path.parent
    ingest.read([path], root=root, vocabularies=vocabularies(), sink=batches.append)
    return pa.Table.from_batches(batches, schema.EVENTS)


def linked_busy_and_span_ms(events):
    """TraceLens' rule: only GPU work whose correlation id is also on a runtime or driver call."""
    linked = columns.integers(launches.table(events), "id")
    rows = events.filter(pa.compute.is_in(events["id"], pa.array(linked)))
    (device,) = breakdown.view(rows, "device").to_pylist()
    return device["busy_ns"] / 1e6, device["span_ns"] / 1e6


@pytest.mark.parametrize(
    ("gpu", "model", "busy", "span"),
    [
        ("h100", FALCON, 1.225309, 7.55984),
        ("h100", QWEN, 31.905483, 34.89242),
        ("h100", BERT, 0.309438, 3.90782),
        ("mi300", FALCON, 1.716299, 6.86885),
        ("mi300", QWEN, 29.743928, 33.13133),
        ("mi300", BERT, 0.390749, 3.49598),
    ],
)
def test_busy_time_and_span_of_kineto_traces_equal_tracelens(gpu, model, busy, span):
    found = linked_busy_and_span_ms(read(f"kineto/{gpu}/{model}.json.gz"))
    # float microseconds in the file: a few ns per sum
    assert found == pytest.approx((busy, span), abs=2e-5)


def test_all_kernels_of_a_kineto_trace_sum_to_the_peers_figure():
    table = breakdown.view(read(f"kineto/h100/{QWEN}.json.gz"), "kernel").to_pylist()
    kernels = [row for row in table if not row["kernel"].startswith("Mem")]
    assert sum(row["count"] for row in kernels) == 1465
    assert sum(row["total_ns"] for row in kernels) == pytest.approx(45_432_698, abs=1000)


def test_kernels_of_the_tensorflow_xplane_equal_xprof_by_device():
    kernels = read("xplane/tf2-8xV100").filter(pa.compute.field("level") == "kernel")
    by_device = {row["device"]: row for row in breakdown.view(kernels, "device").to_pylist()}
    assert {device: row["count"] for device, row in by_device.items()} == {"gpu:4": 665, "gpu:6": 665}
    assert by_device["gpu:4"]["total_ns"] == pytest.approx(14_825_400, rel=1e-5)
    assert by_device["gpu:6"]["total_ns"] == pytest.approx(14_865_400, rel=1e-5)


def test_the_mxnet_gpu_trace_sums_to_the_true_half_of_its_records():
    shown = {
        row["device"]: row
        for row in breakdown.view(read("mxnet/gpu-mnist-2019/gpu_mnist_cnn_profile_output.json"), "device").to_pylist()
    }
    assert (shown["gpu:0"]["count"], shown["gpu:0"]["total_ns"]) == (105, 76_968_000)
    assert (shown["cpu:0"]["count"], shown["cpu:0"]["total_ns"]) == (130, 1_769_000)


def test_copies_of_the_jax_trace_are_busy_as_xprof_says():
    shown = {row["device"]: row for row in occupancy.devices(read("xplane/jax-mi300x-conv")).to_pylist()}
    assert shown["gpu:0"]["copy_ns"] == pytest.approx(889_028, rel=1e-5)


@pytest.mark.parametrize(
    ("trace", "queued"),
    [(f"kineto/h100/{BERT}.json.gz", 1), (f"kineto/h100/{FALCON}.json.gz", 4),
     ("kineto/hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz", 1022),
     ("kineto/resnet50-three-schemas/worker0.1623143566756.pt.trace.json.gz", 558)],
)  # fmt: skip
def test_the_longest_launch_queue_equals_that_of_hta(trace, queued):
    """HolisticTraceAnalysis 0.5, get_queue_length_summary, on the same files."""
    assert max(one.most_queued for one in launches.summaries(read(trace))) == queued


PAIRS = [
    (f"kineto/h100/{FALCON}.json.gz", f"kineto/mi300/{FALCON}.json.gz", 0.15),
    (f"kineto/h100/{BERT}.json.gz", f"kineto/mi300/{BERT}.json.gz", 0.05),
    (f"kineto/h100/{QWEN}.json.gz", f"kineto/mi300/{QWEN}.json.gz", 0.30),
    ("tf1-timeline/GPU/timeline_02_step_1.json", "tf1-timeline/GPU/timeline_02_step_2.json", 0.01),
    ("tf1-timeline/CPU/timeline_02_step_0.json", "tf1-timeline/CPU/timeline_02_step_2.json", 0.01),
    ("kineto/resnet50-three-schemas/worker0.pt.trace.json.gz",
     "kineto/resnet50-three-schemas/worker0.1623143089861.pt.trace.json.gz", 0.15),
    ("kineto/resnet50-three-schemas/worker0.1623143089861.pt.trace.json.gz",
     "kineto/resnet50-three-schemas/worker0.1623143566756.pt.trace.json.gz", 0.15),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "most"), PAIRS)
def test_pairs_align_with_a_small_unmatched_share_and_a_ledger_that_adds_up(a, b, most):
    left, right = read(a), read(b)
    found = ledger.build([left], [right])
    lines = found.ledger.lines
    assert sum(line.a_ns for line in lines) == found.ledger.a_wall_ns
    assert sum(line.b_ns for line in lines) == found.ledger.b_wall_ns
    assert sum(line.delta_ns for line in lines) == found.ledger.gap_ns
    assert max(found.alignment.a_unmatched, found.alignment.b_unmatched) <= most
    assert found.ledger.a_wall_ns == pytest.approx(steps.span(left).length / 1000 / max(found.ledger.a_steps, 1), abs=1)


def test_a_timeline_against_itself_has_no_findings_and_an_even_ledger():
    table = read("tf1-timeline/GPU/timeline_02_step_1.json")
    assert traced_work.traces(table, table) == ()
    assert all(line.delta_ns == 0 for line in ledger.build([table], [table]).ledger.lines)
