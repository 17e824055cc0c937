"""Whole blocks of a side held against the same steps one by one: which difference is noise, and which other work."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof.analysis.same_work import blocks

RANDOM = np.random.default_rng(3)
MOVED = RANDOM.normal(0, 1e-3, (20, 64))
OTHER = RANDOM.normal(0, 1e-3, (20, 64))


def said(*runs: np.ndarray, size: float = 0.0) -> list[str]:
    """What is said of a side whose blocks and one or two runs of single steps moved dense1/w like that."""
    names = ("run/blocks/dense1/w", "run/singly/dense1/w@0", "run/singly/dense1/w@1")
    arrays = {**dict(zip(names, runs, strict=False)), "replay/size/dense1/w": np.array(size)}
    return [sentence for _, sentence in blocks.check("B", arrays)]


def test_blocks_that_move_the_weights_as_their_steps_do_are_the_same_work() -> None:
    assert said(MOVED, MOVED, MOVED * (1 + 1e-6)) == []
    assert said(MOVED, MOVED) == []


@pytest.mark.parametrize("off", [1e-3, 0.3])
def test_blocks_that_lead_elsewhere_than_their_steps_are_other_work(off: float) -> None:
    assert said(MOVED + off * OTHER, MOVED)
    (sentence,) = said(MOVED + off * OTHER, MOVED, MOVED)
    assert sentence.startswith("whole blocks of B move dense1/w elsewhere than the same steps one by one: ")


def test_steps_that_are_left_out_in_one_of_both_runs_alone_are_told() -> None:
    assert said(MOVED, MOVED, MOVED - 0.05 * OTHER)
    assert said(MOVED, MOVED - 0.05 * OTHER, MOVED)


@pytest.mark.parametrize("still", [0, 1])
def test_what_stands_still_in_blocks_or_in_single_steps_alone_is_told(still: int) -> None:
    runs = [np.zeros(3) if at == still else np.ones(3) for at in (0, 1, 1)]
    assert said(*runs) == ["whole blocks of B move dense1/w elsewhere than the same steps one by one: 100.0 % apart"]


@pytest.mark.parametrize(("noise", "told"), [(2e-3, False), (0.1, True)])
def test_sums_in_another_order_each_time_excuse_as_much_in_blocks_but_no_step_that_is_left_out(
    noise: float, told: bool
) -> None:
    third = np.random.default_rng(5).normal(0, 1e-3, MOVED.shape)
    assert bool(said(MOVED + noise * OTHER, MOVED, MOVED + noise * third)) is told


def test_what_is_no_number_is_told() -> None:
    assert said(np.full(3, np.nan), np.ones(3), np.ones(3))


@pytest.mark.parametrize(("size", "told"), [(0.05, True), (500.0, False)])
def test_what_rounding_of_large_weights_hides_is_not_held_against_blocks(size: float, told: bool) -> None:
    assert bool(said(MOVED + 1e-2 * OTHER, MOVED, MOVED, size=size)) is told


def test_each_burst_that_was_kept_is_held_against_its_own_steps() -> None:
    arrays = {
        "run/blocks/one/w": MOVED,
        "run/singly/one/w@0": MOVED,
        "run/blocks/one/w@1": OTHER,
        "run/singly/one/w@2": MOVED,
        "run/singly/one/w@3": OTHER,
    }
    ((name, sentence),) = blocks.check("B", arrays)
    assert str(name) == "run/blocks/one/w@1"
    assert sentence.startswith("whole blocks of B move one/w elsewhere than the same steps one by one")


def test_a_side_that_does_not_train_has_no_blocks() -> None:
    assert list(blocks.check("A", {"replay/logits": np.ones(3)})) == []
