"""XPlane files of others: our numbers against xprof 2.24.2's own, recorded beside the files."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from places import TRACES
from reading import read

from dlprof.errors import TraceError

XPLANE = TRACES / "xplane"
pytestmark = pytest.mark.skipif(not XPLANE.is_dir(), reason=f"no recorded traces of others at {XPLANE}")

PS_PER_US = 1_000_000


def trace(name: str) -> pa.Table:
    return read(next((XPLANE / name).glob("*.xplane.pb")))[0]


def peer(name: str, tool: str) -> Iterator[dict[str, Any]]:
    """Rows of a recorded xprof table (Google's DataTable JSON); several tables follow each other in one list."""
    document = json.loads((XPLANE / name / "xprof-2.24.2" / f"{tool}.json").read_text())
    table = document[0] if isinstance(document, list) else document
    names = [column["id"] for column in table["cols"]]
    for row in table["rows"]:
        yield dict(zip(names, (cell and cell.get("v") for cell in row["c"]), strict=True))


def totals(events: pa.Table, *keys: str) -> dict[tuple[Any, ...], tuple[int, float]]:
    """(count, µs) per key."""
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    columns = [events[key].to_pylist() for key in keys]
    for *key, duration in zip(*columns, events["duration_ps"].to_pylist(), strict=True):
        cell = sums[tuple(key)]
        cell[0] += 1
        cell[1] += duration
    return {key: (count, ps / PS_PER_US) for key, (count, ps) in sums.items()}


def of(events: pa.Table, **wanted: str) -> pa.Table:
    for column, value in wanted.items():
        events = events.filter(pc.equal(events[column].cast(pa.string()), value))
    return events


def test_kernels_of_eight_v100s_are_counted_once_though_derived_lines_repeat_them() -> None:
    kernels = of(trace("tf2-8xV100"), level="kernel")
    assert kernels.num_rows == 1330
    assert pc.sum(kernels["duration_ps"]).as_py() == 29_690_748_000
    assert totals(kernels, "device", "stream") == {
        ("gpu:4", "Stream #134(Compute)"): (665, pytest.approx(14_825.385)),
        ("gpu:6", "Stream #142(Compute)"): (665, pytest.approx(14_865.363)),
    }


@pytest.mark.parametrize("name", ["tf2-8xV100", "jax-mi300x-conv"])
def test_kernel_times_equal_xprofs(name: str) -> None:
    ours = totals(of(trace(name), level="kernel"), "kernel")
    theirs: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0])
    for row in peer(name, "kernel_stats"):
        theirs[(row["kernel_name"],)][0] += row["occurrences"]
        theirs[(row["kernel_name"],)][1] += row["total_duration_us"]
    assert ours.keys() == theirs.keys()
    for key, (count, time) in theirs.items():
        assert ours[key] == (count, pytest.approx(time, rel=1e-6))


def test_copies_and_kernels_of_the_mi300x_are_as_many_as_xprof_says() -> None:
    events = trace("jax-mi300x-conv")
    kernels, copies = of(events, level="kernel"), of(events, level="copy")
    assert (kernels.num_rows, copies.num_rows) == (25, 53)
    assert pc.sum(kernels["duration_ps"]).as_py() == 3_586_493_000
    device_0 = sorted(
        zip(*(of(copies, device="gpu:0")[c].to_pylist() for c in ("start_ps", "duration_ps")), strict=True)
    )
    busy, reach = 0, 0
    for start, duration in device_0:
        busy += max(0, start + duration - max(start, reach))
        reach = max(reach, start + duration)
    assert busy == 889_028_000


def test_host_operator_times_equal_xprofs_framework_op_stats() -> None:
    ours = totals(of(trace("tf2-8xV100"), level="op", device="host"), "op_path", "kernel")
    rows = [row for row in peer("tf2-8xV100", "framework_op_stats") if row["type"] != "IDLE"]
    assert len(rows) == 499  # xprof shows its 500 greatest, idle time included
    for row in rows:
        _, time = ours[row["operation"], row["type"]]
        assert time == pytest.approx(row["total_time"], rel=1e-6)


def test_device_operator_times_equal_xprofs_framework_op_stats() -> None:
    ours = totals(of(trace("jax-mi300x-conv"), level="kernel"), "op_path")
    for row in peer("jax-mi300x-conv", "framework_op_stats"):
        if row["host_or_device"] == "Device" and row["type"] != "IDLE":
            # Counts differ on purpose: ours are the kernels in the file (15 for the convolution: Im3d2Col, GEMM and
            # transposition, 5 times each), xprof's merge neighbouring kernels of one operator (10).
            assert ours[(row["operation"],)][1] == pytest.approx(row["total_time"], rel=1e-6)


def test_every_kernel_of_the_v100s_points_at_the_host_event_that_launched_it() -> None:
    events = trace("tf2-8xV100")
    kernels = of(events, level="kernel")
    assert kernels["launch"].null_count == 0
    launchers = events.take(kernels["launch"])
    assert set(launchers["device"].to_pylist()) == {"host"}
    assert pc.all(pc.less(launchers["start_ps"], kernels["start_ps"])).as_py()


