"""A network workload: its timed items, its parity arrays, and its epochs with the last one under the profiler."""

import os

import numpy as np

from . import layers as layer_list
from . import names, replay
from .backend import no_span
from .clock import Stopwatch
from .faults import Fault, Unsupported
from .feed import Feed
from .garbage import Collections
from .looks import Looks

REFERENCE_STEPS = 10  # untraced, synchronised steps on each side of the traced window, undone: what profiling costs
WARMUP_STEPS = 8  # measured: both frameworks are steady after at most 11 calls; restored afterwards
PARITY_STEPS = 3


class NetworkWork:
    """What the session asks of a workload of kind `network`. missing: items that cannot run; there are none."""

    missing = ()

    def __init__(self, request, backend, channel):
        self._request = request
        self._backend = backend
        self._channel = channel
        self._description = request["workload"]
        run = self._description["run"]
        self._feed = Feed(request["inputs"], self._description["data"], int(run["batch_size"]))
        self._block = int(run.get("block_steps", 5))
        with np.load(request["inputs"]["weights"]) as stored:
            self._weights = {name: stored[name] for name in stored.files}
        layer_list.check_weights(layer_list.resolve(self._description["model"]), self._weights)
        self._trains = self._description.get("task", "train") == "train"
        self.items = ("train_block", "train_step_sync", "infer_block") if self._trains else ("infer_block",)
        self._net = backend.network(self._description, self._weights)
        self._looks = Looks(self._net, self._weights)
        self._next = {"train": 0, "infer": 0}
        self._checked = 0  # training steps that were taken when the timed network was last checked, which sets it back
        self._initial = None
        self._traced = 0  # marked steps of the traced window
        self._collections = Collections(backend.span)

    def facts(self):
        """Parity facts: the network's own, and what the feed does."""
        facts = dict(self._net.facts())
        facts["parameter_arrays"] = len(self._weights)
        facts["parameters"] = int(sum(array.size for array in self._weights.values()))
        facts["batch_size"] = self._feed.batch_size
        facts["steps_per_epoch"] = self._feed.steps_per_epoch
        facts["images_dropped_per_epoch"] = self._feed.dropped_per_epoch
        return facts

    def close(self):
        """End what the network keeps running."""
        self._net.close()

    # serve

    def parity(self):
        """Arrays of the first batch from the initial weights, on a second network so that the timed one stays untouched.

        logits, loss, grad/<layer>/<w|b>; after/losses = losses of three training steps; after/<layer>/<w|b> = weights
        after three optimizer updates with given gradients. (Not those of the three steps: Adam divides a gradient by
        its own size, so where that is near rounding noise two correct sides differ by a whole learning rate.)
        """
        net = self._backend.network(self._description, self._weights)
        x, y = net.batch(*self._feed.batch(self._feed.train_indices(0)))
        logits, loss, gradients = net.gradients(x, y)
        arrays = {"logits": logits, "loss": np.asarray(loss)}
        arrays.update((names.array("grad", name), value) for name, value in gradients.items())
        state = net.snapshot()
        handles = net.train(self._feed.train(0, PARITY_STEPS), no_span)
        net.sync(handles[-1])
        arrays[names.array("after", "losses")] = np.array([float(net.numpy(handle)) for handle in handles])
        net.restore(state)
        random = np.random.RandomState(0)
        for _ in range(PARITY_STEPS):
            net.apply({n: random.normal(0, 0.01, w.shape).astype(np.float32) for n, w in sorted(self._weights.items())})
        arrays.update((names.array("after", name), value) for name, value in net.weights().items())
        net.close()
        return arrays

    def run(self, item, iterations, timed=False):
        """([wall_ns], [cpu_ns], [start_ns], units) of an item, each iteration synchronised at its end. timed: a burst of a round,
        before which the network is looked at if it trains."""
        if item not in self.items:
            raise Fault("no item '%s'" % item, "items: " + ", ".join(self.items))
        if self._initial is None and self._trains:
            self._initial = self._net.snapshot()
        units = 1 if item == "train_step_sync" else self._block
        if item != "infer_block":
            self._look(item, iterations * units if timed else 0)
        watches = [self._iteration(item) for _ in range(iterations)]
        return [t.wall for t in watches], [t.cpu for t in watches], [t.start for t in watches], units

    def _look(self, item, steps):
        if steps:
            self._looks.before(item, self._next["train"], steps)
        else:
            self._looks.end()

    def recheck(self, seed, steps, scales, brief=False):
        """What the timed network answers after the timing: see `replay.network`. steps: training steps to have taken since the
        last check, so that both sides have taken as many; what is missing is taken now."""
        bursts = self._looks.take()
        missing = steps - (self._next["train"] - self._checked)
        while self._initial is not None and missing > 0:
            count = min(missing, self._block)
            self._net.sync(self._net.train(self._feed.train(self._next["train"], count), no_span)[-1])
            self._next["train"] += count
            missing -= count
        taken, self._checked = self._next["train"] - self._checked, self._next["train"]
        timed = self._net, self._initial, self._weights, taken
        return replay.network(
            *timed, seed, self._feed, self._trains, self._block, self._next["train"], scales, bursts, brief
        )

    # a traced window after the timed rounds

    def open_window(self, directory, items, units):
        """Start the profiler for `units` steps of the network that was timed, first making ready what shows them all."""
        batch = self._feed.batch(self._feed.train_indices(self._next["train"]))
        self._net.prepare_trace("exact", units, batch, self._trains)
        self._backend.start_trace(directory, "exact", self._request["options"])
        self._collections.mark()

    def traced(self, item, count):
        """Wall times (ns) of `count` synchronised steps under the profiler, each in its marker, after one that settles."""
        first = self._take(count + 1)
        with self._backend.span(names.SETTLE):
            self._net.sync(self._steps(first, 1, no_span)[-1])
        walls = []
        for step in range(first + 1, first + 1 + count):
            with Stopwatch() as watch:
                self._marked_step(step, True)
            walls.append(watch.wall)
        self._traced += count
        return walls

    def unprofiled(self, item, count):
        """The same without the profiler and without markers: what profiling costs is the difference."""
        first, walls = self._take(count + 1), []
        for step in range(first, first + 1 + count):
            with Stopwatch() as watch:
                self._net.sync(self._steps(step, 1, no_span)[-1])
            walls.append(watch.wall)
        return walls[1:]

    def close_window(self):
        """Stop the profiler; returns (artefacts, window, {}) as `trace` states them in result.json."""
        self._collections.leave()
        artefacts = self._backend.stop_trace()
        expected = self._net.expected() if self._trains else {}
        return artefacts, {"steps": self._traced, "epoch": None, "expected": expected}, {}

    def _take(self, count):
        """The number of the next step, after which `count` are taken."""
        key = "train" if self._trains else "infer"
        first = self._next[key]
        self._next[key] += count
        return first

    def _iteration(self, item):
        if item == "infer_block":
            first = self._next["infer"]
            self._next["infer"] += self._block
            with Stopwatch() as watch:
                self._net.sync(self._infer(first, self._block, no_span)[-1])
            return watch
        count = 1 if item == "train_step_sync" else self._block
        first = self._next["train"]
        self._next["train"] += count
        with Stopwatch() as watch:
            self._net.sync(self._net.train(self._feed.train(first, count), no_span)[-1])
        return watch

    def _infer(self, first, count, span):
        """Forward passes over test batches; returns the handles of their logits."""
        handles = []
        for gather in self._feed.infer(first, count):
            with span(names.INPUT):
                x = self._net.batch(gather(), None)[0]
            with span(names.FORWARD):
                handles.append(self._net.infer(x))
        return handles

    def _steps(self, first, count, span):
        """What the workload's task makes of `count` steps: training, or forward passes alone."""
        if self._trains:
            return self._net.train(self._feed.train(first, count), span)
        return self._infer(first, count, span)

    # trace

    def trace(self, directory):
        """Run all epochs, the last one under the profiler; returns fields of result.json."""
        epochs = int(self._request.get("epochs", 1))
        steps = self._feed.steps_per_epoch
        if self._request.get("max_steps"):
            steps = min(steps, int(self._request["max_steps"]))
        first_call_ns, warmup_steps = self._warm_up() if epochs == 1 else (None, 0)
        records = []
        for epoch in range(1, epochs):
            record, first = self._plain_epoch(epoch, steps)
            first_call_ns = first if first_call_ns is None else first_call_ns
            records.append(self._finish(record, epochs))
        record, window, artefacts = self._traced_epoch(epochs, steps, directory)
        records.append(self._finish(record, epochs))
        return {
            "epochs": records,
            "window": window,
            "artefacts": artefacts,
            "first_call_ns": first_call_ns,
            "warmup_steps": warmup_steps,
        }

    def _warm_up(self):
        """Steps before a traced first epoch, undone afterwards: the trace shows the steady state from the same start."""
        self._channel.send({"event": "phase", "name": "warm-up"})
        state = self._net.snapshot()
        count = int(self._request["options"].get("warmup_steps", WARMUP_STEPS))
        with Stopwatch() as watch:
            self._net.sync(self._steps(0, 1, no_span)[-1])
        if count > 1:
            self._net.sync(self._steps(1, count - 1, no_span)[-1])
        self._net.restore(state)
        return watch.wall, max(1, count)

    def _plain_epoch(self, epoch, steps):
        """An untraced epoch; one synchronisation at its end, and one after the very first step to time the first call."""
        first = (epoch - 1) * self._feed.steps_per_epoch
        first_call_ns = None
        with Stopwatch() as watch:
            handles = []
            if epoch == 1:
                with Stopwatch() as first_watch:
                    handles += self._steps(first, 1, no_span)
                    self._net.sync(handles[-1])
                first_call_ns = first_watch.wall
            done = len(handles)
            if steps > done:
                handles += self._steps(first + done, steps - done, no_span)
            self._net.sync(handles[-1])
        return self._record(epoch, False, watch, handles), first_call_ns

    def _traced_epoch(self, epoch, steps, directory):
        exact = self._request.get("fidelity", "exact") == "exact"
        fidelity = "exact" if exact else "native"
        first = (epoch - 1) * self._feed.steps_per_epoch
        self._net.prepare_trace(fidelity, steps, self._feed.batch(self._feed.train_indices(first)), self._trains)
        self._channel.send({"event": "phase", "name": "traced epoch"})
        backend = self._backend
        untraced = self._reference(first)
        backend.start_trace(directory, fidelity, self._request["options"])
        self._collections.mark()
        with Stopwatch() as watch, backend.span(names.epoch_marker(epoch)):
            handles = self._traced_steps(first, steps, exact)
        self._collections.leave()
        artefacts = [{"kind": kind, "path": path} for kind, path in backend.stop_trace()]
        untraced += self._reference(first)
        window = {
            "steps": steps,
            "synchronised": exact,
            "wall_ns": watch.wall,
            "epoch": epoch,
            "expected": self._net.expected() if exact and self._trains else {},
            "untraced_step_ns": untraced,
        }
        return self._record(epoch, True, watch, handles), window, artefacts

    def _reference(self, first):
        """Wall times (ns) of synchronised steps without the profiler, in this process and at this moment; undone.

        Against the lockstep trials, minutes away, the cost of profiling would drown in the machine's drift.
        """
        state = self._net.snapshot()
        times = []
        for step in range(first, first + REFERENCE_STEPS + 1):
            with Stopwatch() as watch:
                self._net.sync(self._steps(step, 1, no_span)[-1])
            times.append(watch.wall)
        self._net.restore(state)
        return times[1:]  # the first pays for the snapshot and for the profiler's start or stop

    def _traced_steps(self, first, steps, exact):
        handles = []
        for step in range(first, first + steps):
            handles += self._marked_step(step, exact)
        with self._backend.span(names.SYNC):
            self._net.sync(handles[-1])
        return handles

    def _marked_step(self, step, exact):
        """One step in its marker; returns its handles. exact: it ends synchronised, inside the marker."""
        backend = self._backend
        with backend.span(names.step_marker(step, exact), step=step):
            handles = self._steps(step, 1, backend.span)
            if exact:
                with backend.span(names.SYNC):
                    self._net.sync(handles[-1])
        return handles

    def _record(self, epoch, traced, watch, handles):
        losses = [float(self._net.numpy(handle)) for handle in handles] if self._trains else []
        return {
            "epoch": epoch,
            "traced": traced,
            "steps": len(handles),
            "wall_ns": watch.wall,
            "cpu_ns": watch.cpu,
            "train_loss": float(np.mean(losses)) if losses else None,
            "losses": losses,
        }

    def _finish(self, record, epochs):
        """Add the accuracies (outside the timing), report the epoch to the parent."""
        for name in ("validation", "test"):
            if self._feed.has(name):
                record[name + "_accuracy"] = self._accuracy(name)
        event = {key: value for key, value in record.items() if key != "losses"}
        event.update(event="epoch", of=epochs)
        self._channel.send(event)
        if os.getppid() == 1:
            raise Unsupported("the parent process ended")
        return record

    def _accuracy(self, name):
        right = total = 0
        for images, labels in self._feed.evaluation(name):
            logits = self._net.numpy(self._net.infer(self._net.batch(images, None)[0]))
            # one logit: its sign decides between two classes
            guess = (logits[:, 0] > 0) if logits.shape[1] == 1 else np.argmax(logits, axis=1)
            right += int(np.sum(guess == labels))
            total += len(labels)
        return right / float(total)
