"""`dlprof diff` on pairs of traces that others recorded: an alignment, its unmatched share stated, parts that add up."""

from __future__ import annotations

import json
import re

import pytest

KINETO = "kineto/resnet50-three-schemas/worker0"
PAIRS = {
    "a model on an H100 and an MI300X": (
        "kineto/h100/gaunernst_bert-small-uncased__1016001.json.gz",
        "kineto/mi300/gaunernst_bert-small-uncased__1016001.json.gz",
        5.0,
        "Gemm forward",
    ),
    "a TensorFlow 1 step and the next one": (
        "tf1-timeline/CPU/timeline_02_step_1.json", "tf1-timeline/CPU/timeline_02_step_2.json", 1.0, "optimizer (SGD)"
    ),
    "a TensorFlow 1 step on a CPU and a GPU": (
        "tf1-timeline/CPU/timeline_02_step_1.json", "tf1-timeline/GPU/timeline_02_step_1.json", 10.0, "optimizer (SGD)"
    ),
    "the first and the second generation of Kineto": (
        f"{KINETO}.pt.trace.json.gz", f"{KINETO}.1623143089861.pt.trace.json.gz", 15.0, "Conv backward"
    ),
    "the second and the third generation of Kineto": (
        f"{KINETO}.1623143089861.pt.trace.json.gz", f"{KINETO}.1623143566756.pt.trace.json.gz", 15.0, "Conv backward"
    ),
}  # fmt: skip
"""(A, B, most of a side's operator time, in percent, that may go without a counterpart, a line that both sides have)"""


@pytest.mark.parametrize("pair", PAIRS)
def test_a_diff_of_recordings_aligns_them_and_says_how_much_it_could_not(here, recorded, pair):
    a, b, most, common = PAIRS[pair]
    done = here("diff", recorded / a, recorded / b, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    shares = [100 * found["alignment"][f"{side}_unmatched"] for side in "ab"]
    assert max(shares) <= most
    ledger = found["ledger"]
    for side in "ab":
        assert sum(line[f"{side}_ns"] for line in ledger["lines"]) == ledger[f"{side}_wall_ns"]
    line = next(line for line in ledger["lines"] if line["name"] == common or line["name"].startswith(f"{common} "))
    assert line["match_confidence"] >= 0.5
    assert line["a_ns"] > 0
    assert line["b_ns"] > 0


def test_the_text_of_a_diff_states_the_unmatched_share(here, recorded):
    a, b, most, _ = PAIRS["a model on an H100 and an MI300X"]
    done = here("diff", recorded / a, recorded / b)
    assert done.returncode == 0, done.stderr
    said = re.search(r"Without a counterpart on the other side: ([\d.]+) % of A's operator time, ([\d.]+) % of B's",
                     " ".join(done.stdout.split()))  # fmt: skip
    assert said, done.stdout
    assert max(map(float, said.groups())) <= most
