"""JAX: a step is a call of the jitted function that takes most time, or what the script itself annotates as a step.

`jax.jit` is replaced before the script's own code runs. Calls inside a transformation (jit in jit, grad, vmap) are none; nor
are eager loops and ahead-of-time compiled functions seen.
"""

import copy
import functools
import sys
import threading
import types

from dlprof_inject import packages, profilers, shapes
from dlprof_inject.candidates import Candidates
from dlprof_inject.chosen import Chosen
from dlprof_inject.jobs import now

_DEPTH = threading.local()

_KIND = vars(object)["__class__"]
"""What a thing is an object of, whatever it says of itself."""

_COMPILED = [0, 0.0]
"""Programs that XLA has compiled so far, and the seconds that it took."""


def counted(module, session):
    """jax was imported: what it compiles is counted from now on, whoever says what a step is."""
    try:
        from jax import monitoring
    except ImportError:  # before JAX 0.3.18
        return
    monitoring.register_event_duration_secs_listener(_compiled)


def jitted(module, session):
    """jax was imported."""
    stepper = Jitted(session, module)
    for name in ("jit", "pmap"):
        if hasattr(module, name):
            setattr(module, name, stepper.replacing(getattr(module, name)))


def _compiled(event, seconds, **more):
    """JAX has timed something."""
    if event.endswith("backend_compile_duration"):
        _COMPILED[0] += 1
        _COMPILED[1] += seconds


def annotated(module, session):
    """jax.profiler was imported."""
    made = module.StepTraceAnnotation

    class StepTraceAnnotation(made):
        __doc__ = made.__doc__

        def __exit__(self, *told):
            left = super().__exit__(*told)
            if session.stepper is None and told[:1] in ((), (None,)):
                Annotated(session, sys.modules["jax"])
            elif isinstance(session.stepper, Annotated):
                session.tick()
            return left

    module.StepTraceAnnotation = StepTraceAnnotation


class _Jax(object):
    framework = "jax"

    def __init__(self, session, jax):
        self.session = session
        self.jax = jax
        self.found = ""
        self.arguments = None

    def version(self):
        return str(self.jax.__version__)

    def synchronise(self, result=None):
        if result is not None:
            self.jax.block_until_ready(result)
        else:
            for device in self.jax.local_devices():
                synchronise = getattr(device, "synchronize_all_activity", None)
                if synchronise is not None:
                    synchronise()

    def compiled(self):
        """Programs, seconds of that, and how many of them are the step's own for further shapes; the last only where told."""
        return _COMPILED[0], _COMPILED[1], None

    def profiler(self, folder, full):
        return profilers.Jax(self.jax, folder, full)

    def look(self):
        return dict

    def device(self):
        kind = self.jax.default_backend()
        return "{}:0".format({"cuda": "gpu", "rocm": "gpu"}.get(kind, kind))

    def facts(self):
        config = self.jax.config
        return {
            "versions": packages.versions(),
            "device": self.device(),
            "devices": self.jax.local_device_count(),
            "float32 products": str(config.jax_default_matmul_precision or "default"),
            "64 bits": bool(config.jax_enable_x64),
            "batch": [],
        }

    def release(self):
        pass


class Annotated(_Jax):
    """The script's own StepTraceAnnotation."""

    def __init__(self, session, jax):
        _Jax.__init__(self, session, jax)
        self.found = "the script's own jax.profiler.StepTraceAnnotation"
        session.begin(self, 1)


class Jitted(_Jax):
    """The outermost jitted call that takes most time."""

    def __init__(self, session, jax):
        _Jax.__init__(self, session, jax)
        self.candidates = Candidates()
        self.chosen = Chosen()
        self.results = {}
        self.clean = _clean(jax)

    def replacing(self, jit):
        """`jit` (or pmap), whose functions tell of their calls."""

        @functools.wraps(jit)
        def replaced(*args, **kwargs):
            function = jit(*args, **kwargs)
            if args or "fun" in kwargs:
                return Call(function, self)
            return lambda fun: Call(function(fun), self)

        return replaced

    def ended(self, call, ns, args, result):
        """An outermost call of one of them has ended, before the step is known."""
        if not self.session.may_begin():
            return
        leaves = self.jax.tree_util.tree_leaves
        taken = [one for one in leaves(args) if hasattr(one, "shape")]
        threaded = bool({id(one) for one in taken} & self.results.get(id(call), frozenset()))
        # The results are held so that no other array can have their ids.
        kept = [one for one in leaves(result) if hasattr(one, "shape")]
        self.results[id(call)] = frozenset(id(one) for one in kept)
        call.kept = kept
        fits = not {shapes.of(one) for one in taken if one.shape}.isdisjoint(shapes.of(one) for one in kept)
        chosen = self.candidates.add(call, ns, threaded, now(), fits)
        if chosen is not call:
            return
        candidates, self.candidates, self.results = self.candidates, Candidates(), {}
        for other in candidates.seen:
            other.kept = None
        self.chosen.choose(call, candidates.most(call) / candidates.calls(call))
        call.tells_steps()
        self.arguments = (args, kept)
        self.found = "each call of the jitted function {}".format(call.name)
        others = candidates.others(call)
        if others:
            self.found += ", of {} the one that {}".format(
                len(others) + 1, "is given its own results" if threaded else "takes most time"
            )
        self.facts_of_call = self._told(args, result)
        self.arguments = None
        if self.session.stepper is self:
            self.session.follows()
        else:
            self.session.begin(self, candidates.calls(call), **candidates.first(call))

    def is_open(self):
        """Whether an outermost call of another function than the chosen one is looked at: there is none yet, or no longer."""
        session = self.session
        if session.stepper is not self:
            return session.stepper is None and session.may_begin()
        last = self.chosen.now()
        if not self.chosen.is_over():
            return False
        if last is not None:
            last.tells_no_more()
        return True

    def _told(self, args, result):
        """State (what a call gives back in the same shapes), and the rest of its arguments, which is the batch."""
        leaves = self.jax.tree_util.tree_leaves
        back = [shapes.of(one) for one in leaves(result) if hasattr(one, "shape")]
        state, rest = [], []
        for one in leaves(args):
            if not hasattr(one, "shape"):
                continue
            text = shapes.of(one)
            if text in back:
                back.remove(text)
                state.append(one)
            else:
                rest.append(text)
        count = sum(functools.reduce(lambda a, b: a * int(b), one.shape, 1) for one in state)
        return {"parameters": count, "parameter arrays": shapes.told(state), "batch": rest[:16]}

    def compiled(self):
        count = getattr(getattr(self.chosen.now(), "_function", None), "_cache_size", None)
        return _COMPILED[0], _COMPILED[1], max(count() - 1, 0) if count else None

    def facts(self):
        facts = _Jax.facts(self)
        facts.update(self.facts_of_call)
        return facts


