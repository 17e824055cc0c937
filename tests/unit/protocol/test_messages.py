"""The lines between parent and child: each is what it says it is, and what is none is refused."""

from __future__ import annotations

import msgspec
import pytest

from dlprof import protocol


def test_a_command_is_named_by_its_cmd_and_carries_its_fields() -> None:
    asked = protocol.Run(item="train_block", iterations=3)
    assert asked.name == "run"
    assert msgspec.json.decode(msgspec.json.encode(asked)) == {
        "cmd": "run",
        "item": "train_block",
        "iterations": 3,
        "timed": False,
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"event": "phase", "name": "warm-up"}', protocol.Phase(name="warm-up")),
        (b'{"event": "epoch", "epoch": 2, "of": 5, "wall_ns": 7}', protocol.EpochEnd(epoch=2, of=5, wall_ns=7)),
        (b'{"event": "done"}', protocol.Done()),
        (b'{"event": "ready", "items": ["x"], "later": 1}', protocol.Ready(items=["x"])),
    ],
)
def test_what_a_child_says_by_itself_is_known_by_its_event(line: bytes, said: protocol.Said) -> None:
    assert msgspec.json.decode(line, type=protocol.Said) == said


@pytest.mark.parametrize("line", [b'{"event": "fine"}', b'{"event": "ready"}', b'{"ok": true}', b"[]"])
def test_a_line_that_is_no_event_is_none(line: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(line, type=protocol.Said)


def test_an_answer_that_does_not_say_that_it_is_one_is_a_failure() -> None:
    assert msgspec.json.decode(b"{}", type=protocol.Answer) == protocol.Answer(ok=False, message="failed")


def test_a_traced_window_gets_its_times_from_the_parent() -> None:
    held = protocol.TracedSteps(steps=8, synchronised=True, expected={"Conv": 2})
    window = protocol.Window(steps=8, synchronised=True, wall_ns=9, expected={"Conv": 2}, untraced_step_ns=[1, 2])
    assert held.timed(9, [1, 2]) == window
