"""The search itself: trials of revisions against the good one until the change is known to have come with one of them.

How trials are made is the caller's business, so that it can be simulated (benchmarks/simulate_bisect.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from dlprof.stats.design.bisection import (
    ANOTHER,
    LEFT_OVER,
    TWO_CHANGES,
    Suspects,
    least_change,
    left_over,
    suspects,
)

SURE: Final = 0.98
"""Probability from which a place counts as known."""

MOST_TRIALS: Final = 200


class Untestable(Exception):
    """A revision cannot be run, or does other work than the good one."""


Measure = Callable[[str], float]
"""A revision's name → ln(its time ÷ the good one's) of one fresh trial. Raises `Untestable`."""


@dataclass(slots=True)
class Search:
    """What is known so far. The row is that of all revisions that may be tried; those that cannot be run leave it.

    row: names, the good one first, the bad one last
    trials: name → log-ratios against the good one
    skipped: name → why it cannot be tried
    two: prior probability of two changes
    margin: differences of the ends within it are of no interest, as a fraction
    """

    row: Sequence[str]
    trials: dict[str, list[float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    sure: float = SURE
    two: float = TWO_CHANGES
    margin: float = 0.0
    _known: Suspects | None = None

    @property
    def testable(self) -> list[str]:
        """The row without those that cannot be run."""
        return [name for name in self.row if name not in self.skipped]

    @property
    def made(self) -> int:
        """Trials so far."""
        return sum(map(len, self.trials.values()))

    @property
    def least(self) -> float:
        """|log-ratio| from which a change is looked for, by what the bad end's trials say of the whole difference."""
        return least_change(self.trials.get(self.row[-1], ()), self.margin)

    def known(self) -> Suspects:
        """What the trials say, by places in `testable`."""
        if self._known is None:
            places = {name: at for at, name in enumerate(self.testable)}
            trials = {places[one]: found for one, found in self.trials.items() if one in places}
            self._known = suspects(trials, len(places) - 1, two=self.two, least=self.least)
        return self._known

    def found(self) -> tuple[str, ...] | None:
        """The revisions that the change came with (two where there are two); None as long as that is open."""
        places = self.known().found(self.sure)
        names = self.testable
        return None if places is None else tuple(names[at] for at in places)

    def first_known(self) -> str | None:
        """What the first change came with, where that is known though it is open whether there is a second one."""
        at = self.known().first_known(self.sure)
        return None if at is None else self.testable[at]

    def add(self, name: str, value: float) -> None:
        """A trial of it."""
        self.trials.setdefault(name, []).append(value)
        self._known = None

    def skip(self, name: str, why: str) -> None:
        """It cannot be tried; what its earlier trials said does not count."""
        self.skipped[name] = why
        self.trials.pop(name, None)
        self._known = None

    def look_for_another(self) -> None:
        """What was found does not explain the difference of the ends: there is a second change."""
        self.two, self._known = ANOTHER, None

    def makes_up(self, ends: Sequence[float], explained: Sequence[Sequence[float]]) -> bool:
        """Whether the changes that were found make up the ends' difference, by log-ratios as `left_over` takes them.

        Once the trials themselves have been asked for a second change and say that there is none, there is none. A third one is
        never searched for.
        """
        if self.two >= ANOTHER and len(explained) == 1:
            return True
        return left_over(ends, explained, least=self.least) >= LEFT_OVER

    def go(self, measure: Measure, on_trial: Callable[[str], None] = lambda _: None, most: int = MOST_TRIALS) -> None:
        """Trials until it is known, or `most` were made. on_trial: told the revision after each, and after one that was skipped.

        Raises `Untestable` where the bad one itself cannot be run.
        """
        while self.found() is None and self.made < most and len(names := self.testable) > 1:
            name = names[self.known().next_probe(range(1, len(names)), self.sure)]
            try:
                self.add(name, measure(name))
            except Untestable as error:
                if name == self.row[-1]:
                    raise
                self.skip(name, str(error))
            on_trial(name)

    def before(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The last revision before this one that can be run, and those between the two that cannot."""
        at = self.testable.index(name)
        last = self.testable[at - 1]
        between = self.row[self.row.index(last) + 1 : self.row.index(name)]
        return last, tuple(between)
