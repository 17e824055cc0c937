"""The profiler of the NumPy framework: spans in a list, written as the lines that numpy_trace.py reads."""

import time
from pathlib import Path

SHORTEST_NS = 1000  # a native trace leaves shorter operators out


class Span:
    """One event of a trace, unless it is shorter than asked for."""

    def __init__(self, events, name, shortest_ns=0):
        self._events, self._name, self._shortest_ns = events, name, shortest_ns

    def __enter__(self):
        self._start = time.perf_counter_ns()

    def __exit__(self, *exc):
        took = time.perf_counter_ns() - self._start
        if took >= self._shortest_ns:
            self._events.append(f"{self._name}\t{self._start}\t{took}\n")
        return False


class Recorder:
    """Calls NumPy's functions by name, and records each call while a trace is made."""

    def __init__(self, np):
        self._np, self._events, self._path, self._shortest_ns = np, None, None, 0

    @property
    def recording(self):
        return self._events is not None

    def call(self, name, *operands, **options):
        """np.NAME(*operands), recorded."""
        function = getattr(self._np, name)
        return self.run("np." + name, function, *operands, **options)

    def run(self, name, function, *operands, **options):
        """Any function, recorded under a name."""
        if self._events is None:
            return function(*operands, **options)
        with Span(self._events, name, self._shortest_ns):
            return function(*operands, **options)

    def marker(self, name):
        """A marker of dlprof's."""
        return Span(self._events, name)

    def start(self, directory, exact):
        """exact: every operator is in the trace; else cheap ones are left out, as a profiler would by itself."""
        self._path, self._events = Path(directory) / "calls.txt", []
        self._shortest_ns = 0 if exact else SHORTEST_NS

    def stop(self):
        """The files as Backend.stop_trace tells them."""
        self._path.write_text("numpy calls 1\n" + "".join(self._events))
        self._events = None
        return [("numpy-calls", str(self._path))]
