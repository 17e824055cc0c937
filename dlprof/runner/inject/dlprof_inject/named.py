"""Steps that the user names: `--step module:function`, or the calls of `dlprof_steps.step()` that the script makes itself."""

import functools
import importlib
import sys
import threading
import time
import types

from dlprof_inject import packages

_EVERY_S = 0.002


def watch(text, session):
    """Replace the function as soon as its module has it. text: module:function, of which function may be Class.method."""
    name, _, path = text.partition(":")

    def look():
        while session.may_begin() and session.stepper is None:
            owner = sys.modules.get(name)
            parts = path.split(".")
            for part in parts[:-1]:
                owner = getattr(owner, part, None)
            found = vars(owner).get(parts[-1]) if owner is not None and hasattr(owner, "__dict__") else None
            if found is not None and not isinstance(found, Named):
                setattr(owner, parts[-1], Named(found, text, session))
            time.sleep(_EVERY_S)

    def state():
        """Whether the function is there and was never called."""
        owner = sys.modules.get(name)
        for part in path.split("."):
            owner = getattr(owner, part, None)
        return "absent" if owner is None else "found"

    session.named_step(state)
    thread = threading.Thread(target=look, name="dlprof")
    thread.daemon = True
    thread.start()


class Named(object):
    """The function that is a step, told of after each call."""

    def __init__(self, function, text, session):
        self.__dict__.update(_function=function, _text=text, _session=session, _stepper=None)
        if not isinstance(function, (staticmethod, classmethod)):
            functools.update_wrapper(self, function, updated=())

    def __call__(self, *args, **kwargs):
        result = self._function(*args, **kwargs)
        ended(self, "each call of {}, as --step says".format(self._text), result)
        return result

    def __getattr__(self, name):
        return getattr(self.__dict__["_function"], name)

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)


class Told(object):
    """A script that says itself where its steps end (dlprof_steps.py)."""

    def __init__(self, session):
        self._session = session
        self._stepper = None


def ended(owner, found, result=None):
    """A step of `owner` has ended; the first makes it the one whose steps count."""
    session = owner._session
    if session.stepper is None and session.may_begin(owner):
        owner.__dict__["_stepper"] = _stepper(session, found)
        session.begin(owner._stepper, 1, owner)
    elif owner._stepper is not None and session.stepper is owner._stepper:
        session.tick(result)


def _stepper(session, found):
    """A stepper of the framework that is in use."""
    for name, where, kind in (
        ("torch", "of_torch", "_Torch"),
        ("jax", "of_jax", "_Jax"),
        ("tensorflow", "of_tensorflow", "TensorFlow"),
    ):
        if name in sys.modules:
            made = getattr(importlib.import_module("dlprof_inject." + where), kind)
            stepper = made(session) if name == "torch" else made(session, sys.modules[name])
            stepper.torch = sys.modules.get("torch")
            stepper.release = lambda: None
            stepper.found = found
            return stepper
    return Plain(session, found)


class Plain(object):
    """Steps of a program that uses none of the frameworks: they can be timed, and not recorded."""

    framework = "python"

    def __init__(self, session, found):
        self.session = session
        self.found = found

    def version(self):
        return "{}.{}.{}".format(*sys.version_info[:3])

    def synchronise(self, result=None):
        pass

    def compiled(self):
        return 0, None

    def profiler(self, folder, full):
        raise RuntimeError("no framework is in use, and so there is no profiler to record with")

    def look(self):
        return dict

    def facts(self):
        return {"versions": packages.versions(), "device": "cpu:0"}

    def release(self):
        pass
