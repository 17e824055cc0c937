"""The way from the timed to the traced gap in words."""

from __future__ import annotations

from dataclasses import replace

from dlprof.analysis.model import Amount, Bridge, Ledger, Span
from dlprof.report.text import bridge_text

BRIDGE = Bridge(
    trials=6,
    timed=Amount(6_390_000, 5_900_000, 6_900_000),
    traced=Amount(5_600_000, 5_000_000, 6_200_000),
    parts=(
        Span("waiting at every step", Amount(210_000, -100_000, 520_000)),
        Span("profiling", Amount(-1_000_000, None, None)),
    ),
    profiling={"a": Amount(730_000, 270_000, 1_190_000), "b": Amount(-270_000, -1_800_000, 1_260_000)},
    explained_share=0.92,
    explained_low=-0.08,
    explained_high=0.99,
    agrees=True,
    disagreement="",
)
LEDGER = Ledger("step", 40, 40, 6, 8_000_000, 13_600_000, 5_600_000, None, None, (), 0, "", bridge=BRIDGE)


def test_timed_traced_profiling_and_share_come_first_then_the_way_between() -> None:
    assert bridge_text.sentences(LEDGER) == [
        "Timed without profiler, B's step is 6.39 ms longer [+5.9 ms, +6.9 ms] on average; traced in the same 6 trials, "
        "5.6 ms longer [+5 ms, +6.2 ms]. Profiling adds +0.73 ms [+0.27 ms, +1.19 ms] to A and −0.27 ms "
        "[−1.8 ms, +1.26 ms] to B. The parts below explain 92 % [−8 %, 99 %] of the timed gap.",
        "From the timed to the traced gap: waiting at every step +0.21 ms [−0.1 ms, +0.52 ms]; profiling −1 ms.",
    ]


def test_a_share_that_cannot_be_said_is_said_to_be_so_and_traces_of_no_trials_say_nothing() -> None:
    unknown = replace(BRIDGE, explained_share=None, explained_low=None, explained_high=None)
    assert "cannot be said" in bridge_text.sentences(replace(LEDGER, bridge=unknown))[0]
    assert bridge_text.sentences(replace(LEDGER, bridge=None)) == []


def test_traces_that_do_not_show_the_timed_gap_explain_no_part_of_it() -> None:
    withheld = replace(BRIDGE, agrees=False, disagreement="they show the opposite")
    first = bridge_text.sentences(replace(LEDGER, bridge=withheld))[0]
    assert "explain none of it" in first
    assert "%" not in first
