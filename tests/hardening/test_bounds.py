"""Work is bounded: absurd sizes are refused at once or shown in linear time, and pipes and devices are not waited for."""

import json
import os
import time

import pytest


def written(folder, events, name="t.json"):
    file = folder / name
    file.write_text(json.dumps({"traceEvents": events}))
    return file


def event(**fields):
    return {"name": "op", "cat": "cpu_op", "ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 2} | fields


@pytest.mark.parametrize("by", ["op", "kernel", "device"])
def test_names_of_ten_thousand_characters_are_shown_in_a_moment(attack, tmp_path, by):
    trace = written(tmp_path, [event(name=f"{i}" + "n" * 10_000, ts=i) for i in range(200)])
    attack("show", trace, "--rows", 1)
    began = time.process_time()
    done = attack("show", trace, "--by", by)
    assert done.code == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert time.process_time() - began < 4


@pytest.mark.parametrize(
    "axis", ["runs = 1000000000", "runs = 1000001", "seeds = [%s]", "runs = 200\nbatch_sizes = [%s]"]
)
def test_a_study_of_too_many_cells_is_refused_at_once(attack, tmp_path, axis):
    values = ", ".join(map(str, range(1, 20_000 if "seeds" in axis else 300)))
    study = tmp_path / "study.toml"
    told = axis.replace("%s", values)
    study.write_text(f'name = "s"\ntitle = "t"\n[[experiments]]\nname = "e"\nworkloads = "lenet"\n{told}\n')
    began = time.process_time()
    done = attack("run", study, "--dry-run")
    assert done.code == 2
    assert "a study at most 10000" in done.stderr
    assert time.process_time() - began < 5


@pytest.mark.parametrize(("experiments", "runs"), [(2, 6_000), (101, 100), (12_000, 1)])
def test_a_study_of_too_many_cells_in_all_is_refused_at_once(attack, tmp_path, experiments, runs):
    study = tmp_path / "study.toml"
    text = 'name = "s"\ntitle = "t"\n'
    for number in range(experiments):
        text += f'[[experiments]]\nname = "e{number}"\nworkloads = "lenet"\nruns = {runs}\n'
    study.write_text(text)
    began = time.process_time()
    done = attack("run", study, "--dry-run")
    assert done.code == 2
    last = 10_000 // runs
    told = f"experiments.e{last}.runs: the experiment has {runs} cells, those before it {last * runs}, and a study at most 10000"
    assert told in done.stderr.replace("\n", " ")
    assert time.process_time() - began < 10


VERBS = {
    "show": ("show", "{}"), "diff": ("diff", "{}", "{}"), "report": ("report", "{}", "-o", "out.html"),
    "import": ("import", "{}", "-o", "made"),
    "view": ("view", "{}"), "export": ("export", "{}", "--to", "json", "-o", "out.json"), "run": ("run", "{}"),
    "compare": ("compare", "{}"),
    "capture": ("capture", "{}", "--framework", "tf"), "plot": ("plot", "{}", "--kind", "steps", "-o", "x.svg"),
}  # fmt: skip


@pytest.mark.timeout(30)
@pytest.mark.parametrize("what", ["pipe", "/dev/zero", "/dev/random", "/dev/tty"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_pipe_or_device_is_refused_at_once(attack, tmp_path, monkeypatch, verb, what):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "in.toml"
    if what == "pipe":
        os.mkfifo(place)
    elif os.path.exists(what):  # noqa: PTH110
        place.symlink_to(what)
    else:
        pytest.skip(f"no {what} here")
    done = attack(*(word.format(place) for word in VERBS[verb]))
    assert done.code in (1, 2)
    assert "a pipe or device" in done.stderr


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["manifest.json", "comparison.json"])
@pytest.mark.parametrize("verb", ["show", "verify", "report", "compare"])
def test_a_pipe_in_a_directory_is_not_waited_for(attack, tmp_path, name, verb):
    if name == "comparison.json":
        (tmp_path / "manifest.json").write_text(json.dumps({"kind": "compare", "dlprof_version": "1", "created": "x"}))
    os.mkfifo(tmp_path / name)
    words = {"report": (tmp_path, "-o", tmp_path / "o.html"), "compare": ("--resume", tmp_path)}
    done = attack(verb, *words.get(verb, (tmp_path,)))
    assert done.code != 0


@pytest.mark.parametrize("rows", [0, -3, -(10**9)])
@pytest.mark.parametrize("more", [(), ("--view", "slowest"), ("--by", "kernel")])
def test_rows_that_are_none_are_refused(attack, tmp_path, rows, more):
    done = attack("show", written(tmp_path, [event()]), f"--rows={rows}", *more)
    assert done.code == 2
    assert f"--rows must be at least 1, not {rows}" in done.stderr


@pytest.mark.parametrize(
    "text",
    ["# A project\n\nIt does things.\n", "hello", "<html></html>", "name,time\na,1\n", "#!/bin/sh\n", "-----BEGIN"],
)
def test_a_text_that_is_no_trace_is_called_so(attack, tmp_path, text):
    file = tmp_path / "README.md"
    file.write_text(text)
    done = attack("show", file)
    assert done.code == 1
    assert "not a trace" in done.stderr
    assert text.splitlines()[0] in done.stderr


@pytest.mark.parametrize("form", ["json", "chrome", "csv", "parquet"])
def test_a_trace_without_an_origin_can_be_exported(attack, tmp_path, form):
    out = tmp_path / "out"
    assert attack("export", written(tmp_path, [event()]), "--to", form, "-o", out).code == 0
    if form == "json":
        assert json.loads(out.read_text())["origin_ns"] is None


@pytest.mark.parametrize("field", ["ts", "dur", "pid", "tid", "id", "args"])
@pytest.mark.parametrize(
    "value",
    [
        "1" + "0" * 400,
        "-1" + "0" * 30,
        "1e400",
        "1e308",
        "-1e308",
        "9223372036854775807",
        "18446744073709551616",
        "NaN",
    ],
)
def test_a_huge_number_is_an_error_or_an_anomaly(attack, tmp_path, field, value):
    file = tmp_path / "t.json"
    shown = f'{{"x": {value}}}' if field == "args" else value
    rest = "".join(f', "{k}": {json.dumps(v)}' for k, v in event().items() if k != field)
    file.write_text(f'{{"traceEvents": [{{"{field}": {shown}{rest}}}]}}')
    for words in (("show", file), ("export", file, "--to", "json", "-o", tmp_path / "o.json"), ("diff", file, file)):
        assert attack(*words).code in (0, 1)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "| head -1", ">/dev/full"])