def test_a_file_that_a_text_conversion_destroyed_is_refused_with_its_offset() -> None:
    path = next((XPLANE / "corrupt").glob("*.pb"))
    with pytest.raises(TraceError, match="damaged at byte 27") as caught:
        read(path)
    assert path.name in caught.value.message
    assert "--repair" in (caught.value.hint or "")


def test_results_of_the_profile_plugin_are_refused_as_such() -> None:
    path = TRACES / "tf2-trace-json" / "8c859046be41.ant.amazon.com.overview_page.pb"
    with pytest.raises(TraceError, match="result of TensorBoard's profile plugin"):
        read(path)


def test_a_folder_of_others_files_beside_the_trace_reads_the_trace_alone() -> None:
    table, info = read(Path(XPLANE / "jax-mi300x-conv"))
    assert list(info.kinds.values()) == ["xplane"]
    assert table.num_rows == info.events


def of_xprof(original: Path, tool: str, folder: Path) -> list[dict[str, Any]]:
    """A table that xprof makes now, of a copy: it writes beside what it reads."""
    convert = pytest.importorskip("xprof.convert.raw_to_tool_data", reason="xprof, TensorBoard's profile plugin")
    path = folder / "t.xplane.pb"
    shutil.copyfile(original, path)
    table = json.loads(convert.xspace_to_tool_data([str(path)], tool, {})[0])
    table = table[0] if isinstance(table, list) else table
    names = [column["id"] for column in table["cols"]]
    return [dict(zip(names, (cell and cell.get("v") for cell in row["c"]), strict=True)) for row in table["rows"]]


GEMM = XPLANE / "jax-mi300x-gemm" / "tw003.xplane.pb"


@pytest.mark.parametrize("name", ["jax-mi300x-conv", "jax-mi300x-gemm"])
def test_instructions_times_categories_and_paths_equal_xprofs_hlo_stats(name: str, tmp_path: Path) -> None:
    ours: dict[tuple[str, str], list[Any]] = {}
    for row in of(trace(name), level="kernel").to_pylist():
        args = json.loads(row["args"] or "{}")
        if "hlo_op" in args:
            cell = ours.setdefault((str(args["program_id"]), args["hlo_op"]), [0, row["category"], row["op_path"]])
            cell[0] += row["duration_ps"]
    theirs = list(peer(name, "hlo_stats")) if name.endswith("conv") else of_xprof(GEMM, "hlo_stats", tmp_path)
    assert len(theirs) == len(ours) == (4 if name.endswith("conv") else 16)
    for row in theirs:
        time, category, path = ours[row["program_id"], row["hlo_op_name"]]
        assert time / PS_PER_US == pytest.approx(row["total_time"], rel=1e-6)
        assert category == row["category"]
        assert (path or "") == row["tf_op_name"].rstrip(":")


def test_a_tpus_times_and_categories_equal_xprofs_hlo_stats(tmp_path: Path) -> None:
    path = TRACES / "faults" / "tpu_sparsecore_megascale.xplane.pb"
    theirs = {row["category"]: row["total_time"] for row in of_xprof(path, "hlo_stats", tmp_path)}
    ours = {
        row["category"]: row["duration_ps"] / PS_PER_US
        for row in of(read(path)[0], device="tpu:0", level="kernel").to_pylist()
    }
    assert ours == theirs == {"convolution fusion": 600.0, "copy-done": 300.0}


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("xplane/jax-mi300x-conv/chi-mi300x-013.ord.vultr.cpe.ice.amd.com.xplane.pb", 3),
        ("xplane/jax-mi300x-gemm/tw003.xplane.pb", 3),
        ("faults/tpu_sparsecore_megascale.xplane.pb", 2),
    ],
)
def test_a_devices_operators_equal_xprofs_framework_op_stats_row_by_row(path: str, rows: int, tmp_path: Path) -> None:
    """Operators without a path go by their instruction there. Counts: its own are of operators, ours of kernels."""
    original = TRACES / path
    theirs = {
        row["operation"]: row
        for row in of_xprof(original, "framework_op_stats", tmp_path)
        if row["host_or_device"] == "Device" and row["type"] != "IDLE"
    }
    ours: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in read(original)[0].to_pylist():
        instruction = json.loads(row["args"] or "{}").get("hlo_op")
        if instruction is None and row["device"].startswith("tpu"):
            instruction = row["name"].lstrip("%").split()[0]
        works = row["level"] in ("kernel", "copy") and row["device"].startswith(("gpu", "tpu"))
        if works and (name := row["op_path"] or instruction):
            ours[name][0] += row["duration_ps"]
            ours[name][1] += row["self_ps"]
    assert ours.keys() == theirs.keys()
    assert len(theirs) == rows
    for name, (time, own) in ours.items():
        assert time / PS_PER_US == pytest.approx(theirs[name]["total_time"], rel=1e-9)
        assert own / PS_PER_US == pytest.approx(theirs[name]["total_self_time"], rel=1e-9)
