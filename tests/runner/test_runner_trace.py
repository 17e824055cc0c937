"""The child's task trace: epochs, the traced window, its markers, and what the result says of them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest


def run(child):
    lines = [json.loads(line) for line in child.process.stdout]
    status, result, _ = child.finish()
    assert status == 0, result
    return lines, result


def trace(child, result):
    (artefact,) = result["artefacts"]
    assert artefact["kind"] == "fake"
    return json.loads((child.folder / artefact["path"]).read_text())


def test_only_the_last_epoch_is_traced_and_every_epoch_has_losses_and_accuracies(control, start):
    child = start(control(task="trace", epochs=3))
    lines, result = run(child)
    assert [e["traced"] for e in result["epochs"]] == [False, False, True]
    assert [len(e["losses"]) for e in result["epochs"]] == [4, 4, 4]
    assert result["epochs"][-1]["test_accuracy"] == 1.0
    assert result["epochs"][-1]["validation_accuracy"] == 1.0
    assert result["epochs"][-1]["train_loss"] < result["epochs"][0]["train_loss"]
    assert [line["epoch"] for line in lines if line["event"] == "epoch"] == [1, 2, 3]
    assert lines[-1] == {"event": "done"}
    assert result["window"]["epoch"] == 3
    assert result["window"]["expected"] == {"dlprof:backward": 1}
    assert result["first_call_ns"] > 0
    assert result["warmup_steps"] == 0


def test_exact_steps_end_synchronised_inside_their_marker(control, start):
    child = start(control(task="trace"))
    _, result = run(child)
    events = trace(child, result)
    assert result["window"]["synchronised"] is True
    begin, end = events.index(["begin", "dlprof:step=2"]), events.index(["end", "dlprof:step=2"])
    inside = events[begin + 1 : end]
    assert inside == [
        ["begin", "dlprof:input"],
        ["end", "dlprof:input"],
        ["begin", "dlprof:call"],
        ["begin", "dlprof:backward"],
        ["end", "dlprof:backward"],
        ["end", "dlprof:call"],
        ["begin", "dlprof:sync"],
        ["sync", ""],
        ["end", "dlprof:sync"],
    ]
    assert sum(e == ["begin", "dlprof:epoch=1"] for e in events) == 1


def test_native_steps_are_marked_unsynced_and_wait_only_at_the_end(control, start):
    child = start(control(task="trace", fidelity="native"))
    _, result = run(child)
    events = trace(child, result)
    assert result["window"]["synchronised"] is False
    assert result["window"]["expected"] == {}
    window = events[events.index(["begin", "dlprof:epoch=1"]) :]
    assert sum(e[0] == "sync" for e in window) == 1
    assert [e[1] for e in window if e[0] == "begin" and "step" in e[1]] == [
        f"dlprof:unsynced_step={n}" for n in range(4)
    ]


def test_the_warm_up_before_a_single_traced_epoch_is_undone(control, start):
    one = run(start(control(task="trace", epochs=1)))[1]
    two = run(start(control(task="trace", epochs=2)))[1]
    assert one["warmup_steps"] == 8
    assert one["epochs"][0]["losses"] == two["epochs"][0]["losses"]


def test_max_steps_shortens_every_epoch_and_the_order_of_batches_stays(control, start):
    whole = run(start(control(task="trace", epochs=2)))[1]
    short = run(start(control(task="trace", epochs=2, max_steps=3)))[1]
    assert [e["steps"] for e in short["epochs"]] == [3, 3]
    assert short["epochs"][0]["losses"] == whole["epochs"][0]["losses"][:3]


def test_two_runs_of_one_seed_give_the_same_losses(control, start):
    folder = control(task="trace")
    assert run(start(folder))[1]["epochs"][0]["losses"] == run(start(folder))[1]["epochs"][0]["losses"]


def test_a_failing_step_leaves_its_story_in_the_result(control, start):
    status, result, _ = start(control(task="trace", mode="broken")).finish()
    assert status == 1
    assert result["status"] == "failed"
    assert result["message"] == "ValueError: the step is broken"
    assert "ValueError" in result["traceback"]


@pytest.mark.parametrize("pad", [0, 2])
def test_padding_is_zero_and_scaling_divides(control, start, pad):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "dlprof" / "runner"))
    from dlprof_child.feed import Feed

    inputs = json.loads((control() / "request.json").read_text())["inputs"]
    feed = Feed(inputs, {"pad": pad, "scale": 255.0}, 10)
    images, labels = feed.batch(np.array([3, 4]))
    raw = np.load(inputs["images"])[[3, 4]]
    assert images.dtype == np.float32
    assert images.shape == (2, 4 + 2 * pad, 4 + 2 * pad, 1)
    np.testing.assert_array_equal(images[:, pad : pad + 4, pad : pad + 4, 0], raw / np.float32(255))
    images[:, pad : pad + 4, pad : pad + 4] = 0
    assert not images.any()
    np.testing.assert_array_equal(labels, [0, 1])
