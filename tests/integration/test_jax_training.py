"""Training steps under JAX's profiler, a Flax transformer and a Keras network: the recordings, and captures made anew.

Every figure is held against a second reading of the file with none of dlprof's code (independent_hlo.py): XProf has no rows for
JAX on a CPU.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from independent_hlo import Executed, executed
from reading import read

from dlprof import frameworks
from dlprof.analysis.trace import steps

TRACES = Path(__file__).parents[2] / "traces"
RECORDED = {
    "flax": TRACES / "transformer-jax-flax" / "raw" / "flax.xplane.pb.gz",
    "keras": TRACES / "cnn-jax-keras" / "raw" / "keras.xplane.pb.gz",
}
LAYERS = {
    "flax": {
        f"layers_{block}/{part}"
        for block in (0, 1)
        for part in ("ln", "attention", "attention/query", "attention/key", "attention/value", "attention/out", "wi", "wo")
    } | {"Dense_0"},
    "keras": {"conv2d", "max_pooling2d", "dense", "dense_1"},
    "haiku": {
        f"block_{block}/{part}"
        for block in (0, 1)
        for part in ("ln", "attn", "attn/query", "attn/key", "attn/value", "attn/linear", "mlp/linear_0", "mlp/linear_1", "out")
    } | {"head"},
    "scan": {
        f"decoder/layers/{part}"
        for part in ("pre_norm", *(f"self_attention{name}" for name in ("", "/query", "/key", "/value", "/out")), "wi", "wo")
    } | {"decoder", "decoder/layers", "decoder/decoder_norm", "decoder/logits_dense", "token_embedder"},
    "vmap": {"encoder", "decoder", "sgd"},
    "sharded": {"mlp", "sgd"},
}  # fmt: skip

TRANSFORMATIONS = {
    *("jit", "pjit", "jvp", "transpose", "vmap", "shard_map", "custom_vjp_call", "custom_jvp_call"),
    *("checkpoint", "remat", "rematted_computation", "while", "body", "cond", "closed_call", "scan", "~"),
}
"""Parts of a name stack that no program wrote."""


def backward(path: str) -> bool:
    return "transpose(" in path or "rematted_computation" in path


def forward(path: str) -> bool:
    return "jvp(" in path and not backward(path)


def time_of(rows: pa.Table, mask: pa.Array) -> int:
    return pc.sum(rows.filter(mask)["duration_ps"]).as_py() or 0


def check(path: Path, program: str) -> None:
    table, info = read(path, frameworks.vocabularies())
    assert info.producer == "jax"
    assert "hlo_module_damaged" not in info.anomalies
    rows = table.filter(pc.equal(table["level"].cast(pa.string()), "op"))
    told = list(executed(path))
    assert rows.num_rows == len(told) > (50 if program in ("vmap", "sharded") else 100), "those two are small"
    assert pc.sum(rows["duration_ps"]).as_py() == sum(each.duration_ps for each in told)
    phases(rows, told)
    operators(rows, told)
    own_steps(table, rows, told)
    layers = set(rows["layer"].to_pylist())
    assert LAYERS[program] <= layers
    times_of_layers(rows, told, LAYERS[program])
    times_of_lines(rows, told)
    # A transformation, a loop's body or a class that stood in a layer's name would make two layers of one.
    assert not [name for name in layers if name and set(name) & set("()~<>")]


def phases(rows: pa.Table, told: list[Executed]) -> None:
    """Each phase's time equals that of the instructions whose own path says so, within 1 %.

    Those that XLA made itself have no path: dlprof places them by their neighbours, and what they compute is of the backward pass
    alone (the gradient of a convolution's filter, rewritten).
    """
    pathless = {each.start_ps for each in told if "/" not in each.op_name}
    placed = rows.filter(np.array([start in pathless for start in _starts(rows, rows, told)]))
    computed = placed.filter(pc.is_in(placed["op"].cast(pa.string()), pa.array(["Conv", "MatMul"])))
    assert set(computed["phase"].to_pylist()) <= {"backward"}
    rows = rows.filter(np.array([start not in pathless for start in _starts(rows, rows, told)]))
    phase = rows["phase"].cast(pa.string())
    for names, says in ((["backward"], backward), (["forward", "loss"], forward)):
        theirs = sum(each.duration_ps for each in told if says(each.op_name))
        assert theirs > 0
        assert time_of(rows, pc.is_in(phase, pa.array(names))) == pytest.approx(theirs, rel=0.01)
    network = sum(each.duration_ps for each in told if "/psum" in each.op_name)
    assert time_of(rows, pc.equal(phase, "communication")) == network
    updates = time_of(rows, pc.equal(phase, "optimizer"))
    rest = sum(each.duration_ps for each in told if not backward(each.op_name) and not forward(each.op_name))
    assert 0 < updates <= rest


def layer_in(path: str, layers: set[str]) -> str | None:
    """The deepest of the model's own layers that an instruction's name stack goes through, before its primitive."""
    scopes = [part for part in re.split(r"[/()]", path.rpartition("/")[0]) if part and part not in TRANSFORMATIONS]
    held = "/" + "/".join(scopes) + "/"
    return max((layer for layer in layers if f"/{layer}/" in held), key=len, default=None)


def times_of_layers(rows: pa.Table, told: list[Executed], layers: set[str]) -> None:
    """The time of each of the model's layers is that of the instructions whose name stacks go through it, within 1 %.

    The layers are those that the program's text names; what XLA made itself has no stack, and stands where its neighbours do.
    """
    stacks = [each for each in told if "/" in each.op_name]
    theirs: Counter[str] = Counter()
    for each in stacks:
        if (layer := layer_in(each.op_name, layers)) is not None:
            theirs[layer] += each.duration_ps
    assert set(theirs) == layers
    assert len({each.start_ps for each in told}) == len(told)
    named = {each.start_ps for each in stacks}
    ours: Counter[str] = Counter()
    for layer, start, time in zip(
        rows["layer"].to_pylist(), _starts(rows, rows, told), rows["duration_ps"].to_pylist(), strict=True
    ):
        if start in named and layer in layers:
            ours[layer] += time
    assert ours == pytest.approx(theirs, rel=0.01)


def times_of_lines(rows: pa.Table, told: list[Executed]) -> None:
    """The time of each line of the program is that of the instructions whose metadata state it, to the picosecond."""
    stating = {each.start_ps: each for each in told if each.source}
    assert len(stating) > len(told) / 2
    theirs: Counter[str] = Counter()
    ours: Counter[str] = Counter()
    for each in stating.values():
        theirs[re.sub(r".*/site-packages/", "", each.source)] += each.duration_ps
    for line, start, time in zip(
        rows["source_line"].to_pylist(), _starts(rows, rows, told), rows["duration_ps"].to_pylist(), strict=True
    ):
        if start in stating:
            ours[line] += time
    assert ours == theirs


def operators(rows: pa.Table, told: list[Executed]) -> None:
    """Products and convolutions are those that hold one, and no operator that the module names is an unnamed fusion."""
    op = rows["op"].cast(pa.string())
    for name, opcode in (("MatMul", "dot"), ("Conv", "convolution")):
        theirs = [each for each in told if opcode in each.opcodes]
        mine = rows.filter(pc.equal(op, name))
        assert mine.num_rows >= len(theirs)
        assert {each.start_ps for each in theirs} <= set(_starts(rows, mine, told))
    assert "Fusion" not in op.to_pylist()


def _starts(rows: pa.Table, mine: pa.Table, told: list[Executed]) -> list[int]:
    """Starts on the file's own clock: our table begins at its origin, so the first operators differ by that."""
    shift = min(each.start_ps for each in told) - pc.min(rows["start_ps"]).as_py()
    return (mine["start_ps"].to_numpy() + shift).tolist()


def own_steps(table: pa.Table, rows: pa.Table, told: list[Executed]) -> None:
    """Three steps, each with the operators of its own executions and no other's."""
    assert steps.table(table)["step"].to_pylist() == [0, 1, 2]
    run_of = dict.fromkeys(each.run_id for each in told)
    counts = np.unique(rows["step"].drop_null().to_numpy(), return_counts=True)[1]
    assert len(set(counts.tolist())) == 1
    assert counts.sum() * 10 >= 9 * rows.num_rows
    assert len(run_of) >= 3


@pytest.mark.parametrize("program", RECORDED)
def test_the_recorded_training_steps_equal_an_independent_reading(program: str) -> None:
    check(RECORDED[program], program)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("program", LAYERS)
def test_training_steps_captured_now_equal_an_independent_reading(
    jax_python: Path, tmp_path: Path, program: str
) -> None:
    subprocess.run([str(jax_python), str(TRACES / "jax_training.py"), program, str(tmp_path)], check=True)
    (written,) = tmp_path.rglob("*.xplane.pb")
    check(written, program)


def test_jaxs_json_alone_reads_like_its_xplane(tmp_path: Path) -> None:
    """The trace.json that JAX writes beside an XPlane, here made from it: same operators' time, count and steps."""
    table, info = read(RECORDED["flax"], frameworks.vocabularies())
    (tmp_path / "vm.trace.json").write_text(as_json(table))
    again, said = read(tmp_path / "vm.trace.json", frameworks.vocabularies())
    assert (info.producer, said.producer) == ("jax", "jax")
    for level in ("op", "marker"):
        mine, theirs = (each.filter(pc.equal(each["level"].cast(pa.string()), level)) for each in (table, again))
        assert mine.num_rows == theirs.num_rows > 0
        assert pc.sum(mine["duration_ps"]).as_py() == pc.sum(theirs["duration_ps"]).as_py()
        assert sorted(mine["step"].drop_null().to_pylist()) == sorted(theirs["step"].drop_null().to_pylist())


def as_json(table: pa.Table) -> str:
    """The chrome trace that XProf makes of a CPU's XPlane: times in µs, arguments as text."""
    import json

    events: list[dict[str, object]] = [{"ph": "M", "pid": 701, "name": "process_name", "args": {"name": "/host:CPU"}}]
    for row in table.select(["track", "name", "start_ps", "duration_ps", "args"]).to_pylist():
        event = {
            "ph": "X",
            "pid": 701,
            "tid": row["track"],
            "ts": row["start_ps"] / 1e6,
            "dur": row["duration_ps"] / 1e6,
            "name": row["name"],
        }
        args = {key: str(value) for key, value in json.loads(row["args"] or "{}").items() if not key.startswith("_")}
        events.append(event | ({"args": args} if args else {}))
    return json.dumps({"displayTimeUnit": "ns", "metadata": {"highres-ticks": True}, "traceEvents": [*events, {}]})
