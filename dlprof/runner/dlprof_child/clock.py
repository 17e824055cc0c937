"""Clocks in integer nanoseconds, on Python 3.6 too (which lacks the _ns functions)."""

import os
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


class OwnStopwatch(Stopwatch):
    """The same, but that `wall` is less by what this process's main thread waited for a processor, where the system tells that:
    what other programs do is not in it."""

    __slots__ = ("_waited0",)

    def __enter__(self):
        super().__enter__()
        self._waited0, self._wall0 = _waited_until()
        return self

    def __exit__(self, *exc):
        self.cpu = cpu_ns() - self._cpu0
        waited, now = _waited_until()
        self.wall = now - self._wall0 - (waited - self._waited0)
        return False


def _waited_until():
    """(what the main thread has waited, 0 where that is not told; the time), with no wait between both."""
    while True:
        waited, now = waited_ns(), wall_ns()
        if waited_ns() == waited:
            return waited or 0, now


def waited_ns(thread=None):
    """How long a thread of this process, the main one where none is named, has been ready to run and waited for a processor until
    now; None where the system does not tell, or it is no more."""
    try:
        with open("/proc/self/task/%s/schedstat" % (thread or os.getpid())) as stream:
            return int(stream.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None


def others_waited_ns():
    """Thread -> how long it waited, of all but the main one; None where the system does not tell."""
    if waited_ns() is None:
        return None
    found = ((thread, waited_ns(thread)) for thread in os.listdir("/proc/self/task") if thread != str(os.getpid()))
    return {thread: waited for thread, waited in found if waited is not None}
