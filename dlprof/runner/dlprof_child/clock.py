"""Clocks in integer nanoseconds, on Python 3.6 too (which lacks the _ns functions)."""

import time

if hasattr(time, "perf_counter_ns"):
    wall_ns = time.perf_counter_ns
    cpu_ns = time.process_time_ns
    unix_ns = time.time_ns
else:

    def wall_ns():
        """Monotonic elapsed time; float64 seconds carry it to better than 1 us for 100 days of uptime."""
        return int(time.perf_counter() * 1e9)

    def cpu_ns():
        """CPU time of the process, all threads."""
        return int(time.process_time() * 1e9)

    def unix_ns():
        """Unix time; float64 resolves about 0.2 us."""
        return int(time.time() * 1e9)


class Stopwatch:
    """Elapsed, CPU and start time of a `with` block."""

    __slots__ = ("_cpu0", "_wall0", "cpu", "start", "wall")

    def __enter__(self):
        self.start = unix_ns()
        self._cpu0 = cpu_ns()
        self._wall0 = wall_ns()
        return self

    def __exit__(self, *exc):
        self.wall = wall_ns() - self._wall0
        self.cpu = cpu_ns() - self._cpu0
        return False
