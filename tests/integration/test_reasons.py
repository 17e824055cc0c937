"""What oneDNN says of itself becomes part of a comparison of two real frameworks."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module")
def said(comparison):
    return json.loads(comparison.stdout)["facts"]["primitives"]


def test_both_frameworks_say_which_onednn_they_run(said):
    assert said["absent"] == []
    assert said["a"]["version"].startswith("oneDNN v3.")  # TensorFlow 2.21
    assert said["b"]["version"].startswith("oneDNN v2.")  # MXNet 1.9.1
    assert [said[side]["unread"] for side in "ab"] == [0, 0]


def test_each_convolution_of_lenet_is_matched_and_called_once_a_step(said):
    convolutions = [one for one in said["primitives"] if one["primitive"] == "convolution"]
    # forward and by the weights for both, by the input for the second alone
    assert len(convolutions) == 5
    assert {(one["a_calls"], one["b_calls"]) for one in convolutions} == {(1.0, 1.0)}
    assert {one["reason"] for one in convolutions} <= {"same implementation", "other implementation"}


def test_the_reasons_sum_to_the_differences_of_the_primitives(said):
    differences = sum((one["b_ns"] or 0) - (one["a_ns"] or 0) for one in said["primitives"])
    assert sum(said["by_reason_ns"].values()) == pytest.approx(differences)


def test_the_stored_comparison_keeps_them(comparison):
    import dlprof
    from dlprof.report import json as json_report

    found = dlprof.load(comparison.path).found
    assert json_report.plain(found.facts.primitives) == json.loads(comparison.stdout)["facts"]["primitives"]
