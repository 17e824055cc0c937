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


def line(name, kind, a_ns, b_ns, **more):
    times = {"a_ns": a_ns, "b_ns": b_ns, "delta_ns": b_ns - a_ns, "a_share_ns": a_ns, "b_share_ns": b_ns}
    said = {"low_ns": None, "high_ns": None, "remark": "", "key": name, "q": 0.5}
    return {"name": name, "kind": kind, **times, **said, **more}


def test_idle_time_that_was_not_divided_by_phase_is_that_of_all_phases():
    then = {"ledger": {"statement": "slower", "gap_ns": 7, "lines": [
        line("framework dispatch", "dispatch", 3, 9, remark="B waits for its work 2 times a step, A 1", low_ns=1),
        line("Conv forward", "op", 5, 6, key="Conv ~ Conv", low_ns=0, high_ns=2),
    ]}}  # fmt: skip
    now = {"ledger": {"statement": "slower, said otherwise", "gap_ns": 7, "lines": [
        line("Conv forward", "op", 5, 6, key="Conv ~ Conv", low_ns=0, high_ns=2, q=0.7, phase=None),
        line("framework dispatch, optimizer", "dispatch", 1, 2, phase="optimizer"),
        line("framework dispatch, elsewhere", "dispatch", 2, 7, key="framework dispatch", phase=None),
    ]}}  # fmt: skip
    stated, anew = older_ledger.alike(then, now)
    assert stated == anew
    assert [one["name"] for one in stated["ledger"]["lines"]] == ["Conv forward", "framework dispatch"]
    # One whole ns is how the walls' whole ns were handed out among fewer lines; two are another figure.
    for b_ns, same in ((8, True), (7, False)):
        lines = [line("framework dispatch", "dispatch", 3, b_ns), then["ledger"]["lines"][1]]
        stated, anew = older_ledger.alike({"ledger": then["ledger"] | {"lines": lines}}, now)
        assert (stated == anew) is same
    pairs = ({"comparisons": {"ab": one}} for one in (then, now))
    stated, anew = older_ledger.alike_in_all(*pairs)
    assert stated == anew
