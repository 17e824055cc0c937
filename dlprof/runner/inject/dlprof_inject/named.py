"""Steps that the user names: `--step module:function`, or the calls of `dlprof_steps.step()` that the script makes itself."""

import functools
import importlib
import sys
import threading
import time
import types

from dlprof_inject import lines, packages
from dlprof_inject.jobs import now

_EVERY_S = 0.002
_WATCHED_S = 0.05
_SETTLED_S = 0.25
"""A function of a module whose lines are watched is replaced by time alone once it has been the same for so long."""

_INSIDE = threading.local()


def watch(text, session):
    """Replace the function as soon as its module has it. text: module:function, of which function may be Class.method."""
    place = Place(text, session)
    lines.watch(place)

    def look():
        last, since = None, 0
        while session.may_begin() and session.stepper is None:
            found = place.held()
            if found is not last:
                last, since = found, time.time()
            if not place.lines or time.time() - since > _SETTLED_S:
                place.replace()
            time.sleep(_WATCHED_S if place.lines else _EVERY_S)

    session.named_step(lambda: "absent" if place.found() is None else "found")
    thread = threading.Thread(target=look, name="dlprof")
    thread.daemon = True
    thread.start()


class Place(object):
    """Where the function is found. lines: its module's lines are watched, so that it is replaced as soon as it is made."""

    def __init__(self, text, session):
        self.text = text
        self.session = session
        self.module, _, path = text.partition(":")
        self.path = path.split(".")
        self.lines = False

    def held(self):
        """What the name holds now; None where it does not exist."""
        owner = self._owner()
        return vars(owner).get(self.path[-1]) if owner is not None and hasattr(owner, "__dict__") else None

    def found(self):
        """The same, also where it is inherited."""
        return getattr(self._owner(), self.path[-1], None)

    def replace(self):
        """Put what tells of its calls in its place."""
        found = self.held()
        if found is not None and not isinstance(found, Named):
            setattr(self._owner(), self.path[-1], Named(found, self))

    def _owner(self):
        owner = sys.modules.get(self.module)
        for part in self.path[:-1]:
            owner = getattr(owner, part, None)
        return owner


class Named(object):
    """The function that is a step, told of after each call."""

    def __init__(self, function, place):
        self.__dict__.update(_function=function, _place=place, _session=place.session, _stepper=None)
        if not isinstance(function, (staticmethod, classmethod)):
            functools.update_wrapper(self, function, updated=())

    def __call__(self, *args, **kwargs):
        if self._stepper is None and self._place.held() is not self:  # it is inside of what has the name by now
            return self._function(*args, **kwargs)
        if getattr(_INSIDE, "now", False):  # it calls itself: the outermost call is the step
            return self._function(*args, **kwargs)
        began = now()
        _INSIDE.now = True
        try:
            result = self._function(*args, **kwargs)
        finally:
            _INSIDE.now = False
        ended(self, "each call of {}, as --step says".format(self._place.text), result, began)
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


def ended(owner, found, result=None, began=None):
    """A step of `owner` has ended; the first makes it the one whose steps count. began: when it did, where it is a call."""
    session = owner._session
    if session.stepper is None and session.may_begin(owner):
        owner.__dict__["_stepper"] = _stepper(session, found)
        at = now()
        session.begin(owner._stepper, 1, owner, ends=[at], first_call=None if began is None else at - began)
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
        return 0, None, None

    def profiler(self, folder, full):
        raise RuntimeError("no framework is in use, and so there is no profiler to record with")

    def look(self):
        return dict

    def facts(self):
        return {"versions": packages.versions(), "device": "cpu:0"}

    def release(self):
        pass
