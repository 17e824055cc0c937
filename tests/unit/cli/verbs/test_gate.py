"""`dlprof gate`: the base is side A, the head side B, and what cannot be is said before anything runs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

from dlprof.cli import forge, scripts
from dlprof.cli.main import build_parser, main
from dlprof.cli.verbs import compare, gate
from dlprof.errors import UsageError
from dlprof.units import parse_allowed


def parsed(*argv: str) -> argparse.Namespace:
    """What `dlprof compare` would be asked for."""
    argv, command = (argv[: argv.index("--")], list(argv[argv.index("--") + 1 :])) if "--" in argv else (argv, None)
    arguments = build_parser("gate").parse_args(["gate", *argv])
    arguments.command = command
    return gate.comparison(arguments)


def test_a_revision_another_python_and_other_packages_are_the_base_of_a_script():
    found = parsed("--base", "main", "--", "python", "train.py", "--lr", "0.1 x")
    assert (found.a, found.b) == ("python train.py --lr '0.1 x'",) * 2
    assert (found.a_rev, found.b_rev) == ("main", None)
    found = parsed("--base-python", "v/bin/python", "--base-with", "jax==0.9.0", "--base-with", "flax", "--", "train")
    assert (str(found.a_python), found.a_with, found.b_with) == ("v/bin/python", ["jax==0.9.0", "flax"], [])


def test_sides_of_a_workload():
    found = parsed("lenet", "--base", "tf@2.20", "--head", "tf@2.21", "--set", "batch_size=8", "--trials", "6")
    assert (found.workload, found.a, found.b, found.trials, found.set) == (
        "lenet",
        "tf@2.20",
        "tf@2.21",
        6,
        ["batch_size=8"],
    )


def test_what_looks_like_an_option_stays_a_value():
    assert parsed("--base=--help", "--", "train").a_rev == "--help"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "no script was named"),
        (["--base", "main"], "no script was named"),
        (["--", "python", "train.py"], "nothing was named to hold it against"),
        (["--base", "main", "--head", "tf", "--", "train"], "--head names a side of a workload"),
        (["lenet", "--base", "tf"], "a workload needs --base SIDE and --head SIDE"),
        (["lenet", "--base", "tf", "--head", "mxnet", "--", "train"], "a workload and a script are two things"),
    ],
)
def test_what_cannot_be(argv, said):
    with pytest.raises(UsageError, match=said):
        parsed(*argv)


def test_every_option_that_both_verbs_have_is_handed_on():
    given = parsed(
        "--base=main", "--max-slowdown=0.5%", "--budget=2m", "--traces=0", "--allow=loss", "--link=data", "--step=train:step",
        "--finish=run", "--interleaved", "--spin=keep", "--in-place", "--format=json", "-o", "made", "--", "train",
    )  # fmt: skip
    assert (given.gate, given.budget, given.trials, given.traces, given.allow) == ("0.5%", "2m", None, 0, ["loss"])
    assert (given.link, given.step, given.finish, given.interleaved) == ([Path("data")], "train:step", "run", True)
    assert (given.spin, given.in_place, given.format, given.output) == ("keep", True, "json", Path("made"))


@pytest.mark.parametrize(
    ("text", "allowed"), [("5", 0.05), ("5%", 0.05), ("0.5 %", 0.005), ("150%", 1.5), ("7%", 0.07), ("1", 0.01)]
)
def test_an_allowed_slow_down_is_percent(text: str, allowed: float):
    assert parse_allowed(text) == pytest.approx(allowed)


@pytest.mark.parametrize("text", ["0", "0%", "-5%", "nan", "inf%", "1e400", "", "%", "five", "0.05", "5%%"])
def test_what_is_no_allowed_slow_down(text: str):
    with pytest.raises(UsageError):
        parse_allowed(text)


def test_an_answer_keeps_its_exit_code_though_nobody_reads_it(monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(compare, "found", lambda *_, **__: (None, 3))
        monkeypatch.setattr(compare, "show_found", lambda *_: stdout.write("GATE FAILED"))
        monkeypatch.setattr(forge, "tell", lambda *_: None)
        assert main(["gate", "--base", "main", "--", "train"]) == 3


def test_limits_beside_the_slow_down_are_percent_of_their_own():
    given = parsed("--base=main", "--max-memory=3%", "--max-first-step", "20", "--", "train")
    assert scripts.options(given).limits == {"peak-memory": pytest.approx(0.03), "first-step": pytest.approx(0.2)}


def test_a_limit_without_a_gate_is_refused(capsys):
    assert main(["compare", "--a", "python x.py", "--b", "python y.py", "--max-memory", "3%"]) == 2
    assert "--max-memory belongs to a gate" in capsys.readouterr().err


def test_limits_of_three_sides_are_refused(capsys):
    words = [
        "compare",
        "lenet",
        "--side",
        "tf",
        "--side",
        "mxnet",
        "--side",
        "torch",
        "--gate",
        "5%",
        "--max-memory",
        "3%",
    ]
    assert main(words) == 2
    assert "for two sides" in capsys.readouterr().err


def test_a_gate_that_no_machine_could_decide_is_refused_before_anything_runs(capsys):
    """No process of it is started: there is no such program."""
    words = ["gate", "--base-python", sys.executable, "--max-slowdown", "0.1%", "--", "no-such-program", "train.py"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "a gate of 0.1 % is tighter than 30 trials can show on any machine" in said
    assert "--trials 306" in said
