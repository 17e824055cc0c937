"""In which order the sides of a round take turns: balanced, so that neither going first nor who went before favours a side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

_OF_TURNS: Final = 7
"""Keeps these random numbers apart from those within a trial, which have the same seed."""


def balanced(rounds: int, generator: np.random.Generator) -> list[bool]:
    """Whether A runs first in each round: half of the rounds each (an odd one falls to either), in random order."""
    odd = int(generator.integers(0, 2)) if rounds % 2 else 0
    order = np.arange(rounds) < rounds // 2 + odd
    return [bool(first) for first in generator.permutation(order)]


def turns(sides: Sequence[str], seed: int, trial: int) -> tuple[str, ...]:
    """The order in which the sides of an interleaved trial run: random in every other trial, and its reverse in the next."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, trial // 2, _OF_TURNS])))
    forth = tuple(sides[at] for at in generator.permutation(len(sides)))
    return forth[::-1] if trial % 2 else forth


def orders(sides: Sequence[str], rounds: int, generator: np.random.Generator) -> list[tuple[str, ...]]:
    """The order of the sides in each round, at random within this: of an even number of rounds each side runs before each other
    in half.

    More than two sides come in blocks of rounds (as many as there are sides; twice as many for an odd number of sides) in
    which each side has each place equally often and follows each other side equally often (Williams 1949), under random names.
    Rounds that fill no block come in pairs, an order and its reverse.
    """
    if len(sides) == 2:
        forth, back = tuple(sides), tuple(sides[::-1])
        return [forth if first else back for first in balanced(rounds, generator)]
    found: list[tuple[str, ...]] = []
    while len(found) < rounds:
        named = [sides[at] for at in generator.permutation(len(sides))]
        block = [tuple(named[at] for at in row) for row in _williams(len(sides))]
        left = rounds - len(found)
        if left < len(block):
            halves = [block[at] for at in generator.permutation(len(block))[: (left + 1) // 2]]
            block = [row for half in halves for row in (half, half[::-1])][:left]
        found += block
    return [found[at] for at in generator.permutation(rounds)]


def _williams(count: int) -> list[list[int]]:
    """A square in which each number follows each other one once; with its mirror image for an odd count."""
    zigzag = [at // 2 if at % 2 == 0 else count - 1 - at // 2 for at in range(count)]
    rows = [[(value + step) % count for value in zigzag] for step in range(count)]
    return rows + [row[::-1] for row in rows] if count % 2 else rows
