"""TensorFlow: a step is a call of the `tf.function` that takes most time, or of TensorFlow 1 a session's run of most time."""

import functools
import sys
import threading
import weakref

from dlprof_inject import packages, profilers, shapes
from dlprof_inject.candidates import Candidates
from dlprof_inject.jobs import now

_DEPTH = threading.local()

_METHODS = weakref.WeakKeyDictionary()
"""Of a tf.function that belongs to one object: the one in its class that it was made of."""
_OWN = ("tensorflow.", "keras.", "tf_keras.", "tensorflow_")


class TensorFlow(object):
    """What all kinds of steps in TensorFlow share."""

    framework = "tensorflow"

    def __init__(self, session, tensorflow):
        self.session = session
        self.tensorflow = tensorflow
        self.found = ""

    def version(self):
        return str(self.tensorflow.__version__)

    def synchronise(self, result=None):
        """Wait for the devices: on a CPU a function has done its work when it returns."""
        testing = getattr(getattr(self.tensorflow, "test", None), "experimental", None)
        synchronise = getattr(testing, "sync_devices", None)
        if synchronise is not None:
            synchronise()

    def compiled(self):
        """Traces of functions, seconds of that (not told), and how many of them are the step's own for further shapes."""
        return 0, None, None

    def profiler(self, folder, full):
        return profilers.TensorFlow(self.tensorflow, folder, full)

    def look(self):
        return dict

    def facts(self):
        tensorflow = self.tensorflow
        facts = {"versions": packages.versions(), "device": self.device(), "batch": []}
        try:
            facts["threads"] = tensorflow.config.threading.get_intra_op_parallelism_threads()
        except AttributeError:
            pass
        return facts

    def device(self):
        try:
            return "gpu:0" if self.tensorflow.config.list_logical_devices("GPU") else "cpu:0"
        except AttributeError:
            return "cpu:0"

    def release(self):
        pass


def functions(module, session):
    """tensorflow was imported. The class of what `tf.function` makes is told of its calls: what stood in the place of such a
    function would be none to `tf.saved_model.save`, and would share what each object has of its own for a method."""
    if not hasattr(module, "function"):
        return
    kind = type(module.function(_nothing))
    stepper = Functions(session, module)
    call, get = kind.__call__, kind.__get__

    @functools.wraps(call)
    def called(self, *args, **kwargs):
        inside = getattr(_DEPTH, "now", 0) or not module.executing_eagerly()
        key = None if inside or not session.may_begin() else stepper.key(self)
        if key is None or key.is_of_library:
            return call(self, *args, **kwargs)
        return stepper.called(key, lambda: call(self, *args, **kwargs), [args, kwargs])

    @functools.wraps(get)
    def got(self, instance, owner=None):
        found = get(self, instance, owner)
        if found is not self and isinstance(found, kind) and found not in _METHODS:
            _METHODS[found] = self
        return found

    kind.__call__, kind.__get__ = called, got


def _nothing():
    pass


def sessions(module, session):
    """tensorflow.python.client.session was imported."""
    run = module.BaseSession.run
    stepper = []

    def timed(self, fetches, *args, **kwargs):
        if getattr(_DEPTH, "now", 0) or not session.may_begin():
            return run(self, fetches, *args, **kwargs)
        if not stepper:
            stepper.append(Functions(session, sys.modules["tensorflow"]))
        feed = args[0] if args else kwargs.get("feed_dict")
        return stepper[0].called(_Fetches(fetches), lambda: run(self, fetches, *args, **kwargs), feed)

    timed.__doc__ = run.__doc__
    timed.__wrapped__ = run
    module.BaseSession.run = timed


class _Fetches(object):
    """What a session is asked for, as a key."""

    def __init__(self, fetches):
        self.key = repr(fetches)

    def __eq__(self, other):
        return isinstance(other, _Fetches) and self.key == other.key

    def __hash__(self):
        return hash(self.key)

    def __str__(self):
        return "Session.run of {}".format(self.key if len(self.key) < 120 else self.key[:117] + "...")


class _Function(object):
    """A tf.function, as a key: a method's is one for all objects of its class, though each has a function of its own."""

    def __init__(self, function):
        python = getattr(function, "python_function", function)
        self.name = str(getattr(python, "__qualname__", repr(python)))
        self.is_of_library = (str(getattr(python, "__module__", "")) + ".").startswith(_OWN)

    def __str__(self):
        return "the tf.function " + self.name


class Functions(TensorFlow):
    """The outermost call that takes most time."""

    def __init__(self, session, tensorflow):
        TensorFlow.__init__(self, session, tensorflow)
        self.candidates = Candidates()
        self.chosen = None
        self.batch = []
        self.keys = weakref.WeakKeyDictionary()

    def facts(self):
        return dict(TensorFlow.facts(self), batch=self.batch)

    def key(self, function):
        """What stands for a tf.function of the script."""
        key = self.keys.get(function)
        if key is None:
            method = _METHODS.get(function)
            key = self.keys[function] = _Function(function) if method is None else self.key(method)
        return key

    def compiled(self):
        counts = [(key, traced(one) or 0) for one, key in list(self.keys.items()) if not key.is_of_library]
        own = [count for key, count in counts if key is self.chosen]
        return sum(count for _, count in counts), None, sum(again(count) for count in own) if any(own) else None

    def called(self, key, run, given):
        """Run an outermost call and tell of it. given: its arguments, or what a session is fed."""
        session = self.session
        if session.stepper is not None and (session.stepper is not self or key != self.chosen):
            return run()
        _DEPTH.now = 1
        began = now()
        try:
            result = run()
        finally:
            _DEPTH.now = 0
        if session.stepper is self:
            session.tick(result)
            return result
        at = now()
        if session.may_begin() and self.candidates.add(key, at - began, at=at) == key:
            self.chosen = key
            self.batch = [shapes.of(one) for one in shapes.arrays(given) if not hasattr(one, "assign")][:16]
            others = self.candidates.others(key)
            self.found = "each call of {}".format(key)
            if others:
                self.found += ", of {} the one that takes most time".format(len(others) + 1)
            session.begin(self, self.candidates.calls(key), **self.candidates.first(key))
        return result


def traced(function):
    """How often a tf.function was traced; None where it does not tell (before TensorFlow 2.3, or no tf.function)."""
    count = getattr(function, "experimental_get_tracing_count", None)
    return count() if count is not None else None


def again(count):
    """Of so many traces those after the first."""
    return None if count is None else max(count - 1, 0)
