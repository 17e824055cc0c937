"""One watched process: from its first known step on it tells dlprof of its steps, and does at their ends what dlprof asks.

Messages are JSON objects, one a line, over a Unix socket that is opened at the first step: a process that takes none opens it
at its end at most, where it had imported a framework, to say {"event": "no step", …}. Else this side begins with
{"event": "hello", …}; then dlprof's commands are answered between two steps:

    {"cmd": "stream"}                              run on; {"event": "steps", "wall_ns": […]} twice a second
    {"cmd": "stream", "until": 50}                 and wait at the end of step 50: {"event": "stopped", "step": 50}
    {"cmd": "stream", "seconds": 30}               and wait at the end of the step that is under way 30 s from now
    {"cmd": "stop"}                                while streaming: stop at the end of this step
    {"cmd": "run", "iterations": 3, "units": 5}    iterations of 5 steps, the device synchronised at the end of each
    {"cmd": "unprofiled", "iterations": 3}         one step, then 3 synchronised ones that are timed
    {"cmd": "open_window", "folder": …, "full": true}, {"cmd": "traced", "iterations": 3, "first": 0}, {"cmd": "close_window"}
                                                   (a script that ends in between answers with the artefacts at once)
    {"cmd": "facts"}                               what is known of the work, with what the next two steps show of it
    {"cmd": "free"}                                run on and forget dlprof
    {"cmd": "end"}                                 raise SystemExit at the end of this step, and again at each later one
"""

import atexit
import json
import os
import socket
import sys
import threading

from dlprof_inject.jobs import Facts, Stream, Timed, now


