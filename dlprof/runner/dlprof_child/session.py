"""One run of the child: read request.json, load the adapter, do the task, leave result.json whatever happens."""

import importlib.util
import json
import os
import platform
import random
import sys
import traceback

import numpy as np

from .channel import write_json
from .clock import unix_ns
from .faults import Fault, Unsupported
from .network import NetworkWork
from .ops import OpWork
from .recheck import busy_threads

PROTOCOL = 1
KINDS = {"network": NetworkWork, "op": OpWork}  # type: dict[str, type[NetworkWork] | type[OpWork]]
WINDOW = ("open_window", "traced", "unprofiled", "close_window")


def load_adapter(path):
    """The adapter module, loaded by path under a name that shadows nothing.

    Its folder goes to the END of sys.path, so that it may have neighbours without hiding an installed package.
    """
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location("dlprof_adapter", path)
    if spec is None or not os.path.exists(path):
        raise Unsupported("no adapter file at %s" % path, "reinstall dlprof, or the plugin that names this adapter")
    module = importlib.util.module_from_spec(spec)
    sys.modules["dlprof_adapter"] = module
    spec.loader.exec_module(module)
    return module


class Session:
    """Carries the request through to result.json; `run` returns the exit status."""

    def __init__(self, control, channel, started_ns):
        self._control = control
        self._channel = channel
        self._started_ns = started_ns
        self._backend = None
        self._result = {"protocol": PROTOCOL, "status": "failed", "versions": {}, "runtime": {}}

    def run(self):
        """0 when the task was done, 1 when result.json says why not."""
        try:
            self._task()
            self._result["status"] = "ok"
        except BrokenPipeError:
            self._fail(Fault("the parent closed its end of the pipe"))
        except Exception as error:  # noqa: BLE001 - the edge of the process: every failure must reach result.json
            self._fail(error)
        write_json(os.path.join(self._control, "result.json"), self._result)
        if self._result["status"] != "ok":
            return 1
        try:
            self._channel.send({"event": "done"})
        except BrokenPipeError:  # after quit the parent need not listen any more
            pass
        return 0

    def _fail(self, error):
        self._result.update(describe(error))
        self._result["traceback"] = traceback.format_exc()

    def _task(self):
        with open(os.path.join(self._control, "request.json")) as stream:
            request = check(json.load(stream))
        self._channel.send({"event": "phase", "name": "import"})
        seeds = _seed(int(request["seed"]))
        backend = self._backend = load_adapter(request["adapter"]).create(request)
        self._result["versions"] = dict(backend.versions(), python=platform.python_version(), numpy=np.__version__)
        self._result["runtime"] = backend.runtime()
        self._channel.send({"event": "phase", "name": "prepare"})
        work = KINDS[request["workload"]["kind"]](request, backend, self._channel)
        self._result["runtime"] = dict(backend.runtime(), facts=work.facts(), pid=os.getpid(), seeds=seeds)
        if request["task"] == "trace":
            self._trace(work)
        else:
            self._serve(work)
        work.close()

    def _trace(self, work):
        directory = os.path.join(self._control, "raw")
        os.makedirs(directory, exist_ok=True)
        fields = work.trace(directory)
        for artefact in fields["artefacts"]:
            artefact["path"] = os.path.relpath(artefact["path"], self._control)
        self._result.update(fields)

    def _serve(self, work):
        self._channel.send(
            {
                "event": "ready",
                "versions": self._result["versions"],
                "runtime": self._result["runtime"],
                "items": list(work.items),
                "startup_ns": unix_ns() - self._started_ns,
            }
        )
        for command in self._channel.commands():
            if command is not None and command.get("cmd") == "quit":
                self._channel.send({"ok": True})
                return
            self._channel.send(self._answer(work, command))
        raise Fault("standard input ended without quit", "the parent ended, or closed its pipe")

    def _answer(self, work, command):
        """The answer to one command. A failure is an answer too: the parent decides what becomes of the worker."""
        try:
            if command is None:
                raise Fault("a command that is not a JSON object")
            if command.get("cmd") == "run":
                iterations, timed = int(command.get("iterations", 1)), bool(command.get("timed", False))
                wall, cpu, start, units = work.run(command["item"], iterations, timed)
                return {"ok": True, "wall_ns": wall, "cpu_ns": cpu, "start_ns": start, "units": units}
            if command.get("cmd") == "parity":
                arrays = work.parity()
                np.savez(os.path.join(self._control, command["out"]), **arrays)
                return {"ok": True, "arrays": sorted(arrays), "missing": dict(work.missing)}
            if command.get("cmd") == "threads":
                return {"ok": True, "busy_threads": busy_threads(self._backend)}
            if command.get("cmd") == "recheck":
                seed, steps = int(command["seed"]), int(command.get("steps", 0))
                brief = bool(command.get("brief", False))
                arrays, deferred, saved = work.recheck(seed, steps, command.get("scales", {}), brief)
                np.savez(os.path.join(self._control, command["out"]), **arrays)
                return {"ok": True, "arrays": sorted(arrays), "deferred": deferred, "saved": saved}
            if command.get("cmd") in WINDOW:
                return self._window(work, command)
            commands = ", ".join(("parity", "threads", "run", "recheck", *WINDOW, "quit"))
            raise Fault("no command '%s'" % command.get("cmd"), "commands: " + commands)
        except Exception as error:  # noqa: BLE001 - the answer carries it; its traceback goes to the log
            traceback.print_exc()
            return dict(describe(error), ok=False)

    def _window(self, work, command):
        """The answer to a command of the traced window that follows the timed rounds."""
        if command["cmd"] == "open_window":
            directory = os.path.join(self._control, "raw")
            os.makedirs(directory, exist_ok=True)
            work.open_window(directory, command["items"], int(command["units"]))
            return {"ok": True}
        if command["cmd"] == "close_window":
            artefacts, window, left_out = work.close_window()
            return {
                "ok": True,
                "artefacts": [{"kind": kind, "path": os.path.relpath(path, self._control)} for kind, path in artefacts],
                "window": dict(window, synchronised=True),
                "left_out": left_out,
            }
        run = work.traced if command["cmd"] == "traced" else work.unprofiled
        return {"ok": True, "wall_ns": run(command["item"], int(command["iterations"]))}


def _seed(seed):
    """Seed Python and NumPy; the adapter seeds its framework with the same number. What goes to the manifest."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    return {"python": seed, "numpy": seed % 2**32, "framework": seed}


def check(request):
    """The request, with its defaults. Raises Unsupported where this child cannot honour it."""
    if request.get("protocol") != PROTOCOL:
        raise Unsupported(
            "request.json speaks protocol %r, this child speaks %d" % (request.get("protocol"), PROTOCOL),
            "parent and child must come from the same dlprof",
        )
    if request.get("task") not in ("trace", "serve"):
        raise Unsupported("no task '%s'" % request.get("task"), "tasks: trace, serve")
    kind = request["workload"].get("kind")
    if kind not in KINDS:
        raise Unsupported("no workload kind '%s'" % kind, "kinds: " + ", ".join(sorted(KINDS)))
    for key, value in (("options", {}), ("inputs", {}), ("device", {"kind": "cpu", "index": 0}), ("seed", 0)):
        request.setdefault(key, value)
    return request


def describe(error):
    """status, message and hint of an exception."""
    if isinstance(error, Fault):
        return {"status": error.status, "message": error.message, "hint": error.hint}
    return {"status": "failed", "message": "%s: %s" % (type(error).__name__, error), "hint": ""}
