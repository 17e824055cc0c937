"""What a person sees: lines whose names steer nothing, and an estimate of the time that is left."""

from __future__ import annotations

import json
import time

import jsonschema
import pytest

from dlprof.cli.output import show
from dlprof.cli.terminal import Manner, Progress, in_manner, line, order, say
from dlprof.report.json import json_schema


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "monotonic", found)
    return found


def test_lines_go_to_standard_output_and_messages_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    line("result")
    say("message")
    assert capsys.readouterr() == ("result\n", "message\n")


def test_control_characters_of_a_name_are_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    line("op \x1b[31mred")
    say("file \x07bell")
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\x07" not in out + err
    assert "red" in out
    assert "bell" in err


def test_a_name_of_two_lines_cannot_pose_as_a_second_message(capsys: pytest.CaptureFixture[str]) -> None:
    say("error: a file called x\nerror: your disk is broken")
    assert capsys.readouterr().err == "error: a file called x\n  error: your disk is broken\n"


def test_a_stage_is_said_with_the_time_since_the_start(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        clock.now += 12.34
        progress.stage("trials", 60)
    assert capsys.readouterr().err == "[  12.3 s] trials\n"


def test_what_is_left_is_the_sum_of_the_stages_not_yet_used_up(clock: Clock) -> None:
    with Progress() as progress:
        progress.plan({"environments": 10, "trials": 100, "traces": 30})
        assert progress.remaining_s() == 140
        progress.stage("environments")
        clock.now += 4
        assert progress.remaining_s() == 136
        progress.stage("trials")  # sooner than guessed: the rest of the stage before is not waited for
        assert progress.remaining_s() == 130


def test_a_stage_that_takes_longer_than_guessed_does_not_eat_into_the_next(clock: Clock) -> None:
    with Progress() as progress:
        progress.plan({"trials": 100, "traces": 30})
        progress.stage("trials")
        clock.now += 500
        assert progress.remaining_s() == 30


def test_an_estimate_can_be_corrected_while_its_stage_is_under_way(clock: Clock) -> None:
    with Progress() as progress:
        progress.stage("trials", 100)
        clock.now += 50
        progress.expect(200)
        assert progress.remaining_s() == 200
        clock.now += 20
        assert progress.remaining_s() == 180


def test_details_are_for_terminals_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.detail("trial 3")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("server", "parted"), [("GITHUB_ACTIONS", True), ("TF_BUILD", True), ("NOTHING", False)])
def test_a_name_is_no_order_to_the_build_server_that_reads_the_output(
    server: str, parted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(server, "true")
    hostile = (
        "fine: a::b\n::error::made up\n  ::stop-commands::x\nabc ##[error]y ##vso[task.setvariable variable=a]b #1"
    )
    line(hostile)
    say(hostile)
    show(hostile)
    out, err = capsys.readouterr()
    for said in (out, err):
        lines = [one.strip() for one in said.splitlines()]
        assert ("::error::made up" in lines) is not parted
        assert any(one.startswith("::stop") for one in lines) is not parted
        assert ("##[" in said, "##vso[" in said) == (not parted, not parted)
        assert "fine: a::b" in lines
        assert "#1" in said
    order("::notice::ours")
    assert capsys.readouterr().err == "::notice::ours\n"


def test_progress_for_programs_is_one_object_a_line_that_fits_its_schema(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with in_manner(Manner(progress="jsonl")), Progress() as progress:
        progress.plan({"environments": 10, "trials": 100})
        progress.stage("environments")
        clock.now += 4
        progress.detail("uv pip install\n::error::x \u2029")
        progress.say("warning: busy")
        progress.stage("trials")
        progress.expect(40)
    out, err = capsys.readouterr()
    lines = [json.loads(one) for one in err.splitlines()]
    for one in lines:
        jsonschema.validate(one, json_schema("progress"))
    assert out == ""
    assert [one["event"] for one in lines] == ["plan", "stage", "detail", "said", "stage", "left"]
    assert lines[0]["stages"] == {"environments": 10, "trials": 100}
    assert [one["elapsed_s"] for one in lines] == [0, 0, 4, 4, 4, 4]
    assert (lines[2]["text"], lines[-1]["left_s"]) == ("uv pip install\n::error::x \u2029", 40)


def test_a_quiet_command_writes_no_progress_for_programs_either(capsys: pytest.CaptureFixture[str]) -> None:
    with in_manner(Manner(progress="jsonl", quiet=True)), Progress() as progress:
        progress.stage("trials", 10)
    assert capsys.readouterr().err == ""
