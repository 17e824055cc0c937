"""The study's own method against the sound one, with the study's own releases: they contradict each other at 550×550."""

from __future__ import annotations

import csv
import io
import json

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.slow, pytest.mark.timeout(1800)]

ITEM = "matmul[call=study,size=550]"


def test_as_published_says_that_mxnet_is_many_times_faster_and_that_this_is_unsound(dlprof, here, tmp_path):
    target = tmp_path / "published"
    done = dlprof("compare", "matmul", "--set", "size=550", "--method", "as-published", "-o", target, timeout=1500)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("UNSOUND METHOD")
    assert "UNSOUND" in done.stderr
    found = json.loads((target / "comparison.json").read_text())
    (item,) = found["items"]
    assert item["item"] == ITEM
    assert 1 / item["ratio"]["estimate"] > 10, "TensorFlow seems many times slower"
    assert (item["ratio"]["low"], item["verdict"]) == (None, "inconclusive")
    assert found["warnings"][0].startswith("UNSOUND")
    shown = here("show", target, "--format", "csv")
    (line,) = csv.DictReader(io.StringIO(shown.stdout))
    assert 1 / float(line["ratio"]) > 10
    assert "UNSOUND" in line["method"]


def test_the_sound_method_says_the_reverse(dlprof, tmp_path):
    done = dlprof("compare", "matmul", "--set", "size=550", "--set", "variant=study", "--budget", "5m", "--traces", 0,
                  "--a", "tf@2.1.0:eager", "--b", "mxnet@1.5.1:imperative", "--format", "json", "-o", tmp_path / "sound",
                  timeout=1700)  # fmt: skip
    assert done.returncode == 0, done.stderr
    (item,) = json.loads(done.stdout)["items"]
    assert item["item"] == ITEM
    assert item["verdict"] == "slower", "MXNet (B) takes longer than TensorFlow (A)"
    assert item["ratio"]["low"] > 1.3


@pytest.mark.parametrize(
    "words",
    [["--a", "tf@2.21"], ["--frameworks", "mxnet,tf"], ["--device", "gpu"]],
)
def test_it_cannot_be_asked_of_other_sides(dlprof, tmp_path, words):
    done = dlprof("compare", "matmul", "--method", "as-published", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert list(tmp_path.iterdir()) == []
