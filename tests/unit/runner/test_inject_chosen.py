"""Whose calls are steps: one object of the script's for as long as it takes them, then the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


class Optimizer:
    """Any object that takes steps."""


@pytest.fixture
def module(inject: Callable[[str], Any]) -> Any:
    return inject("chosen")


@pytest.fixture
def chosen(module: Any) -> Any:
    return module.Chosen()


def _steps_of_another_until_it_is_over(chosen: Any, most: int = 10_000) -> int:
    return next(n for n in range(1, most) if chosen.is_over())


def test_at_first_there_is_none_and_the_choice_is_open(chosen: Any) -> None:
    assert chosen.now() is None
    assert chosen.is_over()


def test_one_that_the_script_has_dropped_is_followed_at_the_next_step_of_another(chosen: Any) -> None:
    first = Optimizer()
    chosen.choose(first)
    assert chosen.now() is first
    assert not chosen.is_over()
    del first
    assert chosen.now() is None, "the script's own object ends as without dlprof"
    assert chosen.is_over()
    chosen.choose(second := Optimizer())
    assert chosen.now() is second
    assert not chosen.is_over()


def test_one_that_the_script_still_holds_is_followed_after_a_hundred_steps_of_others(chosen: Any) -> None:
    first = Optimizer()
    chosen.choose(first)
    assert _steps_of_another_until_it_is_over(chosen) == 101
    assert chosen.now() is None


def test_a_step_of_its_own_begins_the_count_anew(chosen: Any) -> None:
    first = Optimizer()
    chosen.choose(first)
    for _ in range(3):
        assert not any(chosen.is_over() for _ in range(90))
        chosen.missed = 0
    assert chosen.now() is first


def test_many_steps_of_others_between_two_of_its_own_are_expected_where_there_were_many_before(chosen: Any) -> None:
    first = Optimizer()
    chosen.choose(first, others=2048.0)  # as a policy that acts 2048 times for each update of it
    assert _steps_of_another_until_it_is_over(chosen, 50_000) == 100 + 20 * 2048 + 1


def test_of_two_optimizers_the_one_that_steps_less_often_is_the_step(module: Any) -> None:
    counts, critic, generator = module.LeastOften(), Optimizer(), Optimizer()
    assert counts.add(critic, 10) is None
    assert counts.add(critic, 20) is None
    assert counts.add(generator, 30) is None
    assert counts.add(critic, 40) == (generator, [30], 1, 3.0)


def test_an_optimizer_that_took_one_step_and_is_gone_is_not_chosen(module: Any) -> None:
    counts, trial, real = module.LeastOften(), Optimizer(), Optimizer()
    counts.add(trial, 10)
    del trial
    found = [counts.add(real, at) for at in (20, 30, 40)]
    assert found == [None, None, (real, [20, 30, 40], 0, 1.0)]
