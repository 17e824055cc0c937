"""`dlprof gate`: the base is side A, the head side B, and what cannot be is said before anything runs."""

from __future__ import annotations

import argparse

import pytest

from dlprof.cli.main import build_parser
from dlprof.cli.verbs import compare, gate
from dlprof.errors import UsageError


def words(*argv: str) -> list[str]:
    """The command line of `dlprof compare` that it comes to."""
    argv, command = (argv[: argv.index("--")], list(argv[argv.index("--") + 1 :])) if "--" in argv else (argv, None)
    arguments = build_parser("gate").parse_args(["gate", *argv])
    arguments.command = command
    return [*gate._sides(arguments), *gate._others(arguments)]


def parsed(*argv: str) -> argparse.Namespace:
    return compare.usual(words(*argv))


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
        words(*argv)
