"""Which of several calls is the training step: the one that feeds its own results back to itself, else that of most time."""

ENOUGH = 5
"""Calls of one function after its first, which compiles, before it is taken for the step."""


class Candidates(object):
    """Calls seen so far: what was called → [calls, ns but for the first call, whether it was given its own results, ends of the
    calls, ns of the first, whether it could be given its own results]."""

    def __init__(self):
        self.seen = {}

    def add(self, key, ns, threaded=False, at=0, fits=False):
        """A call has ended, at that time, and took so long. Returns the chosen key once it is known, else None.

        threaded, fits: whether it was given its own results; whether it gave back what it could be given, as a step its weights
        """
        one = self.seen.setdefault(key, [0, 0, False, [], ns, fits])
        one[0] += 1
        one[3].append(at)
        one[1] += ns if one[0] > 1 else 0
        one[2] = one[2] or threaded
        if one[0] <= ENOUGH:
            return None
        often = [key for key, seen in self.seen.items() if seen[0] > 1]
        loops = [key for key in often if self.seen[key][2]]
        best = max(loops or often, key=lambda key: self.seen[key][1])
        if self.seen[best][0] <= ENOUGH or (not loops and self._awaited(self.seen[best][1])):
            return None
        return best

    def _awaited(self, ns):
        """Whether a step may have been called once so far, beside short calls that take less in all than its first one did."""
        return any(calls == 1 and fits and ns < first for calls, _, _, _, first, fits in self.seen.values())

    def calls(self, key):
        """How often it was called so far."""
        return self.seen[key][0]

    def most(self, key):
        """Calls of the one that was called most often beside it."""
        return max([seen[0] for other, seen in self.seen.items() if other != key] or [0])

    def first(self, key):
        """When its calls ended, and how long (ns) the first of them took: of `Session.begin`."""
        return {"ends": self.seen[key][3], "first_call": self.seen[key][4]}

    def others(self, key):
        """What else was called, and how often."""
        return {str(other): seen[0] for other, seen in self.seen.items() if other != key}
