"""Looks at a network between its timed bursts of steps. One burst of each item is kept, to be run again once the timing is over.

A side that waits for a look at its weights, and is honest until it can be sure that nobody will ask, is looked at before each
timed burst, outside of the clock: it would have to be honest all the time. Which bursts are kept nobody knows while they run.
"""

import random

import numpy as np

# Of weights; larger networks are not looked at, for as much is copied each time, with the optimizer's state.
MOST_BYTES = 8 << 20


class Burst:
    """Calls of as many steps each, between two looks.

    item: what was timed. first: number of the first training batch. steps: of all calls. state: a snapshot before them.
    before, after: the weights
    """

    def __init__(self, item, first, steps, state, before):
        self.item, self.first, self.steps = item, first, steps
        self.state, self.before, self.after = state, before, None


class Looks:
    """Keeps a burst of each item that is drawn at random among all, by numbers of the system: those that follow from the
    request's seed are known to whoever reads it."""

    def __init__(self, net, weights):
        self._net = net
        self._wanted = sum(one.nbytes for one in weights.values()) <= MOST_BYTES
        self._random = random.SystemRandom()
        self._open, self._drawn, self._seen = None, {}, {}

    def before(self, item, first, steps):
        """Look before a timed burst of training steps, which ends the one before it."""
        if self._wanted:
            state, weights = self._net.snapshot(), self._weights()
            self._end(weights)
            self._open = Burst(item, first, steps, state, weights)

    def end(self):
        """Look once more, where a burst is open: other steps come, or none."""
        if self._open is not None:
            self._end(self._weights())

    def take(self):
        """The bursts that were kept, which are forgotten, in the order of their items."""
        self.end()
        kept = [self._drawn[item] for item in sorted(self._drawn)]
        self._drawn, self._seen = {}, {}
        return kept

    def _end(self, weights):
        burst, self._open = self._open, None
        if burst is None:
            return
        burst.after = weights
        self._seen[burst.item] = self._seen.get(burst.item, 0) + 1
        if self._random.randrange(self._seen[burst.item]) == 0:
            self._drawn[burst.item] = burst

    def _weights(self):
        """Copied at once: what is computed when somebody reads it would be honest by then."""
        return {name: np.array(value) for name, value in self._net.weights().items()}
