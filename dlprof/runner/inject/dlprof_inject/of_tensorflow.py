"""TensorFlow: a step is a call of the `tf.function` that takes most time, or of TensorFlow 1 a session's run of most time."""

import functools
import sys
import threading
import types
import weakref

from dlprof_inject import packages, profilers, shapes
from dlprof_inject.candidates import Candidates
from dlprof_inject.session import now

_DEPTH = threading.local()
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
    """tensorflow was imported."""
    if not hasattr(module, "function"):
        return
    stepper = Functions(session, module)
    module.function = stepper.replacing(module.function)


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


class Functions(TensorFlow):
    """The outermost call that takes most time."""

    def __init__(self, session, tensorflow):
        TensorFlow.__init__(self, session, tensorflow)
        self.candidates = Candidates()
        self.chosen = None
        self.batch = []
        self.made = weakref.WeakSet()

    def facts(self):
        return dict(TensorFlow.facts(self), batch=self.batch)

    def replacing(self, function):
        """`tf.function`, whose functions tell of their calls; those of libraries are left alone."""

        @functools.wraps(function)
        def replaced(func=None, *args, **kwargs):
            if func is None:
                made = function(None, *args, **kwargs)
                return lambda func: self._watched(func, made(func))
            return self._watched(func, function(func, *args, **kwargs))

        return replaced

    def _watched(self, func, made):
        where = str(getattr(func, "__module__", "")) + "."
        if where.startswith(_OWN):
            return made
        call = Call(made, self)
        self.made.add(call)
        return call

    def compiled(self):
        counts = [traced(call) for call in self.made]
        return sum(count or 0 for count in counts), None, again(traced(self.chosen))

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


class Call(object):
    """A tf.function, which tells of its outermost calls and is the function itself in all else."""

    def __init__(self, function, stepper):
        self.__dict__.update(_function=function, _stepper=stepper)

    def __call__(self, *args, **kwargs):
        stepper = self._stepper
        inside = getattr(_DEPTH, "now", 0) or not stepper.tensorflow.executing_eagerly()
        if inside or not stepper.session.may_begin():
            return self._function(*args, **kwargs)
        return stepper.called(self, lambda: self._function(*args, **kwargs), [args, kwargs])

    def __getattr__(self, name):
        return getattr(self.__dict__["_function"], name)

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __str__(self):
        function = getattr(self._function, "python_function", self._function)
        return "the tf.function {}".format(getattr(function, "__qualname__", repr(function)))