class Session(object):
    """The process that imported this. tick: called by the stepper at the end of every step."""

    def __init__(self, address):
        self.address = address
        self.pid = os.getpid()
        self.stepper = None
        self.step = 0
        self.troubles = []
        self.turns = 0
        self.claimed = False
        self.frameworks = set()
        self.named = None
        self.born = now()
        self.ends = []
        self.first_call = None
        self.socket = None
        self.inode = None
        self.lock = threading.RLock()
        self.left = b""
        self.work = None
        self.profiler = None
        self.tick = self._nothing
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def may_begin(self, owner=None):
        """Whether this is a process that may be watched: not a fork of one that is or was. owner: what the user names as steps;
        without it steps are a guess, which no longer counts where the script tells its steps itself."""
        return self.address is not None and self.pid == os.getpid() and (owner is not None or not self.claimed)

    def trouble(self, text):
        """Something could not be hooked; told in the hello."""
        self.troubles.append(text)

    def follows(self):
        """What was taken for steps has ended, and another of its kind goes on; told with the facts."""
        self.turns += 1

    def imported(self, framework):
        """A framework has been imported; where no step follows, dlprof is told at the end what there was."""
        if not self.frameworks:
            atexit.register(self._ends_without)
        self.frameworks.add(framework)

    def named_step(self, told):
        """The user names the step. told: a function that gives found | absent, for the same message."""
        self.named = told
        atexit.register(self._ends_without)

    def _ends_without(self):
        """The program ends; where it took no step, dlprof is told so. Nobody waits for that: dlprof may be busy, or gone."""
        if self.stepper is not None or self.address is None or self.pid != os.getpid():
            return
        told = {"event": "no step", "pid": self.pid, "executable": sys.executable, "troubles": self.troubles}
        told["python"] = "{}.{}.{}".format(*sys.version_info[:3])
        told["named"] = self.named() if self.named is not None else ""
        modules = {name: sys.modules.get(name) for name in sorted(self.frameworks)}
        told["frameworks"] = {name: str(getattr(one, "__version__", "")) for name, one in modules.items()}
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(self.address)
            connection.send(json.dumps(told).encode() + b"\n")
        except OSError:
            pass
        connection.close()

    def begin(self, stepper, seen, owner=None, ends=(), first_call=None):
        """The end of a step of `stepper`, the first that is known to be one; `seen`: steps so far. Waits for dlprof's word.
        ends: when the first steps ended; first_call: ns of the first call, where a step is a call."""
        if self.stepper is not None or not self.may_begin(owner):
            return
        self.stepper = stepper
        self.step = seen
        self.ends = list(ends)
        self.first_call = first_call
        try:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(self.address)
            self.inode = os.fstat(self.socket.fileno()).st_ino
            self.send(self._hello())
        except OSError:
            self.forget()
            return
        atexit.register(self._window_ends)
        self._gate()

    def _gives_up(self):
        """The script is about to start a profiler of its own."""
        if self.pid == os.getpid():
            self._window_ends("the script started its own profiler")
            self.forget()

    def _window_ends(self, why=""):
        """Before all that was asked for is recorded, as where the script ends: a profiler that runs is stopped (PyTorch's would
        crash the process), and what it has is told."""
        profiler = self._closing()
        if profiler is None or self.pid != os.getpid():
            return
        told = {"artefacts": profiler.stop(), "step": self.step, "message": why}
        told.update(self.work.answer() if isinstance(self.work, Timed) else {"wall_ns": []})
        if self.socket is not None:
            try:
                self.send(told)
            except OSError:
                pass

    def _closing(self):
        """The profiler that runs, which is to be stopped now; None where none does."""
        profiler, self.profiler = self.profiler, None
        if profiler is not None:
            profiler.alone.release()
        return profiler

    def started(self):
        """What came before the steps that are timed.

        seconds: since the start; first_step: until the end of the first step, None where that was not seen
        first_call: ns of the call that was the first step; early_ns: of the steps after it
        compiled, compiling, again: programs compiled, seconds of that, and how many of them were compiled before for other
            shapes; None where it is not told
        """
        try:
            programs, seconds, again = self.stepper.compiled()
        except Exception as error:  # noqa: BLE001  the script, which is the user's, runs on
            programs, seconds, again = 0, None, None
            self.trouble("how much was compiled could not be asked: {!r}".format(error))
        ends = self.ends
        return {
            "seconds": (now() - self.born) / 1e9,
            "first_step": (ends[0] - self.born) / 1e9 if ends else None,
            "first_call": self.first_call,
            "early_ns": [end - before for before, end in zip(ends, ends[1:])],
            "compiled": programs,
            "compiling": seconds,
            "again": again,
        }

    def forget(self):
        """Run on as if dlprof were not there."""
        self.address = None
        self.tick = self._nothing
        self.work = None
        mine, self.socket = self.socket, None
        if mine is not None and not self._is_open(mine):
            mine.detach()  # the script has closed it, and may have opened something else under its number
        elif mine is not None:
            mine.close()
        if self.stepper is not None:
            self.stepper.release()

    def _hello(self):
        stepper = self.stepper
        rank, world = _ranks()
        return {
            "event": "hello",
            "pid": self.pid,
            "rank": rank,
            "world": world,
            "argv": list(getattr(sys, "orig_argv", sys.argv)),
            "python": "{}.{}.{}".format(*sys.version_info[:3]),
            "executable": sys.executable,
            "framework": stepper.framework,
            "version": stepper.version(),
            "found": stepper.found,
            "step": self.step,
            "troubles": self.troubles,
        }

    def _nothing(self, result=None):
        pass

    def _is_open(self, mine):
        """Whether the socket is still what it was: scripts that close all files close it too."""
        try:
            return os.fstat(mine.fileno()).st_ino == self.inode
        except OSError:
            return False

    def send(self, message):
        """A message to dlprof; OSError where it is gone, or the script has closed the socket."""
        if not self._is_open(self.socket):
            raise OSError("the script has closed the socket")
        self.socket.sendall(json.dumps(_stated(message)).encode() + b"\n")

    def receive(self, wait=True):
        """The next message; None where there is none yet (wait=False) or where dlprof is gone."""
        if not self._is_open(self.socket):
            self.forget()
            return None
        self.socket.setblocking(wait)
        while b"\n" not in self.left:
            try:
                chunk = self.socket.recv(65536)
            except (BlockingIOError, InterruptedError):
                return None
            except OSError:
                chunk = b""
            if not chunk:
                self.forget()
                return None
            self.left += chunk
        line, _, self.left = self.left.partition(b"\n")
        self.socket.setblocking(True)
        return json.loads(line.decode())

    def _gate(self):
        """Between two steps: do what dlprof asks until it lets the script take a step."""
        while self.socket is not None:
            command = self.receive()
            if command is None:
                return
            try:
                if self.obeyed(command):
                    return
            except OSError:
                self.forget()
                return
            except Exception as error:  # noqa: BLE001  told to dlprof, which decides
                self.send({"ok": False, "message": "{}: {!r}".format(command["cmd"], error)})

    def obeyed(self, command):
        """Do one command; whether the script takes a step now."""
        name = command["cmd"]
        if name in ("run", "unprofiled", "traced"):
            self.work = Timed(self, command)
        elif name == "stream":
            self.work = Stream(self, command.get("until"), command.get("seconds"))
        elif name == "facts":
            self.work = Facts(self)
        elif name == "open_window":
            profiler = self.stepper.profiler(command["folder"], command.get("full", True))
            profiler.start()
            profiler.alone.guard(self._gives_up)
            self.profiler = profiler
            self.send({"ok": True})
            return False
        elif name == "close_window":
            self.send({"ok": True, "artefacts": self._closing().stop()})
            return False
        elif name == "end":
            self.tick = self._leave
            self.send({"ok": True})
            self._leave()
        else:
            self.send({"ok": True})
            self.forget()
            return True
        self.tick = self.work.ticker() if name == "stream" else self._alone(self.work.tick)
        return True

    def _alone(self, tick):
        """The same where several threads take steps: while one of them is held, the others are at the end of their next."""

        def locked(result=None):
            with self.lock:
                if self.tick is locked:
                    tick(result)
                else:  # something else was asked for meanwhile
                    self.tick(result)

        return locked

    def _leave(self, result=None):
        raise SystemExit(0)

    def pause(self, answer):
        """At the end of a step: the work is done; answer, and wait for dlprof's word."""
        try:
            self.send(answer)
        except OSError:
            self.forget()
            return
        self._gate()


def _ranks():
    """Which of how many processes of a job this is: as PyTorch knows it (`mp.spawn` sets no variable), else by the launcher's
    variables."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return _number("RANK", "OMPI_COMM_WORLD_RANK", 0), _number("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", 1)


def _number(name, other, usual):
    """A whole number from the first of two variables that is set; `usual` where it is none: the script may mean otherwise."""
    try:
        return int(os.environ.get(name, os.environ.get(other, "")) or usual)
    except ValueError:
        return usual


def _stated(value):
    """The same as JSON can state it: a loss that is infinite or no number becomes null, bytes of a text that are no UTF-8 (an
    argument may have them) are written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _stated(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        # Times of steps are many, and whole numbers need nothing: they are asked for by type, which no code of ours slows down.
        return value if set(map(type, value)) == {int} else [_stated(one) for one in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
