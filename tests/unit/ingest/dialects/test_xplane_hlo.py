"""The compiled modules in an XPlane: what they tell of instructions that events only name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hlo_bytes import Hlo, metadata_plane, module
from reading import read
from xspace_bytes import PlaneBytes, space

from dlprof import frameworks

OPTAX = "/site-packages/optax/_src/transform.py"
LOSSES = "/site-packages/keras/src/losses/losses.py"
SCRIPT = "/home/me/train.py"

FUSED = [
    Hlo("p", "parameter"),
    Hlo("dot.9", "dot", "jit(f)/jvp(Net)/wi/dot_general"),
    Hlo("r", "add", "jit(f)/jvp(Net)/wi/add"),
]
ENTRY = [
    Hlo("fusion.1", "fusion", "jit(f)/transpose(jvp(Net))/wi/add_any", kind="kLoop", calls=[1]),
    Hlo("fusion.2", "fusion", kind="kCustom", calls=[1]),
    Hlo("dot.3", "dot", "jit(f)/transpose(jvp(Net))/head/transpose"),
    Hlo("multiply.4", "multiply", "jit(f)/div", frame=2),
    Hlo("add.5", "add", "jit(f)/reduce_sum", frame=3),
    Hlo("sub.6", "subtract", "jit(f)/sub", frame=1),
    Hlo("copy.7", "copy"),
]
FRAMES = [(SCRIPT, 7, 0), (OPTAX, 674, 1), (LOSSES, 12, 1)]


def run(folder: Path, *planes: PlaneBytes) -> dict[str, dict[str, Any]]:
    """Rows by event name."""
    (folder / "t.xplane.pb").write_bytes(space(*planes))
    table, _ = read(folder / "t.xplane.pb", frameworks.vocabularies())
    return {row["name"]: row for row in table.to_pylist()}


def cpu(names: list[str], **stats: object) -> PlaneBytes:
    host = PlaneBytes("/host:CPU")
    host.line("tf_XLAEigen/1", [host.event(name, 10 * at, 5, hlo_op=(name,), **stats) for at, name in enumerate(names)])
    return host


def modules(**more: tuple[int, bytes]) -> PlaneBytes:
    return metadata_plane(jit_f=(7, module("jit_f", [FUSED, ENTRY], FRAMES)), **more)


def test_phase_layer_operator_and_category_come_from_the_module(tmp_path: Path) -> None:
    rows = run(tmp_path, modules(), cpu([hlo.name for hlo in ENTRY], program_id=7))
    columns = ("op", "fuses", "phase", "layer", "category", "kernel")
    assert {name: tuple(row[column] for column in columns) for name, row in rows.items()} == {
        "fusion.1": ("MatMul", "MatMul,Add", "backward", "wi", "loop fusion", "fusion"),
        "fusion.2": ("MatMul", "MatMul,Add", "forward", "wi", "custom fusion", "fusion"),
        "dot.3": ("MatMul", None, "backward", "head", "dot", "dot"),
        "multiply.4": ("Div", None, "optimizer", None, "multiply", "multiply"),
        "add.5": ("ReduceSum", None, "loss", None, "add", "add"),
        "sub.6": ("Sub", None, None, None, "subtract", "sub"),
        "copy.7": ("Copy", None, None, None, "data formatting", "copy"),
    }
    assert rows["dot.3"]["op_path"] == "jit(f)/transpose(jvp(Net))/head/transpose"


def test_the_line_of_the_program_is_the_innermost_that_the_module_states(tmp_path: Path) -> None:
    rows = run(tmp_path, modules(), cpu(["multiply.4", "add.5", "sub.6", "copy.7"], program_id=7))
    assert {name: row["source_line"] for name, row in rows.items()} == {
        "multiply.4": "optax/_src/transform.py:674",
        "add.5": "keras/src/losses/losses.py:12",
        "sub.6": "/home/me/train.py:7",
        "copy.7": None,
    }


@pytest.mark.parametrize(
    ("told", "line"), [("/home/me/gpu.py:3", "/home/me/gpu.py:3"), ("a network", "/home/me/train.py:7")]
)
def test_a_kernel_that_states_its_line_itself_is_believed(tmp_path: Path, told: str, line: str) -> None:
    gpu = PlaneBytes("/device:GPU:0")
    gpu.line("Stream #1", [gpu.event("kernel_1", 0, 5, hlo_op=("sub.6",), program_id=7, source=told)])
    assert run(tmp_path, modules(), gpu)["kernel_1"]["source_line"] == line


def test_a_module_is_found_by_its_name_where_the_event_has_no_program_id(tmp_path: Path) -> None:
    rows = run(tmp_path, modules(), cpu(["dot.3"], hlo_module=("jit_f",)))
    assert rows["dot.3"]["layer"] == "head"


def test_of_two_modules_with_one_name_none_is_guessed(tmp_path: Path) -> None:
    other = module("jit_f", [[Hlo("dot.3", "dot", "jit(f)/jvp(Net)/other/dot_general")]])
    plane = modules()
    plane.describe("jit_f(8)", **{"Hlo Proto": other, "program_id": 8})
    rows = run(tmp_path, plane, cpu(["dot.3"], hlo_module=("jit_f",)))
    assert (rows["dot.3"]["op"], rows["dot.3"]["layer"]) == ("MatMul", None)
    rows = run(tmp_path, plane, cpu(["dot.3"], program_id=8))
    assert rows["dot.3"]["layer"] == "other"


def test_an_instruction_that_no_module_has_is_called_after_its_name(tmp_path: Path) -> None:
    rows = run(tmp_path, modules(), cpu(["loop_tanh_fusion.3", "dot.12"], program_id=7))
    assert [(row["op"], row["fuses"], row["phase"]) for row in rows.values()] == [
        ("Fusion", "Tanh", None),
        ("MatMul", None, None),
    ]


def test_a_gpus_kernels_get_what_their_own_stats_do_not_say(tmp_path: Path) -> None:
    gpu = PlaneBytes("/device:GPU:0")
    gpu.line(
        "Stream #1(Kernel)",
        [
            gpu.event("k1", 0, 5, hlo_op=("fusion.1",), program_id=7, tf_op=("XlaModule:",)),
            gpu.event(
                "k2",
                9,
                5,
                hlo_op=("dot.3",),
                program_id=7,
                tf_op=("XlaModule:",),
                annotation=("jit(f)/jvp(Own)/x/dot_general",),
            ),
        ],
    )
    rows = run(tmp_path, modules(), gpu)
    assert (rows["k1"]["op"], rows["k1"]["phase"], rows["k1"]["layer"]) == ("MatMul", "backward", "wi")
    assert (rows["k1"]["kernel"], rows["k1"]["category"]) == ("k1", "loop fusion")
    assert (rows["k2"]["op"], rows["k2"]["layer"]) == ("MatMul", "x")


BEFORE = "jit(f)/transpose(jvp(Net))/head/dot_general"
"""The path that XLA gives to what it inserts behind a product."""
MOVED = {
    "all-reduce": "AllReduce",
    "all-gather-start": "AllGather",
    "reduce-scatter": "ReduceScatter",
    "ragged-all-to-all": "AllToAll",
    "collective-permute-done": "CollectivePermute",
}


def test_a_collective_is_one_whatever_the_path_of_the_operator_before_it(tmp_path: Path) -> None:
    entry = [Hlo(f"{opcode}.1", opcode, BEFORE) for opcode in (*MOVED, "copy", "copy-start", "dot")]
    entry.append(Hlo("fusion.1", "fusion", BEFORE, kind="kCustom", calls=[1]))
    fused = [Hlo("p", "parameter"), Hlo("a", "all-reduce", BEFORE), Hlo("s", "dynamic-slice", BEFORE)]
    rows = run(
        tmp_path,
        metadata_plane(jit_f=(7, module("jit_f", [fused, entry], []))),
        cpu([e.name for e in entry], program_id=7),
    )
    told = {name: (row["op"], row["phase"], row["layer"]) for name, row in rows.items()}
    assert told == {
        **{f"{opcode}.1": (op, "communication", "head") for opcode, op in MOVED.items()},
        "copy.1": ("Copy", "backward", "head"),
        "copy-start.1": ("Copy", "transfer", "head"),
        "dot.1": ("MatMul", "backward", "head"),
        "fusion.1": ("AllReduce", "communication", "head"),
    }


def test_a_tpus_collective_is_one_by_its_name_or_category_without_a_module(tmp_path: Path) -> None:
    tpu, names = PlaneBytes("/device:TPU:0"), []
    for opcode in MOVED:
        names.append(f"%{opcode}.1 = f32[8]{{0}} {opcode}(f32[8] %x)")
        tpu.describe(names[-1], f"{opcode}.1", tf_op=BEFORE, hlo_category=opcode)
    for name, category in (("fusion.1", "all-reduce-scatter fusion"), ("fusion.2", "convolution fusion")):
        names.append(f"%{name} = f32[8] fusion(x)")
        tpu.describe(names[-1], name, tf_op=BEFORE, hlo_category=category)
    tpu.line("XLA Ops", [tpu.event(name, 20 * at, 10) for at, name in enumerate(names)])
    rows = [(row["op"], row["phase"]) for row in run(tmp_path, tpu).values()]
    moved = [(op, "communication") for op in (*MOVED.values(), "ReduceScatter")]
    assert rows == [*moved, ("MatMul", "backward")]


@pytest.mark.parametrize("told", [{"hlo_op": "all-reduce-start.1", "hlo_module": "jit_step"}, {}])
def test_a_librarys_kernel_is_a_collective_in_both_forms_of_a_gpus_trace(tmp_path: Path, told: dict[str, str]) -> None:
    kernels = {"ncclDevKernel_AllReduce_Sum_f32_RING_LL(x)": told, "cutlass_gemm": {}, "ncclDevKernel_SendRecv(x)": {}}
    gpu = PlaneBytes("/device:GPU:0")
    gpu.line(
        "Stream #7(Compute)",
        [gpu.event(name, 20 * at, 10, tf_op=BEFORE, **more) for at, (name, more) in enumerate(kernels.items())],
    )
    named = [("process_name", None, "/device:GPU:0"), ("thread_name", 7, "Stream #7(Compute)")]
    events: list[dict[str, Any]] = [
        {"ph": "M", "pid": 1, "name": what, "args": {"name": name}} | ({} if tid is None else {"tid": tid})
        for what, tid, name in named
    ]
    for at, (name, more) in enumerate(kernels.items()):
        args = {"tf_op": BEFORE, **more}
        events.append({"ph": "X", "pid": 1, "tid": 7, "ts": 20 * at, "dur": 10, "name": name, "args": args})
    path = tmp_path / "t.trace.json"
    path.write_text(json.dumps({"displayTimeUnit": "ns", "metadata": {"highres-ticks": True}, "traceEvents": events}))
    plain, _ = read(path, frameworks.vocabularies())
    for rows in (list(run(tmp_path, gpu).values()), plain.to_pylist()):
        assert [(row["op"] or None, row["phase"]) for row in rows][:2] == [
            ("AllReduce", "communication"),
            ("MatMul", "backward"),
        ]
        assert rows[2]["phase"] == "communication"


def test_a_tpus_instruction_without_an_operator_gets_it_from_the_module(tmp_path: Path) -> None:
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line("XLA Ops", [tpu.event("%fusion.2 = f32[8]{0} fusion(f32[8] %p)", 0, 5)])
    tpu.describe("%fusion.2 = f32[8]{0} fusion(f32[8] %p)", "fusion.2", program_id=7, hlo_category="convolution fusion")
    (row,) = run(tmp_path, modules(), tpu).values()
    assert (row["op"], row["fuses"], row["layer"]) == ("MatMul", "MatMul,Add", "wi")
    assert row["category"] == "convolution fusion"


@pytest.mark.parametrize("damage", [b"\x0a\xff", b"\x0a\x04\x1a\x05\x12\x7f", b"\xff" * 12])
def test_a_damaged_module_is_counted_and_the_events_are_read(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "t.xplane.pb").write_bytes(space(metadata_plane(jit_f=(7, damage)), cpu(["dot.3"], program_id=7)))
    table, info = read(tmp_path / "t.xplane.pb", frameworks.vocabularies())
    assert table["op"].to_pylist() == ["MatMul"]
    assert info.anomalies["hlo_module_damaged"] == 1


def test_a_fusions_calls_are_read_packed_too(tmp_path: Path) -> None:
    entry = [Hlo("fusion.1", "fusion", kind="kLoop")]
    data = module("jit_f", [FUSED, entry])
    whole = entry[0].bytes(2000)
    assert data.count(whole) == 1
    packed = whole + b"\xb2\x02\x01\x01"
    data = module("jit_f", [FUSED, [_Raw(packed)]])  # type: ignore[list-item]
    rows = run(tmp_path, metadata_plane(jit_f=(7, data)), cpu(["fusion.1"], program_id=7))
    assert rows["fusion.1"]["layer"] == "wi"


class _Raw:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def bytes(self, id_: int) -> bytes:
        return self._data
