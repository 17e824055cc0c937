"""What dlprof has a watched process do between two words: take steps that are timed, run on and tell of its steps, or show two.

A job's `tick` (of a Stream: its `ticker()`) is called at the end of every step until it is done; then it answers by
`Session.pause`, which waits for dlprof's next word.
"""

import time

from dlprof_inject import packages

FLUSH_NS = 500000000
"""Times of steps are sent so often (0.5 s); in between a step costs one reading of the clock. Each time wakes dlprof, which
takes a core from the script for a moment."""


def _from_seconds(clock):
    return lambda: int(clock() * 1e9)


now = getattr(time, "perf_counter_ns", None) or _from_seconds(time.perf_counter)
cpu_now = getattr(time, "process_time_ns", None) or _from_seconds(time.process_time)
wall_clock = getattr(time, "time_ns", None) or _from_seconds(time.time)


class Timed(object):
    """Iterations of so many steps, timed. Of traced and unprofiled ones a first step is not counted."""

    def __init__(self, session, command):
        self.session = session
        self.traced = command["cmd"] == "traced"
        self.settling = command["cmd"] != "run"
        self.left = command["iterations"]
        self.units = self.todo = command.get("units", 1)
        self.number = command.get("first", 0)
        self.walls, self.cpus, self.starts = [], [], []
        self.mark = None
        self.compiled = session.stepper.compiled()[0]
        self._start()

    def _start(self):
        if self.traced:
            self.mark = self.session.profiler.mark(None if self.settling else self.number)
        self.started, self.wall, self.cpu = wall_clock(), now(), cpu_now()

    def tick(self, result=None):
        session = self.session
        session.step += 1
        self.todo -= 1
        if self.todo:
            return
        session.stepper.synchronise(result)
        wall, cpu = now() - self.wall, cpu_now() - self.cpu
        if self.mark is not None:
            self.mark()
            self.mark = None
        if self.settling:
            self.settling = False
        else:
            self.walls.append(wall)
            self.cpus.append(cpu)
            self.starts.append(self.started)
            self.left -= 1
            self.number += 1
        if self.left:
            self.todo = self.units
            self._start()
            return
        session.pause(dict(self.answer(), step=session.step))

    def answer(self):
        """What was timed."""
        return {
            "ok": True,
            "wall_ns": self.walls,
            "cpu_ns": self.cpus,
            "start_ns": self.starts,
            "units": self.units,
            "compiled": self.session.stepper.compiled()[0] - self.compiled,
        }


class Stream(object):
    """Steps as they come, their times told now and then. Where it ends is decided here: dlprof, which hears of steps only
    later, would come too late for a script of a few hundred short ones.

    until: the step that ends it; seconds: the time after which the step that is under way ends it; either may be None
    ends: when those steps ended that are not told yet
    room: how many of them may come before step `until`; look_at: when there is something to do besides
    """

    def __init__(self, session, until, seconds):
        self.session = session
        self.until = until
        self.ends = []
        self.last = now()
        self.deadline = None if seconds is None else self.last + int(seconds * 1e9)
        self._make_room()

    def ticker(self):
        """The tick. Of all that is done between two steps outside of the window this is what each of them pays for, and a
        script's own work has driven it out of the processor's caches: it takes no lock but where there is something to do.
        Where several threads take steps, one that is just here while another begins to wait goes on to the end of its next.
        """
        session, lock, ends, add, clock = self.session, self.session.lock, self.ends, self.ends.append, now

        def tick(result=None):
            at = clock()
            add(at)
            if at >= self.look_at or len(ends) >= self.room:
                with lock:
                    if session.tick is tick:
                        session.tick = waiting
                        self._look(at)
                        if session.tick is waiting:
                            session.tick = tick
                    else:  # another thread was here, and something else was asked for meanwhile
                        session.tick(result)

        def waiting(result=None):
            with lock:
                if session.tick is not waiting:
                    session.tick(result)

        return tick

    def _make_room(self):
        self.room = float("inf") if self.until is None else self.until - self.session.step
        self.look_at = self.last + FLUSH_NS
        if self.deadline is not None:
            self.look_at = min(self.look_at, self.deadline)

    def _look(self, at):
        """It ends here, or what there is is told."""
        reached = len(self.ends) >= self.room
        told = {"wall_ns": [end - before for before, end in zip([self.last, *self.ends], self.ends)]}
        self.session.step += len(self.ends)
        told["step"] = self.session.step
        del self.ends[:]
        if reached or (self.deadline is not None and at >= self.deadline):
            self._stop(told)
        else:
            self._flush(told)
            self.session.step += len(self.ends)  # of other threads, meanwhile
            del self.ends[:]
            self.last = now()
            self._make_room()

    def _flush(self, told):
        session = self.session
        try:
            session.send(dict(told, event="steps"))
        except OSError:
            session.forget()
            return
        command = session.receive(wait=False)
        if command is None:
            return
        if command["cmd"] == "stop":
            self._stop({"wall_ns": [], "step": session.step})
        else:
            session.obeyed(command)

    def _stop(self, told):
        # The device is not waited for: a queue that is drained at every look would make the steps after it look short.
        self.session.pause(dict(told, event="stopped"))


class Facts(object):
    """Two steps that are looked at; then all that is known of the work is told."""

    def __init__(self, session):
        self.session = session
        self.steps = 2
        self.started = session.started()
        self.looked = session.stepper.look()
        self.last = now()

    def tick(self, result=None):
        at = now()
        self.started["early_ns"].append(at - self.last)
        self.last = at
        self.session.step += 1
        self.steps -= 1
        if self.steps:
            return
        self.session.stepper.synchronise(result)
        facts, untold, turns = {}, [], self.session.turns
        if turns:
            last = "the last one of {} that came one after the other".format(turns + 1)
            untold.append("{}: {}".format(self.session.stepper.found, last))
        for ask in (self.session.stepper.facts, self.looked):
            facts.update(self.answered(ask, untold))
        facts["untold"] = untold
        facts["strays"] = packages.strays()
        facts["installed"] = packages.installed()
        facts["start"] = self.started
        self.session.pause({"ok": True, "facts": facts, "step": self.session.step})

    def answered(self, ask, untold):
        """What the framework knows; where it cannot be asked, the script, which is the user's, runs on, and that is told."""
        try:
            return ask()
        except Exception as error:  # noqa: BLE001
            stepper = self.session.stepper
            of = "{} {}".format(stepper.framework, stepper.version())
            untold.append("what {} knows of the work could not be asked: {!r}".format(of, error))
            return {}
