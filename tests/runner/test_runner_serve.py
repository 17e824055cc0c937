"""The child's task serve: commands on standard input, answers on standard output, nothing else."""

import json
import signal

import numpy as np


def test_a_worker_says_ready_answers_and_quits(control, start):
    child = start(control())
    ready = child.until("ready")[-1]
    assert ready["versions"]["fake"] == "1.0"
    assert ready["items"] == ["train_block", "train_step_sync", "infer_block"]
    assert ready["runtime"]["facts"]["parameters"] == 16 * 3 + 3
    assert ready["startup_ns"] > 0
    assert child.ask(cmd="quit") == {"ok": True}
    status, result, _ = child.finish()
    assert (status, result["status"]) == (0, "ok")


def test_a_run_gives_one_time_per_iteration_and_the_units_of_each(control, start):
    child = start(control())
    child.until("ready")
    block = child.ask(cmd="run", item="train_block", iterations=3)
    assert [len(block[key]) for key in ("wall_ns", "cpu_ns", "start_ns")] == [3, 3, 3]
    assert block["units"] == 2
    assert child.ask(cmd="run", item="train_step_sync", iterations=1)["units"] == 1
    assert all(ns > 0 for ns in block["wall_ns"])
    assert block["start_ns"] == sorted(block["start_ns"])


def test_framework_chatter_goes_to_the_log_only(control, start):
    child = start(control())
    lines = child.until("ready")
    child.ask(cmd="quit")
    child.finish()
    assert [line["event"] for line in lines] == ["phase", "phase", "ready"]
    log = (child.folder / "stderr.log").read_text()
    assert "chatter from C" in log
    assert "chatter from Python" in log


def test_parity_arrays_are_those_of_the_first_batch_and_leave_the_timed_network_alone(control, start):
    child = start(control())
    child.until("ready")
    first = child.ask(cmd="parity", out="a.npz")
    child.ask(cmd="run", item="train_block", iterations=2)
    child.ask(cmd="parity", out="b.npz")
    names = ["after/logits/b", "after/logits/w", "after/losses", "grad/logits/b", "grad/logits/w", "logits", "loss"]
    assert first == {"ok": True, "arrays": names, "missing": {}}
    a, b = np.load(child.folder / "a.npz"), np.load(child.folder / "b.npz")
    for name in names:
        np.testing.assert_array_equal(a[name], b[name])
    inputs = json.loads((child.folder / "request.json").read_text())["inputs"]
    rows = np.load(inputs["train"])[0][:10]
    x = (np.load(inputs["images"])[rows].reshape(10, 16) / np.float32(255)).astype(np.float32)
    weights = np.load(inputs["weights"])
    np.testing.assert_allclose(a["logits"], x @ weights["logits/w"] + weights["logits/b"], atol=1e-6)


def test_a_bad_command_is_answered_and_the_worker_lives_on(control, start):
    child = start(control())
    child.until("ready")
    answer = child.ask(cmd="run", item="no_such_item", iterations=1)
    assert answer["ok"] is False
    assert "no_such_item" in answer["message"]
    assert "train_block" in answer["hint"]
    assert child.ask(cmd="dance")["ok"] is False
    child.process.stdin.write("not json\n")
    child.process.stdin.flush()
    assert child.line()["ok"] is False
    assert child.ask(cmd="run", item="infer_block", iterations=1)["ok"] is True


def test_a_failing_step_is_answered_with_status_and_message(control, start):
    child = start(control(mode="broken"))
    child.until("ready")
    answer = child.ask(cmd="run", item="train_block", iterations=1)
    assert (answer["ok"], answer["status"]) == (False, "failed")
    assert "the step is broken" in answer["message"]


def test_a_worker_whose_parent_is_gone_ends(control, start):
    child = start(control())
    child.until("ready")
    status, result, _ = child.finish()
    assert status == 1
    assert result["status"] == "failed"
    assert "without quit" in result["message"]


def test_a_missing_framework_is_said_in_the_result(control, start):
    child = start(control(mode="missing"))
    status, result, _ = child.finish()
    assert (status, result["status"], result["hint"]) == (1, "framework_missing", "install fake")
    assert "Traceback" in result["traceback"]


def test_an_unknown_mode_protocol_kind_or_adapter_is_unsupported(control, start):
    changes = (
        {"mode": "sideways"},
        {"protocol": 99},
        {"workload": {"kind": "poem"}},
        {"adapter": "nowhere.py"},
        {"task": "sing"},
    )
    for change in changes:
        status, result, _ = start(control(**change)).finish()
        assert (status, result["status"]) == (1, "unsupported"), change
        assert result["message"], change


def test_a_crash_leaves_no_result(control, start):
    status, result, _ = start(control(mode="crash")).finish()
    assert status == 7
    assert result is None


def test_sigint_ends_the_child_without_a_traceback(control, start):
    child = start(control())
    child.until("ready")
    child.process.send_signal(signal.SIGINT)
    status, result, _ = child.finish()
    assert status == -signal.SIGINT
    assert result is None
    assert "Traceback" not in (child.folder / "stderr.log").read_text()


def test_weights_that_do_not_fit_the_layers_are_refused(control, start):
    folder = control()
    np.savez(folder / "weights.npz", **{"logits/w": np.zeros((5, 3), np.float32), "logits/b": np.zeros(3, np.float32)})
    status, result, _ = start(folder).finish()
    assert (status, result["status"]) == (1, "unsupported")
    assert "weights" in result["message"]


def test_a_traced_window_follows_the_timed_rounds_and_the_network_is_checked_before_and_after(control, start):
    child = start(control())
    child.until("ready")
    child.ask(cmd="run", item="train_block", iterations=3)
    first = child.ask(cmd="recheck", out="first.npz", seed=1, steps=6)
    assert first["ok"], first
    assert len(child.ask(cmd="unprofiled", item="train_step_sync", iterations=2)["wall_ns"]) == 2
    assert child.ask(cmd="open_window", items=["train_step_sync"], units=8) == {"ok": True}
    for _ in range(2):
        assert len(child.ask(cmd="traced", item="train_step_sync", iterations=3)["wall_ns"]) == 3
    answer = child.ask(cmd="close_window")
    assert (answer["window"]["steps"], answer["window"]["synchronised"]) == (6, True)
    (artefact,) = answer["artefacts"]
    begun = [name for kind, name in json.loads((child.folder / artefact["path"]).read_text()) if kind == "begin"]
    assert sum(name.startswith("dlprof:step=") for name in begun) == 6
    assert begun.count("dlprof:settle") == 2
    brief = child.ask(cmd="recheck", out="again.npz", seed=1, steps=11, brief=True)
    assert (brief["ok"], brief["deferred"], brief["saved"]) == (True, {}, {})
    assert {name.split("/")[1] for name in brief["arrays"]} == {"updates", "moved", "losses", "size", "logits"}
    a, b = np.load(child.folder / "first.npz"), np.load(child.folder / "again.npz")
    assert a["run/updates"].flat[0] == 6
    assert b["run/updates"].flat[0] == 11, "three unprofiled steps and two bursts of four, since the first check"
    # from the initial weights; known steps are of the feed's next batches
    np.testing.assert_array_equal(a["replay/logits"], b["replay/logits"])
