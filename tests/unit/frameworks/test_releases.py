"""Which environment a version means: the locked one of the table, one resolved on the fly, or none at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT

from dlprof.errors import Unsupported, UsageError
from dlprof.frameworks.release import Cuda, Releases

TABLE = Releases(
    framework="tf",
    locks=ROOT / "dlprof/frameworks/tensorflow/locks",
    python={"2.21.0": "3.11", "2.10.1": "3.10", "1.12.2": "3.6"},
    requirement={"cpu": "tensorflow-cpu", "gpu": "tensorflow[and-cuda]"},
    pins={"1.12": ("protobuf<3.20", "numpy<1.17"), "2.4": ("protobuf<3.21",), "2.10": ("numpy<2",)},
    cuda=Cuda(("libcudart.so.12",), "525.60.13", ("6.0", ""), oldest="2.15", requirements=("nvidia-nccl",)),
    since={"xla": ("2.1", "it came with 2.1")},
    network_modes=("keras",),
)
"""Small, but under the name of a framework whose lock files ship."""


@pytest.mark.parametrize("said", ["2.21.0", "2.21", "2"])
def test_a_prefix_means_the_first_release_of_the_table_that_begins_so(said: str) -> None:
    assert TABLE.env(said, "cpu").version == "2.21.0"


def test_a_locked_release_is_made_from_its_lock_and_nothing_is_resolved() -> None:
    spec = TABLE.env("2.21", "cpu")
    assert spec.name == "tf-2.21.0-cpu"
    assert spec.requirements is not None
    assert spec.requirements.name == "tf-2.21.0-cpu.txt"
    assert spec.resolve == ()


@pytest.mark.parametrize(
    ("version", "python", "requirement", "pins"),
    [
        ("2.12.0", "3.10", "tensorflow-cpu==2.12.0", ("numpy<2",)),  # between two releases: as the older one
        ("2.12", "3.10", "tensorflow-cpu==2.12.*", ("numpy<2",)),
        ("1.13.1", "3.6", "tensorflow-cpu==1.13.1", ("protobuf<3.20", "numpy<1.17")),
        ("2.5.0", "3.6", "tensorflow-cpu==2.5.0", ("protobuf<3.21",)),
        ("1.2.0", "3.6", "tensorflow-cpu==1.2.0", ()),  # older than all: the oldest Python, and no pins
    ],
)
def test_a_version_outside_the_table_takes_python_and_pins_of_the_release_before_it(
    version: str, python: str, requirement: str, pins: tuple[str, ...]
) -> None:
    spec = TABLE.env(version, "cpu")
    assert spec.requirements is None
    assert (spec.python, spec.resolve) == (python, (requirement, *pins))


@pytest.mark.parametrize("said", ["", "nightly", "v2.1"])
def test_what_does_not_begin_with_a_digit_is_no_version(said: str) -> None:
    with pytest.raises(UsageError, match="not a version of tf") as error:
        TABLE.env(said, "cpu")
    assert error.value.hint == "write it like tf@2.21.0"


def test_a_mode_that_came_later_is_lacking_with_its_reason() -> None:
    assert TABLE.env("1.12.2", "cpu").lacks == {"xla": "it came with 2.1"}
    assert TABLE.env("2.10", "cpu").lacks == {}


def test_versions_are_compared_as_numbers_and_not_as_texts() -> None:
    assert TABLE.env("2.10.1", "cpu").lacks == {}  # as texts 2.10.1 would come before 2.1's successors


def test_a_gpu_build_finds_its_libraries_in_the_wheels() -> None:
    spec = TABLE.env("2.21.5", "gpu")
    assert spec.environ == {"LD_LIBRARY_PATH": "{site}/nvidia/*/lib"}
    assert spec.resolve == ("tensorflow[and-cuda]==2.21.5", "nvidia-nccl", "numpy<2")
    assert (spec.libraries, spec.driver, spec.compute) == ((), "", None)  # known of the locked release alone


def test_a_release_before_the_first_gpu_build_is_refused_with_that_one() -> None:
    with pytest.raises(Unsupported, match=r"tf 2\.10\.1 has no GPU build") as error:
        TABLE.env("2.10", "gpu")
    assert error.value.hint is not None
    assert "2.15 or later" in error.value.hint


LABELLED = Releases("torch", ROOT / "dlprof/frameworks/torch/locks", {"2.13.0": "3.11"}, {"cpu": "torch", "gpu": "torch"},
                    build={"cpu": "+cpu"},
                    indexes={"cpu": ("https://wheels.example/cpu",)},
                    cuda=Cuda((), "1", ("7.5", ""), oldest="2.0"))  # fmt: skip


def test_a_build_with_a_label_is_resolved_by_it_and_its_index_is_named() -> None:
    spec = LABELLED.env("2.9.1", "cpu")
    assert (spec.resolve, spec.indexes) == (("torch==2.9.1+cpu",), ("https://wheels.example/cpu",))
    assert (LABELLED.env("2.9.1", "gpu").resolve, LABELLED.env("2.9.1", "gpu").indexes) == (("torch==2.9.1",), ())


def test_a_prefix_of_a_release_whose_build_has_a_label_is_refused_for_pip_cannot_match_it() -> None:
    with pytest.raises(UsageError, match=r"not a whole version of torch: '2\.9'") as error:
        LABELLED.env("2.9", "cpu")
    assert error.value.hint == "write it like torch@2.9.0"


def test_a_third_partys_locks_lie_where_it_says(tmp_path: Path) -> None:
    for name in ("small-1.2-cpu.txt", "small-1.2-cpu-py3.9.txt"):
        (tmp_path / name).write_text("small==1.2 --hash=sha256:0\n")
    table = Releases("small", tmp_path, {"1.2": "3.11", "1.1": "3.11"}, {"cpu": "small"}, module="tiny")
    spec = table.env("1.2", "cpu")
    assert (spec.requirements, spec.module) == (tmp_path / "small-1.2-cpu.txt", "tiny")
    assert [one.requirements for one in spec.alternatives] == [tmp_path / "small-1.2-cpu-py3.9.txt"]
    assert table.locked("cpu") == ["1.2"]
