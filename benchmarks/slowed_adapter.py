"""A child adapter around the real one, which does a known share of work too much: real slow-downs for the calibration.

Loaded by the child in place of an adapter (so: its Python, its rules). request options: inner_adapter (path of the real
adapter), extra_permille (100 = 10 %). The extra work is further training steps of the framework itself, within the same
block and before its synchronisation, reported as no work: with blocks of 10 steps, 10 % is one step more in each block,
5 % one in every second. Of an op workload every tenth, or twentieth, call is made twice. Work of another kind was tried
first (NumPy after each block): 5 ms of it changed the speed of MXNet's own following block by up to 20 %, so that the
side with more work was the faster one. What is really added is not taken on trust: the report estimates it from all
trials.
"""

from dlprof_child.session import load_adapter


def create(request):
    """The real backend, slowed."""
    options = request["options"]
    inner = load_adapter(options["inner_adapter"]).create(request)
    return SlowedBackend(inner, int(options["extra_permille"]))


class SlowedBackend:
    """Everything is the inner backend's, but for `network` and `compile_call`."""

    def __init__(self, inner, permille):
        self._inner = inner
        self._permille = permille

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def network(self, description, weights):
        return SlowedNetwork(self._inner.network(description, weights), self._permille)

    def compile_call(self, call, names, creates, constants):
        return repeating(self._inner.compile_call(call, names, creates, constants), self._permille)


def repeating(function, permille):
    """The function, of whose calls `permille` in a thousand are made twice, evenly spread."""
    owed = 0

    def run(*values):
        nonlocal owed
        owed += permille
        if owed >= 1000:
            owed -= 1000
            function(*values)
        return function(*values)

    return run


class SlowedNetwork:
    """Everything is the inner network's; `train` takes more steps than it is asked for."""

    def __init__(self, inner, permille):
        self._inner = inner
        self._permille = permille
        self._owed = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def train(self, batches, span):
        batches = list(batches)
        self._owed += self._permille * len(batches)
        extra, self._owed = divmod(self._owed, 1000)
        return self._inner.train(batches + batches[:extra], span)
