"""The object of the script whose calls are steps (an optimizer, a jitted function, a trainer), and after it the next one.

A search for a learning rate, folds of a cross-validation or a second model make a new one each time.
"""

import weakref

STEPS = 3
"""Steps of one optimizer after which the choice between several is made."""

LATE = 100
"""Steps of others without one of the chosen, after which it is done with, though the script still holds it."""

_TIMES = 20
"""The same, as a multiple of those that others took for each of its own when it was chosen."""


class Chosen(object):
    """None at first. Held weakly: the script's own objects end as without dlprof.

    now(): the object; None where there is none, or it has ended. The reference itself, since every step asks
    missed: steps of others since the last of its own, which sets this back to 0
    """

    def __init__(self):
        self.now = _none
        self.missed = 0
        self._most = LATE

    def choose(self, one, others=0):
        """This one from now on. others: steps that others took for each of its own so far."""
        self.now = weakref.ref(one)
        self.missed = 0
        self._most = LATE + _TIMES * int(others)

    def is_over(self):
        """Another one has taken a step: whether the choice is open again."""
        self.missed += 1
        if self.now() is not None and self.missed <= self._most:
            return False
        self.now = _none
        return True


class LeastOften(object):
    """Of the optimizers that take steps, the one that does so least often."""

    def __init__(self):
        self._seen = {}

    def add(self, one, at):
        """One has taken a step, which ended at that time. Once one has taken STEPS, and none before: the one that has taken
        fewest of those that are still there, when its steps ended, how many others there are, and their steps for each of its."""
        held, ends = self._seen.get(id(one), (_none, []))
        if held() is not one:
            ends = []
            self._seen[id(one)] = (weakref.ref(one), ends)
        ends.append(at)
        if len(ends) < STEPS:
            return None
        counted = [(held(), ends) for held, ends in self._seen.values()]
        alive = [(one, ends) for one, ends in counted if one is not None]
        self._seen = {}
        found, ends = min(alive, key=lambda each: len(each[1]))
        return found, ends, len(alive) - 1, float(STEPS) / len(ends)


def _none():
    return None