@pytest.mark.parametrize("verb", ["show", "workloads", "frameworks", "show --format json", "show --format csv"])
def test_a_closed_output_is_no_fault_of_dlprof(tmp_path, attacked, verb, closed):
    import subprocess
    import sys

    attacked()
    trace = written(tmp_path, [event(name=f"op{i}", ts=i) for i in range(50)])
    name, *more = verb.split()
    words = " ".join([name, *([str(trace)] if name == "show" else []), *more])
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m dlprof {words} {closed}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    assert "itself failed" not in done.stderr


def test_a_calibration_that_cannot_end_is_refused_before_it_starts():
    from dlprof.api import calibrate
    from dlprof.errors import UsageError

    with pytest.raises(UsageError, match="--time 30s is too short: 12 trials are missing") as refused:
        calibrate._check_time(12, 30.0)
    assert "--time 60s" in refused.value.hint
    calibrate._check_time(12, 60.0)
    calibrate._check_time(-3, 1.0)


@pytest.mark.parametrize("what", ["folder", "trace", "nothing", "README", "pipe"])
def test_a_calibration_is_drawn_from_a_calibration_alone(attack, tmp_path, what):
    place = tmp_path / "calibration.json"
    if what == "folder":
        place.mkdir()
    elif what == "trace":
        written(tmp_path, [event()], place.name)
    elif what == "README":
        place.write_text("# no")
    elif what == "pipe":
        os.mkfifo(place)
    done = attack("plot", place, "--kind", "calibration", "-o", tmp_path / "x.svg")
    assert done.code == 1
    assert "calibration" in done.stderr


def _cpu_s(attack, file):
    began = time.process_time()
    done = attack("show", file, "--rows", 1)
    assert done.code == 0, done.stderr
    return time.process_time() - began


def test_twice_as_many_processes_take_about_twice_as_long(attack, tmp_path):
    def made(count):
        each = [event(pid=n, args={"External id": n}) | {"ts": n} for n in range(count)]
        return written(tmp_path, each, f"{count}.json")

    _cpu_s(attack, made(10))
    small, large = _cpu_s(attack, made(1_000)), _cpu_s(attack, made(8_000))
    assert large < 16 * small, "8 times as many took over 16 times as long"


def test_twice_as_many_planes_take_about_twice_as_long(attack, tmp_path):
    from xspace_bytes import PlaneBytes, space

    def made(count):
        planes = []
        for number in range(count):
            plane = PlaneBytes(f"/device:TPU:{number}")
            plane.line("XLA Ops", [plane.event("dot.1", number, 100)])
            planes.append(plane)
        file = tmp_path / f"{count}.xplane.pb"
        file.write_bytes(space(*planes))
        return file

    _cpu_s(attack, made(10))
    small, large = _cpu_s(attack, made(500)), _cpu_s(attack, made(4_000))
    assert large < 16 * small, "8 times as many took over 16 times as long"


def test_more_ranks_than_can_be_told_apart_are_refused_at_once(attack, tmp_path):
    each = []
    for rank in range(1_100):
        each.append(event(pid=f"rank{rank}", ts=rank, args={"External id": 1}))
        each.append(event(pid=f"gpu{rank}", cat="kernel", ts=rank, args={"External id": 1, "stream": 7}))
    done = attack("show", written(tmp_path, each))
    assert done.code == 1
    assert "1100 processes whose ids repeat" in done.stderr
    assert "at most 1024" in done.stderr


@pytest.mark.parametrize("where", ["/device:TPU:", "/host:"])
def test_planes_with_names_and_shapes_of_their_own_take_linear_time_too(attack, tmp_path, where):
    """What is known of a name must not be made anew for every plane."""
    from xspace_bytes import PlaneBytes, space

    def made(count):
        planes = []
        for number in range(count):
            plane = PlaneBytes(f"{where}{number}")
            told = {
                "shape": f"f32[{number}]",
                "hlo_op": f"dot.{number}",
                "program_id": number,
                "source": f"a.py:{number}",
            }
            plane.line("XLA Ops", [plane.event(f"a{number}/b:C{number}", number, 100, **told)])
            planes.append(plane)
        file = tmp_path / f"{count}.xplane.pb"
        file.write_bytes(space(*planes))
        return file

    _cpu_s(attack, made(10))
    small, large = _cpu_s(attack, made(250)), _cpu_s(attack, made(2_000))
    assert large < 16 * small, "8 times as many took over 16 times as long"
