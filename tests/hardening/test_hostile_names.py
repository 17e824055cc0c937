"""Names made to cost: what a careless pattern is quadratic on, numbers of thousands of digits, arguments nested to the limit."""

import json
import sys
import time

import pytest
from xspace_bytes import PlaneBytes, space

from dlprof.analysis.trace import row_keys
from dlprof.ingest.dialects import kineto_frames, kineto_names, mxnet_names, tf_timeline
from dlprof.ingest.finish import paths, ranks
from dlprof.ingest.source_lines import source_line
from dlprof.ingest.xplane import hlo_module, hlo_names, plane_names

LONG = 200_000
"""Characters: a pattern that is quadratic takes minutes for them, one that is linear milliseconds."""

READERS = {
    "a device of digits": lambda: plane_names.device("/device:CUSTOM:" + "1" * LONG + "x"),
    "a network of digits": lambda: plane_names.device("#Megascale" + "1" * LONG + "x"),
    "a type of letters": lambda: plane_names.dtype("a" * LONG),
    "an instruction of numbers": lambda: hlo_module.unnumbered(".1" * LONG + "x", "._"),
    "an instruction that is numbers": lambda: hlo_module.unnumbered("a" + ".1" * LONG, "._"),
    "a kernel of numbers": lambda: hlo_names.hlo_operator("_1" * LONG + "x", {}),
    "a line of folders": lambda: source_line("/site-package" * (LONG // 13)),
    "a frame of folders": lambda: kineto_frames.line("/lib/python/" * (LONG // 12) + "site-packages(1): f"),
    "a stack of frames": lambda: kineto_frames.called_from("torch/a.py(1): f;" * (LONG // 17)),
    "digits with a tail": lambda: kineto_names.last_number("1" * LONG + "a1"),
    "many digits": lambda: kineto_names.last_number("1a" * LONG),
    "a kernel that fuses a thousand": lambda: kineto_names.operator("triton_poi_fused_" + "a_" * (LONG // 100) + "0", {}),
    "a collective of lines": lambda: kineto_names.operator("ccl::a" * (LONG // 6) + "\n", {}),
    "a process of brackets": lambda: ranks._prefix("[" * LONG),
    "a copy of brackets": lambda: row_keys._without_kinds(" (" * LONG + "x"),
    "a path of calls": lambda: paths.place("jvp(" * (LONG // 100) + ")" * (LONG // 100)),
    "a path of scopes": lambda: paths.place("a_1/" * (LONG // 4) + "Conv2D"),
    "a path of numbers": lambda: paths.place("_1" * LONG + "/x"),
    "a process of jobs": lambda: tf_timeline.place("/job:" + "/cpu:1" * (LONG // 6)),
    "an operator of MXNet": lambda: mxnet_names.backward_operator("_backward_" * (LONG // 10), {}),
    "a bulk of MXNet": lambda: mxnet_names.bulk_operator("[" + "Convolution," * (LONG // 12), {}),
}  # fmt: skip


@pytest.mark.parametrize("what", READERS)
def test_a_name_made_to_cost_is_read_in_linear_time(attacked, what):
    attacked()
    began = time.process_time()
    READERS[what]()
    assert time.process_time() - began < 1.5


DIGITS = "9" * 5_000
"""More than Python makes a number of."""

NAMES = [
    f"/device:GPU:{DIGITS}", f"/device:TPU:{DIGITS}", f"/device:TPU:0 SparseCore {DIGITS}", f"/device:CUSTOM:x{DIGITS}",
    f"#Megascale{DIGITS}#", f"/job:a/gpu:{DIGITS} Compute", f"/gpu:{DIGITS}/stream:{DIGITS}", f"rank{DIGITS}", f"[TP{DIGITS}] 7",
    f"{DIGITS}", f"cpu/{DIGITS}", "rank²", "²", "٣", f"ProfilerStep#{DIGITS}", f"dlprof:step={DIGITS}", f"dlprof:item=a@{DIGITS}",
    f"GPU {DIGITS}", f"NPU {DIGITS}", f"Plane {DIGITS}", f"/device:CUSTOM:{DIGITS}²",
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(NAMES)))
def test_a_number_of_thousands_of_digits_in_a_name_is_no_fault(attack, tmp_path, at):
    name = NAMES[at]
    plane = PlaneBytes(name)
    plane.line(name, [plane.event(name, 0, 5, hlo_op=name, tf_op=f"{name}:A", correlation_id=3)])
    file = tmp_path / "t.xplane.pb"
    file.write_bytes(space(plane))
    assert attack("show", file).code in (0, 1)
    for number, kind in enumerate(HEADS):
        made = tmp_path / f"{number}.json"
        made.write_text(json.dumps(trace(kind, name)))
        assert attack("show", made).code in (0, 1), kind
        assert attack("show", made, made).code in (0, 1, 2), kind


HEADS = {
    "chrome": {},
    "kineto": {"schemaVersion": 1, "deviceProperties": [{"id": 0}]},
    "timeline": {},
    "tf": {"highres-ticks": True},
    "mxnet": {},
    "own": {"otherData": {"exporter": "dlprof", "content": "capture"}},
}


def trace(kind, name):
    """A trace of two processes of that name, as one producer or another writes them."""
    job = "/job:localhost/replica:0/task:0/device:CPU:0 Compute" if kind == "timeline" else name
    events = [{"ph": "M", "name": "process_name", "pid": pid, "args": {"name": job if pid else name}} for pid in (0, 1)]
    if kind == "mxnet":  # what it is told by
        events.append({"ph": "M", "name": "process_name", "pid": 9, "args": {"name": "cpu/0"}})
    more = {"External id": 1, "correlation": 1, "stream": 7, "name": name, "op": "Conv2D"}
    events += [
        {"ph": "X", "name": name, "cat": category, "pid": pid, "tid": name, "ts": 1, "dur": 5, "args": more}
        for pid in (0, 1)
        for category in ("cpu_op", "kernel", "user_annotation")
    ]
    return {**HEADS[kind], "traceEvents": events}


@pytest.mark.parametrize("digits", ["f" * 5_000, "0" * 50 + "1", "7f", "f" * 16, "f" * 17])
def test_a_hex_number_of_any_length_is_mended(attack, tmp_path, digits):
    file = tmp_path / "t.json"
    file.write_text(
        '[{"ph": "X", "name": "a", "pid": 1, "tid": 1, "ts": 1, "dur": 2, "args": {"x": 0x' + digits + "}}]"
    )
    done = attack("show", file)
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("kind", HEADS)
def test_arguments_nested_to_the_limit_of_python_are_read_or_refused(attack, tmp_path, kind):
    """What the first decoder just takes is too deep for the next, which is called from further inside."""
    file = tmp_path / "t.json"
    start = json.dumps(trace(kind, "Conv2D"))[:-2]

    def takes(*depths):
        deep = [
            f'{{"ph": "{ph}", "name": "{name}", "cat": "cpu_op", "pid": 1, "tid": 1, "ts": {depth}, "dur": 1, "args": '
            f'{{"a": {"[" * depth}{"]" * depth}}}}}'
            for depth in depths
            for ph, name in (("X", "Conv2D"), ("C", "bytes"), ("M", "thread_name"))
        ]
        file.write_text(",".join([start, *deep]) + "]}")
        done = attack("show", file)
        assert done.code == 0 or "less deeply nested" in done.stderr
        return done.code == 0

    low, high = 10, sys.getrecursionlimit()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if takes(middle) else (low, middle)
    assert takes(*range(low - 40, low + 1))
    assert not takes(high)


def test_a_name_of_a_file_that_is_no_utf_8_is_no_fault(attack, tmp_path):
    file = tmp_path / "t\udcff\x1b[31m.json"
    file.write_text(json.dumps(trace("kineto", "Conv2D")))
    forms = [("export", file, "--to", to, "-o", f"{tmp_path}/{to}") for to in ("chrome", "json", "csv", "parquet")]
    for words in (
        ("show", file),
        ("diff", file, file),
        ("report", file, "-o", f"{tmp_path}/o.html"),
        *forms,
        ("import", file, "-o", f"{tmp_path}/made"),
        ("show", f"{tmp_path}/made"),
        ("verify", f"{tmp_path}/made"),
    ):
        done = attack(*words)
        assert done.code == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr, words
    for words in (
        *forms,
        ("report", file, "-o", "x"),
        ("import", file, "-o", "x"),
        ("export", file, "--to", "tensorboard", "-o", "x"),
    ):
        done = attack(*words[:-1], f"{tmp_path}/o\udcff")
        assert done.code == 2
        assert "no UTF-8, which the name of an output must be" in done.stderr