def _of_function(name):
    return property(lambda self: getattr(self.__dict__["_function"], name))


class Call(object):
    """A jitted function, which tells of its outermost calls and is the function itself in all else."""

    def __init__(self, function, stepper):
        self.__dict__["_function"] = function
        self.__dict__["_stepper"] = stepper
        functools.update_wrapper(self, function, updated=())
        self.__dict__["__wrapped__"] = getattr(function, "__wrapped__", function)

    @property
    def __class__(self):
        """The function's: `jax.export` takes what is an instance of it, or of the protocol that it fulfils, and nothing else."""
        return type(self.__dict__["_function"])

    # What the protocol asks for: from Python 3.12 on it is looked for without `__getattr__`, and JAX 0.4's functions have it each
    # for itself, not in their class.
    eval_shape, lower, trace = map(_of_function, ("eval_shape", "lower", "trace"))

    def __copy__(self):
        return Call(copy.copy(self._function), self._stepper)

    def __deepcopy__(self, known):
        return Call(copy.deepcopy(self._function, known), self._stepper)

    def __reduce_ex__(self, protocol):
        """Pickled it is the function alone, whoever reads it."""
        return self._function.__reduce_ex__(protocol)

    def __call__(self, *args, **kwargs):
        stepper = self._stepper
        outside = stepper.session.address is not None and not getattr(_DEPTH, "now", 0) and stepper.clean()
        if not outside or not stepper.is_open():
            return self._function(*args, **kwargs)
        _DEPTH.now = 1
        try:
            began = now()
            result = stepper.jax.block_until_ready(self._function(*args, **kwargs))
            took = now() - began
        finally:
            _DEPTH.now = 0
        stepper.ended(self, took, (args, kwargs), result)
        return result

    def tells_steps(self):
        """Its calls are steps from now on."""
        stepper = self._stepper
        self.__dict__["_needs"] = self._function, stepper.clean, stepper.chosen, stepper.session
        _KIND.__set__(self, Step)

    def tells_no_more(self):
        _KIND.__set__(self, Call)

    def __getattr__(self, name):
        return getattr(self.__dict__["_function"], name)

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self):
        return repr(self._function)

    @property
    def name(self):
        return "{}.{}".format(getattr(self, "__module__", "?"), getattr(self, "__qualname__", repr(self)))

    def __str__(self):
        return self.name


class Step(Call):
    """One whose calls are steps.

    A script's own work has driven all of this out of the processor's caches by its next step: each attribute that is looked up
    then costs a tenth of a microsecond, and on this object, which has a `__getattr__`, several times that. So it is one.
    """

    def __call__(self, *args, **kwargs):
        function, clean, chosen, session = self._needs
        if not clean():  # what it calls itself while it is traced
            return function(*args, **kwargs)
        result = function(*args, **kwargs)
        chosen.missed = 0
        session.tick(result)
        return result


def _clean(jax):
    """A function that tells whether no transformation is being traced; looked up once, for it is asked at every call."""
    core = sys.modules.get("jax._src.core")
    held, top = getattr(core, "trace_state_strong_ref", None), getattr(core, "eval_trace", None)
    if top is not None and getattr(held, "value", None) is top:
        # From JAX 0.4.36 on: the half of `trace_state_clean` that tells, for what is asked at every step costs a script of
        # short steps several microseconds a call.
        return lambda: held.value is top
    for where in ("jax._src.core", "jax.core"):  # the public name is deprecated, and before JAX 0.3.18 the only one
        asked = getattr(sys.modules.get(where), "trace_state_clean", None)
        if asked is not None:
            return asked
    return lambda: True
