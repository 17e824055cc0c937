"""The original's claims about LeNet over several sessions: what a conclusion rests on, and where sessions disagree."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence

from places import ROOT

sys.path.insert(0, str(ROOT / "analysis"))

import claims

PUBLISHED = tomllib.loads((ROOT / "analysis" / "audit" / "published.toml").read_text())["lenet"]


def session(
    number: int, verdict: str, measured: str = "2026-11-27 04:31", machine: str = "one"
) -> Sequence[claims.Run]:
    """A session in which imperative and hybrid MXNet alone were compared."""
    sides = (claims.Trained("imperative", "1.5.1", "imperative", 1e6), claims.Trained("hybrid", "1.5.1", "hybrid", 1e6))
    return [claims.Run("cell", "modes", number, measured, machine, sides, 1.3, 1.2, 1.4, 0.95, 6, verdict, 240)]


def hybridizing(*sessions: Sequence[claims.Run]) -> claims.Claim:
    return next(claim for claim in claims.of_lenet(sessions, PUBLISHED) if claim.id == "lenet_hybridize")


def test_a_conclusion_says_that_it_rests_on_one_session() -> None:
    found = hybridizing(session(1, "faster"))
    assert (found.verdict, found.rests_on) == ("stands", "one session (2026-11-27, one)")
    assert "| **stands** | one session (2026-11-27, one) |" in "\n".join(claims.table([found]))
    assert found.entry()["rests_on"] == found.rests_on


def test_sessions_that_agree_are_counted_and_those_that_disagree_leave_no_conclusion() -> None:
    later = session(2, "faster", "2026-11-29 02:28", "other")
    agree = hybridizing(session(1, "faster"), later)
    assert (agree.verdict, agree.rests_on) == ("stands", "2 sessions (2026-11-27, one; 2026-11-29, other)")
    disagree = hybridizing(session(1, "faster"), session(2, "equivalent", "2026-11-29 02:28", "other"))
    assert disagree.verdict == "cannot_tell"
    assert disagree.rests_on.endswith("which disagree: stands in 1, falls in 1")


def test_a_session_that_did_not_measure_a_claim_says_nothing_of_it() -> None:
    assert hybridizing([], session(2, "faster")).rests_on == "one session (2026-11-27, one)"
    assert hybridizing([]).verdict == "cannot_tell"
    assert claims.of_lenet([], PUBLISHED)[0].why == "not measured here"
