"""An op workload: tasks × sizes × calls as timed items, their parity arrays, and a traced window with a marker an item.

One iteration of an item is `count` calls on `count` different operand sets with one synchronisation at the end.
"""

import itertools

import numpy as np

from . import names, operands, put_off, recheck
from .clock import Stopwatch
from .faults import OTHER_CALL, Fault, Unsupported
from .garbage import Collections
from .op_items import items_of

WARMUP_CALLS = 3


class OpWork:
    """What the session asks of a workload of kind `op`. missing: item -> why it cannot run, as far as that has shown."""

    def __init__(self, request, backend, channel):
        self._request = request
        self._backend = backend
        self._channel = channel
        run = request["workload"]["run"]
        self._count = int(run["count"])
        self._dtype = run["dtype"]
        self._items = {item.name: item for item in items_of(request["workload"], request["framework"])}
        for item in self._items.values():
            operands.check_memory(item.task, item.size, self._count, self._dtype)
        self.missing = {}
        self._functions = {}
        self._collections = Collections(backend.span)
        self._window = {}  # item -> [functions of the traced window, calls of it so far]
        self._operands = operands.Cache()
        self.items = tuple(self._items)

    def facts(self):
        """Parity facts."""
        calls = {}
        for item in self._items.values():
            calls.setdefault(item.label, item.call["call"])
        return {
            "workload": sorted({item.task["name"] for item in self._items.values()}),
            "items": sorted(self._items),
            "dtype": [self._dtype],
            "count": self._count,
            "calls": calls,
            "execution": {name: self._stated(self._execution, item) for name, item in self._some()},
            "input_aliased": {name: self._stated(self._aliased, item) for name, item in self._some() if item.creates},
            "synchronisation": self._backend.synchronisation,
        }

    def _stated(self, fact, item):
        try:
            return fact(item)
        except Unsupported as error:
            return "none: " + error.message

    def _execution(self, item):
        return self._backend.execution(item.call, item.creates)

    def _some(self):
        """One item of each task."""
        seen = {}
        for item in self._items.values():
            seen.setdefault(item.task["name"], item)
        return sorted(seen.items())

    def _aliased(self, item):
        """Whether the tensor that a creation call makes shares memory with the NumPy array it was given."""
        if item.task["operands"][0]["as"] != "numpy":
            return False
        source = operands.make(item.task, item.size, 1, self._dtype, 0)[0]
        made = self._function(item)(*source)
        before = np.array(self._backend.value(made)).reshape(-1)[0]
        source[0].flags.writeable = True  # from_numpy of MXNet takes the right to write away
        source[0].reshape(-1)[0] += 1
        return bool(self._backend.value(made).reshape(-1)[0] != before)

    def _function(self, item):
        if item.name not in self._functions:
            self._functions[item.name] = self._compile(item)
        return self._functions[item.name]

    def _compile(self, item):
        names = [operand["name"] for operand in item.task["operands"]]
        return self._backend.compile_call(item.call, names, item.creates, {"n": item.size, "dtype": self._dtype})

    def _operand_sets(self, item):
        """The item's operand sets, as tensors on the device unless the call itself is to make the tensor."""

        def build():
            sets = operands.make(item.task, item.size, self._count, self._dtype, int(self._request["seed"]))
            if not item.creates:
                sets = [self._tensors(item, values) for values in sets]
            self._backend.finish(None)
            return sets

        size = operands.bytes_of(item.task, item.size, self._count, self._dtype)
        return self._operands.get(item.name, size, build)

    def _tensors(self, item, values):
        """An operand set on the device, in the layout that the call wants."""
        made = []
        laid_out = self._laid_out(item, values)
        for position, (operand, value) in enumerate(zip(item.task["operands"], laid_out)):
            call = dict(item.call, gradient=position in item.call["gradient"])
            variable = operand.get("as") == "variable"
            made.append(self._backend.variable(value, call) if variable else self._backend.tensor(value, call))
        return tuple(made)

    def close(self):
        """Nothing keeps running."""

    def parity(self):
        """out/<item>: the result on the first operand set (of a call that changes its first operand: that one afterwards);
        grad/<item>: d(sum of the result)/d(operand). Several gradients: grad/<item> by <operand>. Layouts as described."""
        arrays = {}
        for name in self._items:
            arrays.update(self._unless_missing(self._parity_of, name) or {})
        return self._some_of(arrays)

    def _unless_missing(self, function, name):
        """function(name), or None where the item turns out to be unsupported, which is noted."""
        try:
            return function(name)
        except Unsupported as error:
            self.missing[name] = error.message
            return None

    def _some_of(self, found):
        """What was found; raises Unsupported where no item at all can run."""
        if not found:
            raise Unsupported(next(iter(self.missing.values())), "choose another mode or version")
        return found

    def _parity_of(self, name):
        item = self._items[name]
        values = self._operand_sets(item)[0]
        result = self._first_call(item, self._compile(item), values)
        if item.call["gradient"]:
            return self._gradients("out", item, [self._backend.value(one) for one in result])
        result = self._backend.value(values[0] if item.task.get("in_place") else result)
        result = operands.described(result, item.task.get("result_is"), item.call.get("layout"))
        # MXNet's mx.nd has no zero-dimensional arrays: a scalar comes out as (1,)
        arrays = {names.array("out", name): result.reshape(()) if result.size == 1 else result}
        if not item.creates and item.task.get("gradient", not item.task.get("in_place")):
            found = self._backend.gradient(self._compile(item), values, item.by)
            arrays.update(self._gradients("grad", item, found))
        return arrays

    @staticmethod
    def _gradients(kind, item, found, number=None):
        """{array name: gradient} in the described layout."""
        by = [item.task["operands"][position] for position in item.by]
        return {
            names.array(kind, item.name, operand["name"] if len(by) > 1 else "", number): operands.described(
                gradient, operand.get("is"), item.call.get("layout")
            )
            for operand, gradient in zip(by, found)
        }

    def _first_call(self, item, function, values):
        try:
            return function(*values)
        except (AttributeError, NotImplementedError) as error:
            raise Unsupported(
                "`%s` does not work in %s: %s" % (item.call["call"], self._request["framework"], error),
                OTHER_CALL,
            ) from error

    def run(self, name, iterations, timed=False):  # operators are looked at once the timing is over
        """([wall_ns], [cpu_ns], [start_ns], count) of an item."""
        if name not in self._items:
            raise Fault("no item '%s'" % name, "items: " + ", ".join(self._items))
        item = self._items[name]
        function, sets = self._function(item), self._operand_sets(item)
        watches = []
        for _ in range(iterations):
            with Stopwatch() as watch:
                self._loop(function, sets)
            watches.append(watch)
        return [t.wall for t in watches], [t.cpu for t in watches], [t.start for t in watches], self._count

    def recheck(self, seed, steps, scales, brief=False):
        """({timed/<item>@<set>: result}, {item: share of its time that reading the results took}, {item: share of its time that
        known operands save}) of the timed functions.

        On operands that are written over those which were timed: see `recheck.operator`. brief: nothing at all, for a traced
        window calls functions of its own, and those that were timed have been asked before it.
        """
        arrays, deferred, saved = {}, {}, {}
        if brief:
            return arrays, deferred, saved
        for name, item in self._items.items():
            if name in self._functions and name not in self.missing:
                if not self._changes(item):
                    saved[name] = self._saved_by(item, seed)
                found, deferred[name] = self._recheck_of(item, seed)
                arrays.update(found)
        return arrays, deferred, saved

    @staticmethod
    def _changes(item):
        """Whether a call changes an operand, so that no values are known to it for long; what assigning them costs is in the next
        call then (TensorFlow's variables copy what they share)."""
        return item.task.get("in_place") or any(one.get("as") == "variable" for one in item.task["operands"])

    def _saved_by(self, item, seed):
        """Share of its time that operands save whose values were timed: of some sets between the first and the last."""
        backend, sets = self._backend, self._operand_sets(item)
        size = operands.bytes_of(item.task, item.size, 1, self._dtype)
        some = [sets[at] for at in recheck.drawn(len(sets), size, seed + 1, recheck.KNOWN_BYTES)] or sets[:1]
        seeds = itertools.count(1000003 * (seed + 1))

        def write(values):
            return [recheck.rewritten(backend, one, new) for one, new in zip(some, values)]

        def new():
            return self._made(item, len(some), next(seeds))

        known = [recheck.contents(backend, values) for values in some]
        return put_off.of_known(backend, self._function(item), write, known, new)

    def _made(self, item, count, seed):
        """Values of operand sets in the layout that the call wants; a call that creates its tensors lays out nothing."""
        made = operands.make(item.task, item.size, count, self._dtype, seed)
        return made if item.creates else [self._laid_out(item, values) for values in made]

    def _recheck_of(self, item, seed):
        """The results on the first and the last operand set, whole, and parts of those on some in between, in one array."""
        function, sets = self._function(item), self._operand_sets(item)
        positions = recheck.drawn(len(sets), operands.bytes_of(item.task, item.size, 1, self._dtype), seed)
        made = self._made(item, 2 + len(positions), seed)
        first, last, *between = recheck.operator(self._backend, item, function, sets, made, positions)
        arrays, parts = {}, {}
        for number, value in enumerate((first, last)):
            arrays.update(self._timed(item, value, number))
        for value in between:
            for name, one in self._timed(item, value, 2).items():
                parts.setdefault(name, []).append(recheck.thin(one))
        arrays.update((name, np.concatenate(some)) for name, some in parts.items())
        return arrays, 0.0 if self._backend.recomputes else put_off.of_operator(self._backend, function, sets)

    def _timed(self, item, value, number):
        """{array name: value} of a result in the described layout."""
        if item.call["gradient"]:
            return self._gradients("timed", item, value, number)
        value = operands.described(value, item.task.get("result_is"), item.call.get("layout"))
        return {names.array("timed", item.name, number=number): value.reshape(()) if value.size == 1 else value}

    @staticmethod
    def _laid_out(item, values):
        pairs = zip(item.task["operands"], values)
        return tuple(operands.laid_out(value, one.get("is"), item.call.get("layout")) for one, value in pairs)

    def _loop(self, function, sets):
        result = None
        for values in sets:
            result = function(*values)
        self._backend.finish(result)

    def trace(self, directory):
        """All items under the profiler, each call in its own marker; in `exact` each call ends synchronised."""
        backend, channel = self._backend, self._channel
        exact = self._request.get("fidelity", "exact") == "exact"
        count = min(self._count, int(self._request.get("max_steps") or self._count))
        channel.send({"event": "phase", "name": "warm-up"})
        first_call_ns, functions = self._warm_up(count)
        channel.send({"event": "phase", "name": "traced items"})
        untraced = self._reference(functions, count)
        backend.start_trace(directory, "exact" if exact else "native", self._request["options"])
        self._collections.mark()
        with Stopwatch() as watch, backend.span(names.epoch_marker(1)):
            for name, item in self._items.items():
                if name in functions:
                    self._traced_item(name, functions[name], self._operand_sets(item)[:count], exact)
        self._collections.leave()
        artefacts = [{"kind": kind, "path": path} for kind, path in backend.stop_trace()]
        untraced += self._reference(functions, count)
        return {
            "epochs": [],
            "window": {
                "steps": count * len(functions),
                "synchronised": exact,
                "wall_ns": watch.wall,
                "epoch": None,
                "expected": {},
                "untraced_step_ns": untraced,
            },
            "artefacts": artefacts,
            "first_call_ns": first_call_ns,
            "warmup_steps": WARMUP_CALLS,
            "left_out": self.missing,
        }

    # a traced window after the timed rounds

    def open_window(self, directory, items, units):
        """Start the profiler for `units` calls of each item, by functions of their own (Backend.copies_for), called before."""
        for name in items:
            item = self._items[name]
            made = [self._warm(item, []) for _ in range(self._backend.copies_for(units, item.creates))]
            self._window[name] = {"functions": made, "turn": -(-units // len(made)), "calls": 0, "marked": 0}
        self._backend.start_trace(directory, "exact", self._request["options"])
        self._collections.mark()

    def traced(self, name, count):
        """Wall times (ns) of `count` synchronised calls under the profiler, each in its marker, after one that settles."""
        with self._backend.span(names.SETTLE):
            self._call_traced(name)
        walls = []
        for _ in range(count):
            number = self._window[name]["marked"]
            self._window[name]["marked"] += 1
            with Stopwatch() as watch, self._backend.span(names.item_marker(name, number, True), step=number):
                self._call_traced(name)
            walls.append(watch.wall)
        return walls

    def _call_traced(self, name):
        state, sets = self._window[name], self._operand_sets(self._items[name])
        turn = min(state["calls"] // state["turn"], len(state["functions"]) - 1)
        values = sets[state["calls"] % len(sets)]
        state["calls"] += 1
        self._backend.finish(state["functions"][turn](*values))

    def unprofiled(self, name, count):
        """The same without the profiler, by the function that was timed: what profiling costs is the difference."""
        item = self._items[name]
        function, sets, walls = self._function(item), self._operand_sets(item), []
        for number in range(count + 1):
            values = sets[number % len(sets)]
            with Stopwatch() as watch:
                self._backend.finish(function(*values))
            walls.append(watch.wall)
        return walls[1:]

    def close_window(self):
        """Stop the profiler; returns (artefacts, window, items left out) as `trace` states them in result.json."""
        self._collections.leave()
        artefacts = self._backend.stop_trace()
        marked = sum(state["marked"] for state in self._window.values())
        return artefacts, {"steps": marked, "epoch": None, "expected": {}}, dict(self.missing)

    def _reference(self, names, count):
        """Wall times (ns) of synchronised calls without the profiler, in this process and at this moment: what profiling costs.

        As many of each item as are traced, so that both are the same mixture, and by functions of their own: those traced
        must not have been called so often that the profiler leaves their kernels out (Backend.copies_for).
        """
        times = []
        for name in names:
            item = self._items[name]
            sets, function = self._operand_sets(item)[:count], self._function(item)
            self._backend.finish(function(*sets[0]))  # the first may compile
            for values in sets:
                with Stopwatch() as watch:
                    self._backend.finish(function(*values))
                times.append(watch.wall)
        return times

    def _warm_up(self, count):
        """(time of the very first call, {item: functions that take turns}), all called before."""
        times = []

        def warmed(name):
            item = self._items[name]
            return [self._warm(item, times) for _ in range(self._backend.copies_for(count, item.creates))]

        functions = {name: self._unless_missing(warmed, name) for name in self._items}
        return times[0] if times else None, self._some_of({name: made for name, made in functions.items() if made})

    def _warm(self, item, times):
        """A function of the item, called before; the calls' wall times are added to `times`."""
        function, values = self._compile(item), self._operand_sets(item)[0]
        for _ in range(WARMUP_CALLS):
            with Stopwatch() as watch:
                self._backend.finish(self._first_call(item, function, values))
            times.append(watch.wall)
        return function

    def _traced_item(self, name, functions, sets, exact):
        backend = self._backend
        turn = -(-len(sets) // len(functions))
        for number, values in enumerate(sets):
            with backend.span(names.item_marker(name, number, exact), step=number):
                result = functions[number // turn](*values)
                if exact:
                    backend.finish(result)
        backend.finish(result)
