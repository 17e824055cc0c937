"""Streams and threads have names that people can read; handles of 64 bits become small numbers."""

from __future__ import annotations

from dlprof.report import lanes


def named(*tracks: tuple[str, str]) -> list[str]:
    return [lanes.names(tracks)[track] for track in tracks]


def test_a_handle_becomes_a_small_number_among_those_of_its_stem() -> None:
    assert named(
        ("cpu:0", "tf_Compute/-3250986219939490050"),
        ("cpu:0", "tf_numa_-1_Eigen/3636174572572843497"),
        ("cpu:0", "tf_Compute/8036580576611165735"),
        ("gpu:0", "0x7f22aabbccdd"),
    ) == ["tf_Compute 1", "tf_numa_-1_Eigen 1", "tf_Compute 2", "stream 1"]


def test_a_thread_keeps_its_number_under_two_devices() -> None:
    thread, other = "4753260400937603674", "1459828619674036860"
    assert named(("cpu:0", other), ("cpu:0", thread), ("host", thread)) == ["thread 1", "thread 2", "thread 2"]


def test_a_number_that_people_use_stays_and_says_what_it_is_of() -> None:
    assert named(("gpu:0", "7"), ("node0/rank1/gpu:1", "20"), ("node0/rank1/cpu:0", "4242")) == [
        "stream 7",
        "stream 20",
        "thread 4242",
    ]


def test_other_names_stay_as_they_are() -> None:
    names = ["python", "Stream #13(Compute)", "stream 7", "MXNET_C_API", "thread 12 (main)", ""]
    assert named(*(("cpu:0", name) for name in names)) == names
