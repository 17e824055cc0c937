"""The study file: what is wrong in it is named with file, line and key."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dlprof.errors import UsageError
from dlprof.study.positions import line_of
from dlprof.study.spec import parse

GOOD = """
name = "mine"
title = "A study"

[defaults]
seeds = [
  1,   # a comment
  2,
]

[[experiments]]
name = "ops"
workloads = "matmul"

[[experiments]]
name = "net"
settings.train = 1000
modes = { tf = "graph", mxnet = "hybrid" }
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("name",), 2),
        (("defaults",), 5),
        (("defaults", "seeds"), 6),
        (("defaults", "seeds", 1), 6),
        (("experiments", 0, "workloads"), 13),
        (("experiments", 1), 15),
        (("experiments", 1, "settings", "train"), 17),
        (("experiments", 1, "modes", "mxnet"), 18),
    ],
)
def test_a_key_is_found_on_the_line_where_its_statement_begins(key, line) -> None:
    assert line_of(GOOD, key) == line


def test_a_key_that_is_not_there_is_looked_for_in_its_table() -> None:
    assert line_of(GOOD, ("experiments", 1, "devices")) == 15
    assert line_of(GOOD, ("nothing",)) is None


def test_a_key_inside_a_text_of_several_lines_is_not_taken_for_one() -> None:
    assert line_of('title = """\nname = "no"\n"""\nname = "yes"\n', ("name",)) == 4


@pytest.mark.parametrize(
    ("change", "told", "hint"),
    [
        (
            ('workloads = "matmul"', 'workload = "matmul"'),
            "s.toml:13: experiments.ops.workload: no such key",
            "workloads",
        ),
        (
            ('workloads = "matmul"', "workloads = 5"),
            "s.toml:13: experiments.ops.workloads: Expected",
            "docs/studies.md",
        ),
        (('name = "mine"\n', ""), "s.toml: is missing `name`", "docs/studies.md"),
        (('name = "net"', 'name = "ops"'), "s.toml:16: experiments.ops.name: two experiments are called 'ops'", ""),
        (('name = "net"', 'name = "a/b"'), "s.toml:16: experiments.a/b.name: not a name: 'a/b'", "folders"),
        (("[defaults]", "[default]"), "s.toml:5: default: no such key", "did you mean defaults?"),
        (("seeds = [", "seed = ["), "s.toml:6: defaults.seed: no such key", "did you mean seeds?"),
        (("seeds = [", "seeds = [["), "s.toml: ", "TOML"),
    ],
)
def test_a_wrong_study_file_is_told_with_line_key_and_what_exists(change, told, hint) -> None:
    with pytest.raises(UsageError) as raised:
        parse(GOOD.replace(*change), Path("s.toml"))
    assert raised.value.message.startswith(told)
    assert hint in (raised.value.hint or "")


def test_a_study_file_that_is_not_there_is_told(tmp_path) -> None:
    from dlprof.study import read

    with pytest.raises(UsageError, match=r"none\.toml: No such file"):
        read(tmp_path / "none.toml")


def test_a_study_without_experiments_is_told() -> None:
    with pytest.raises(UsageError, match=r"s\.toml:3: experiments: .* at least one"):
        parse('name = "a"\ntitle = "b"\nexperiments = []\n', Path("s.toml"))


def test_the_line_in_a_text_that_no_person_wrote_is_not_looked_for_long() -> None:
    began = time.process_time()
    text = (
        GOOD
        + "".join(f'[[experiments]]\nname = "e{n}"\n' for n in range(20_000))
        + "many = [\n"
        + "1,\n" * 30_000
        + "]\n"
    )
    assert line_of(text, ("experiments", 20_001, "name")) is None
    assert time.process_time() - began < 10
