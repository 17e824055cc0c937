"""No name that dlprof reads can steer a terminal: not in an error, not in a report, not in a progress line."""

import json
import os
import pty
import subprocess
import sys

import pytest

from dlprof.report.text.layout import neutral

STEERING = ["\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x07", "\x9b31m", "\r", "\x08\x08", "\x7f", "\u202egnp.exe"]
"""Clear the screen, set the title, write the clipboard, colour by a C1 control, go back, turn the direction around."""


def steers(text: str) -> bool:
    return neutral(text) != text


@pytest.mark.parametrize("evil", STEERING)
@pytest.mark.parametrize("verb", ["show", "verify", "import", "report", "diff", "view", "plot", "export", "compare"])
def test_a_file_name_in_an_error_does_not_reach_the_terminal_raw(attack, tmp_path, monkeypatch, verb, evil):
    monkeypatch.chdir(tmp_path)
    name = f"no{evil}such.toml"
    more = {
        "report": ["-o", "x"],
        "import": ["-o", "x"],
        "diff": [name],
        "plot": ["--kind", "steps", "-o", "x.svg"],
        "export": ["--to", "json", "-o", "x"],
    }
    done = attack(verb, name, *more.get(verb, ()))
    assert done.code != 0
    assert not steers(done.stdout)
    assert not steers(done.stderr)
    assert evil.encode("unicode_escape").decode() in done.stderr.replace("'", "")


def test_a_name_cannot_pose_as_a_line_of_ours(attack):
    done = attack("show", "no\nhint: run this")
    assert done.stderr.splitlines()[1] == "  hint: run this: no such file or directory"


@pytest.mark.parametrize("evil", STEERING)
def test_names_of_a_trace_do_not_steer_the_terminal_in_any_report(attack, tmp_path, evil):
    events = [{"name": f"op{evil}", "cat": "cpu_op", "ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 2}]
    trace = tmp_path / f"t{evil}.json"
    trace.write_text(json.dumps({"traceEvents": events}))
    for words in (("show", trace), ("show", trace, "--by", "kernel"), ("show", trace, "--by", "device"),
                  ("show", trace, "--view", "slowest"), ("diff", trace, trace)):  # fmt: skip
        done = attack(*words)
        assert not steers(done.stdout), words
        assert not steers(done.stderr), words
    assert "op" in done.stdout


@pytest.mark.parametrize("evil", STEERING)
def test_a_result_that_states_steering_text_is_verified_without_it(attack, tmp_path, evil):
    manifest = {"kind": "capture", "dlprof_version": evil, "created": evil, "files": {f"a{evil}": {"sha256": evil}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    done = attack("verify", tmp_path)
    assert not steers(done.stdout)
    assert not steers(done.stderr)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_data_are_made_harmless_on_a_terminal_and_left_alone_in_a_pipe(attack, tmp_path, form):
    trace = tmp_path / "t.json"
    trace.write_text(
        json.dumps(
            {"traceEvents": [{"name": "op\x9b31m", "cat": "cpu_op", "ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 2}]}
        )
    )
    assert "\x9b" in attack("show", trace, "--format", form).stdout
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "dlprof", "show", str(trace), "--format", form]
    subprocess.run(command, stdout=follower, stderr=subprocess.DEVNULL, check=True)
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 65536):
            shown += piece
    except OSError:
        pass  # the end of a terminal whose other side is closed
    os.close(leader)
    assert "\x9b" not in shown.decode()
    assert "op\\u009b31m" in shown.decode()
