"""How the same steps moved a parameter on either side: which difference is rounding, and which other work."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof.analysis.same_work import moves
from dlprof.names import ArrayName

RANDOM = np.random.default_rng(3)
MOVED = RANDOM.normal(0, 1e-3, (20, 64))
OTHER = RANDOM.normal(0, 1e-3, (20, 64))


def found(kind: str, a: np.ndarray, b: np.ndarray, size: float = 0.0) -> str | None:
    name = ArrayName(kind, "conv1/w", number=0 if kind == "replay/one" else None)
    weights = {"replay/size/conv1/w": np.array(size)}
    return moves.check(name, {str(name): a, **weights}, {str(name): b, **weights})


@pytest.mark.parametrize("kind", moves.MOVES)
def test_what_rounding_of_sums_does_to_a_movement_is_within_every_limit(kind: str) -> None:
    assert found(kind, MOVED, MOVED * (1 + 1e-5)) is None


@pytest.mark.parametrize(("kind", "off"), [("replay/given", 1e-3), ("replay/one", 1e-3), ("replay/bright", 0.1)])
def test_a_movement_whose_elements_are_off_by_more_is_other_work(kind: str, off: float) -> None:
    noisy = MOVED * (1 + np.random.default_rng(4).normal(0, off, MOVED.shape))
    assert "conv1/w" in str(found(kind, MOVED, noisy))


@pytest.mark.parametrize(("size", "told"), [(0.05, True), (50.0, False)])
def test_what_rounding_of_large_weights_hides_is_not_held_against_a_side(size: float, told: bool) -> None:
    noisy = MOVED + np.random.default_rng(5).normal(0, 1e-6, MOVED.shape)
    assert bool(found("replay/one", MOVED, noisy, size)) is told


@pytest.mark.parametrize(
    ("kind", "b", "told"),
    [
        ("run/last", np.array(0.3), False),
        ("run/last", np.array(0.0), True),
        ("replay/still", np.array([0.0, 1e-9]), True),
        ("replay/still", np.array([0.0, 0.0]), False),
    ],
)
def test_what_stands_still_on_one_side_alone_is_told(kind: str, b: np.ndarray, told: bool) -> None:
    a = np.array(1.0) if kind == "run/last" else np.zeros(2)
    assert bool(found(kind, a, b)) is told


@pytest.mark.parametrize(("moved", "told"), [(1e-8, False), (1e-3, True)])
def test_steps_that_are_lost_in_rounding_on_one_side_are_no_frozen_layer(moved: float, told: bool) -> None:
    known = {"replay/size/conv1/w": np.array(0.05), "replay/moved/conv1/w": MOVED}
    a, b = ({"run/last/conv1/w": np.array(value), **known} for value in (moved, 0.0))
    assert bool(moves.check(ArrayName("run/last", "conv1/w"), a, b)) is told


def test_steps_that_move_a_parameter_on_both_sides_are_not_asked_to_leave_it() -> None:
    assert found("replay/still", MOVED, 2 * MOVED) is None


def sides(*directions: float) -> tuple[moves.Arrays, moves.Arrays]:
    """Single steps, each of them off by so much of its length on the second side."""
    names = [str(ArrayName("replay/one", "conv1/w", number=number)) for number in range(len(directions))]
    a = dict.fromkeys(names, MOVED)
    return a, {name: MOVED + off * OTHER for name, off in zip(names, directions, strict=True)}


@pytest.mark.parametrize(("directions", "told"), [((0.1, 1e-6, 0.2), False), ((0.1, 0.2, 0.1), True)])
def test_of_single_steps_the_closest_counts(directions: tuple[float, ...], told: bool) -> None:
    a, b = sides(*directions)
    said = [moves.check(ArrayName.parse(name), a, b) for name in sorted(a)]
    assert bool(said[0]) is told
    assert said[1:] == [None, None], "one sentence for all of them"


def test_a_parameter_is_listed_once_for_each_kind() -> None:
    a, b = sides(0.0, 0.0)
    assert [name.of for name in moves.parameters(a, b, "replay/one")] == ["conv1/w"]
