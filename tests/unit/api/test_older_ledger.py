"""What an older dlprof stated, held against today's words and divisions."""

from __future__ import annotations

from dlprof.api import older_ledger


def test_waits_that_were_not_said_to_be_of_a_step_are_those_of_a_step():
    then = {"ledger": {"statement": "slower: dispatch (B waits for its work 0.75 times, A 0) +2 ms",
                       "lines": [{"a_share_ns": 1, "remark": "B waits for its work 0.75 times, A 0"}]}}  # fmt: skip
    now = {"ledger": {"statement": "slower: dispatch (B waits for its work 0.75 times a step, A 0) +2 ms",
                      "lines": [{"a_share_ns": 1, "remark": "B waits for its work 0.75 times a step, A 0"}]}}  # fmt: skip
    assert older_ledger.alike(then, now) == (now, now)
    assert older_ledger.alike(now, now) == (now, now)


def test_a_number_of_waits_that_was_changed_differs_still():
    then = {"ledger": {"lines": [{"a_share_ns": 1, "remark": "B waits for its work 2 times, A 0"}]}}
    now = {"ledger": {"lines": [{"a_share_ns": 1, "remark": "B waits for its work 3 times a step, A 0"}]}}
    stated, anew = older_ledger.alike(then, now)
    assert stated != anew
