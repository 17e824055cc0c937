"""What is read since traced windows, dlprof's own exports and readers of other packages are: hostile ones end in words."""

import json
import sys

import pytest
from installed import installed

from dlprof.ingest.dialects import registry


def own(folder, events, name="own.json", **metadata):
    """A file that says it is dlprof's own export."""
    head = [
        {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "p", "device": "cpu:0"} | metadata},
        {"ph": "M", "pid": 1, "tid": 1, "name": "thread_name", "args": {"name": "t", "track": 0, "stream": "s"}},
    ]
    other = {"exporter": "dlprof", "content": "capture"}
    file = folder / name
    file.write_text(json.dumps({"otherData": other, "traceEvents": [*head, *events]}))
    return file


def event(**args):
    return {"name": "Conv2D", "cat": "op", "ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 2, "args": {"id": 1} | args}


ODD = {
    "launches itself": [event(launch=1)],
    "launch each other": [event(launch=2), event(id=2, launch=1)],
    "stands for 2^62 calls": [event(op="Conv", occurrences=2**31 - 1, calls=2**62)],
    "stands for 2^62 executions": [event(op="Conv", occurrences=2**62)],
    "ids beyond int64": [event(id=2**70, launch=-(2**70), correlation=2**64)],
    "a phase that is none": [event(op="Conv", phase="\x1b[31m")],
    "a step below 0": [event(step=-1)],
    "a step of 40 digits": [event(step=10**40)],
    "an operator that is a list": [event(op=["Conv"])],
    "an operator of 100 000 letters": [event(op="C" * 100_000)],
    "fuses a thousand": [event(op="Conv", fuses=",".join(["Relu"] * 1000))],
    "fuses what is no name": [event(op="Conv", fuses=",,\x1b[31m,")],
    "a negative size": [event(bytes=-(2**63), flops=-1)],
    "arguments that are no object": [event() | {"args": [1, 2]}, event() | {"args": "x"}, event() | {"args": 7}],
    "a level that is none": [event() | {"cat": "\x1b[31m"}],
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_an_export_that_dlprof_never_wrote_is_read_or_refused(attack, tmp_path, what):
    file = own(tmp_path, ODD[what])
    for words in (
        ("show", file),
        ("show", file, "--by", "step"),
        ("export", file, "--to", "chrome", "-o", tmp_path / "o.json"),
    ):
        done = attack(*words)
        assert done.code == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr


PLACES = {
    "a rank beyond int64": {"rank": 2**70}, "a negative rank": {"rank": -1}, "a device that steers": {"device": "gpu:\x1b[31m"},
          "a host of 10 000 letters": {"host": "h" * 10_000}, "a device that is a number": {"device": 7}}  # fmt: skip


@pytest.mark.parametrize("what", PLACES)
def test_a_place_that_cannot_be_is_read_or_refused(attack, tmp_path, what):
    done = attack("show", own(tmp_path, [event()], **PLACES[what]), "--by", "device")
    assert done.code == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["dlprof!", "dlprof![", 'dlprof!["Conv", 7, 3, 2]', "dlprof!{}", 'dlprof!["a", null, "", 1e400]']
)
def test_a_name_like_what_an_export_states_is_a_name_in_another_file_of_the_run(attack, tmp_path, name):
    own(tmp_path, [event(op="Conv")])
    other = {"ph": "X", "cat": "cpu_op", "name": name, "pid": 1, "tid": 1, "ts": 5, "dur": 2}
    (tmp_path / "t.json").write_text(json.dumps({"schemaVersion": 1, "traceEvents": [other]}))
    done = attack("show", tmp_path)
    assert done.code == 0, done.stderr
    assert name[:16] in done.stdout


Q = "class R:\n producer = 'x'\n def read(self, s, c):\n  "
"""A reader up to what its `read` does; X and N: the codes of a track and of a name."""
X, N = "A([c.track('cpu:0', 's')])", "A([c.pool('name')['a']])"
GOOD = f"  yield B({X}, {N}, A([1]), A([1]))"
READERS = {
    "cannot be made": ("class R:\n def __init__(self): raise KeyError('no')", "cannot be made: KeyError"),
    "raises": (Q + "raise KeyError('no')\n  yield", "failed on"),
    "gives nothing to go over": (Q + "return 7", "TypeError"),
    "gives what is no batch": (Q + "yield 7", "it is int, not RawBatch"),
    "gives columns of two lengths": (Q + f"yield B({X}, {N}, A([1, 2]), A([1]))", "column track has not the 2 rows"),
    "gives codes that no pool has": (Q + f"yield B({X}, A([77]), A([1]), A([1]))", "column name holds"),
    "gives a track that is none": (Q + f"yield B(A([7]), {N}, A([1]), A([1]))", "column track holds"),
    "gives a negative duration": (Q + f"yield B({X}, {N}, A([1]), A([-1]))", "column duration_ps holds"),
    "gives lists": (Q + f"yield B([0], {N}, A([1]), A([1]))", "is no array of numbers"),
    "fails on a name": (
        f"class R:\n producer = 'x'\n def operator(self, n, v): raise KeyError('no')\n def read(self, s, c):\n{GOOD}",
        "failed on the name"),
    "says that a name is a text": (
        f"class R:\n producer = 'x'\n def operator(self, n, v): return 'Conv'\n def read(self, s, c):\n{GOOD}",
        "which is no Operator"),
}  # fmt: skip


@pytest.mark.parametrize("what", READERS)
def test_what_goes_wrong_in_another_packages_reader_is_told_as_its_own(attack, tmp_path, monkeypatch, what):
    code, said = READERS[what]
    site = tmp_path / "site"
    installed(site, "[dlprof.readers]\nrogue = rogue_reader:rogue\n")
    head = "from numpy import array as A\nfrom dlprof.ingest.batch import RawBatch as B\n"
    head += "from dlprof.ingest.reader import Format\n"
    (site / "rogue_reader.py").write_text(
        f"{head}{code}\ndef rogue(): return Format('rogue', lambda h: h.startswith(b'rogue'), R)\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "rogue_reader", raising=False)
    registry.others.cache_clear()
    try:
        (tmp_path / "t.rogue").write_text("rogue 1\n")
        done = attack("show", tmp_path / "t.rogue")
    finally:
        registry.others.cache_clear()
        sys.modules.pop("rogue_reader", None)
    assert done.code not in (0, 70), done.stdout
    assert "rogue" in done.stderr
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize("what", ["/", "no/such/python", "{tmp}/plain", "{tmp}/odd", "{tmp}/silent", ""])
def test_a_python_that_is_none_is_refused_in_words(attack, tmp_path, what):
    (tmp_path / "plain").write_text("not a program")
    for name, text in (("odd", "#!/bin/sh\nprintf '\\033[31m{{{'\n"), ("silent", "#!/bin/sh\nexit 0\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    python = what.replace("{tmp}", str(tmp_path))
    done = attack(
        "compare",
        "matmul",
        "--a",
        "tf",
        "--b",
        "mxnet",
        "--trials",
        1,
        "--python",
        f"a={python}",
        "-o",
        tmp_path / "out",
    )
    assert done.code not in (0, 70)
    assert done.stderr.startswith("error: ") or "error" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()
