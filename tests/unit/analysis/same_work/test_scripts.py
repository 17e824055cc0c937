"""Do two scripts do the same work in a step: what forbids a verdict, what is only stated, what may be allowed by name."""

from __future__ import annotations

from typing import Any

import pytest

from dlprof.analysis.same_work import parity, scripts

FACTS: dict[str, Any] = {
    "batch": ["float32[32, 784]"],
    "parameters": 1000,
    "parameter arrays": {"arrays": 2, "elements": {"float32": 1000}, "digest": "aa", "first": ["float32[10, 100]"]},
    "forward passes": 1.0,
    "autocast": ["off"],
    "seed": 0,
    "threads": 2,
    "losses": [2.3, 2.2],
    "versions": {"torch": "2.13.0", "numpy": "2.0"},
}


def test_the_same_facts_are_the_same_work() -> None:
    assert scripts.compare(FACTS, FACTS) == ()


@pytest.mark.parametrize(
    ("fact", "value", "kind"),
    [
        ("batch", ["float32[64, 784]"], "batch"),
        ("parameters", 2000, "parameters"),
        ("forward passes", 4.0, "accumulation"),
        ("autocast", ["cpu bfloat16"], "precision"),
    ],
)
def test_what_makes_a_step_incomparable_forbids_a_verdict_unless_allowed(fact: str, value: object, kind: str) -> None:
    other = {**FACTS, fact: value}
    [found] = parity.blocking(scripts.compare(FACTS, other))
    assert (found["where"], found["kind"]) == (fact, kind)
    assert f"--allow {kind}" in scripts.statement(found)
    [allowed] = scripts.compare(FACTS, other, [kind])
    assert (allowed["blocks"], allowed["allowed"]) == ("no", "yes")
    assert kind in scripts.kinds()


def test_seed_threads_and_versions_are_stated_only() -> None:
    other = {**FACTS, "seed": 1, "threads": 1, "versions": {"torch": "2.12.0", "numpy": "2.0", "extra": "1"}}
    found = scripts.compare(FACTS, other)
    assert not parity.blocking(found)
    assert [one["where"] for one in found] == ["seed", "threads", "version of extra", "version of torch"]


def test_of_many_settings_those_that_differ_are_told() -> None:
    a, b = (
        {**FACTS, "optimizer settings": {"lr": 0.1, "eps": 1e-8, **more}}
        for more in ({"fused": False}, {"foreach": True})
    )
    [found] = scripts.compare(a, b)
    assert (found["a"], found["b"]) == ("fused=False, foreach=not stated", "fused=not stated, foreach=True")


def test_a_fact_that_one_side_cannot_know_forbids_nothing() -> None:
    assert not parity.blocking(scripts.compare(FACTS, {"batch": [], "versions": {}}))


@pytest.mark.parametrize(
    ("a", "b", "blocks"),
    [
        ("int64[16, *]", "int64[16, *]", False),
        ("int64[16, *]", "int64[16, 37]", False),
        ("int64[16, *]", "int64[32, *]", True),
        ("int64[16, *]", "int64[16, *, 8]", True),
        ("int64[16, *]", "float32[16, *]", True),
    ],
)
def test_sizes_that_vary_from_step_to_step_are_no_difference_and_the_others_are(a: str, b: str, blocks: bool) -> None:
    found = scripts.compare({**FACTS, "batch": [a]}, {**FACTS, "batch": [b]})
    assert bool(parity.blocking(found)) is blocks


def test_losses_that_drift_apart_forbid_a_verdict_once_each_side_has_repeated_its_own() -> None:
    other = {**FACTS, "losses": [2.3, 1.9]}
    assert scripts.losses([FACTS], [other]) == ()
    assert scripts.losses([FACTS, FACTS], [FACTS, FACTS]) == ()
    [found] = scripts.losses([FACTS, FACTS], [other, other])
    assert (found["where"], found["blocks"]) == ("loss", "yes")
    seeded = {**other, "seed": 1}
    assert scripts.losses([FACTS, FACTS], [seeded, seeded]) == ()
    noisy = {**FACTS, "losses": [2.4, 2.1]}
    assert scripts.losses([FACTS, noisy], [other, other]) == ()


def test_a_loss_that_is_infinite_on_one_side_alone_is_another_loss() -> None:
    gone = {**FACTS, "losses": [2.3, None]}
    [found] = scripts.losses([FACTS, FACTS], [gone, gone])
    assert (found["a"] != "not finite", found["b"], found["blocks"]) == (True, "not finite", "yes")
    assert scripts.losses([gone, gone], [gone, gone]) == ()
    assert scripts.losses([FACTS, FACTS], [gone, FACTS]) == ()
