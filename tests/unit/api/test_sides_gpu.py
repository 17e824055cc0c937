"""A side's device: from its own text, else from --device; named in its label."""

from __future__ import annotations

import pytest

from dlprof.api.sides import parse_side
from dlprof.errors import UsageError


def test_a_side_may_name_its_device_and_else_takes_the_one_given():
    own, given = parse_side("tf:graph/gpu:1"), parse_side("tf", device="gpu")
    assert (own.device, own.index, own.mode, own.env.name) == ("gpu", 1, "graph", "tf-2.21.0-gpu")
    assert (given.device, given.index) == ("gpu", 0)
    assert parse_side("tf/cpu", device="gpu").env.name == "tf-2.21.0-cpu"


def test_a_gpu_stands_in_label_and_file_name_so_that_cpu_and_gpu_are_told_apart():
    assert parse_side("tf:graph/gpu:1").label == "TensorFlow 2.21.0 (graph, gpu:1)"
    assert parse_side("tf:graph").label == "TensorFlow 2.21.0 (graph)"
    assert parse_side("tf:graph/gpu").slug != parse_side("tf:graph").slug


@pytest.mark.parametrize("text", ["tf/tpu", "tf/", "tf:graph/gpu:x"])
def test_a_device_that_is_none_is_refused(text: str):
    with pytest.raises(UsageError):
        parse_side(text)
