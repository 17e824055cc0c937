"""Which operand sets the check after the timing writes over, and how work that was put off shows."""

import collections
import contextlib
import itertools
import os
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
from places import RUNNER


@pytest.fixture(autouse=True)
def child(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(RUNNER), *sys.path])


def test_sets_between_the_ends_are_drawn_anew_for_each_seed():
    from dlprof_child.recheck import drawn

    big = 8 << 20  # two of them are checked
    first = drawn(50, big, 1)
    assert len(first) == 2
    assert first == drawn(50, big, 1)
    assert {0, 49}.isdisjoint(at for seed in range(200) for at in drawn(50, big, seed))
    assert {at for seed in range(400) for at in drawn(50, big, seed)} == set(range(1, 49)), "each comes about"


@pytest.mark.parametrize(("count", "many"), [(1, 0), (2, 0), (3, 1), (50, 48), (500, 64)])
def test_of_small_operands_all_or_many_are_drawn_and_of_large_ones_one(count, many):
    from dlprof_child.recheck import drawn

    found = drawn(count, 100, 5)
    assert len(found) == len(set(found)) == many
    assert len(drawn(count, 1 << 30, 5)) == min(many, 1)


class Backend:
    """Calls that are finished at once, or once they are read."""

    recomputes = False

    def __init__(self, late):
        self._late = late

    def function(self, *values):
        def work():
            time.sleep(0.004)
            return values[0] * 2

        return work if self._late else work()

    def finish(self, result):
        pass

    def value(self, result):
        return result() if callable(result) else result

    def rewrite(self, operand, value):
        raise AssertionError("NumPy arrays are written over in place")


@pytest.mark.parametrize("late", [False, True])
def test_a_call_that_waits_until_it_is_read_sees_the_operands_that_came_later(late):
    from dlprof_child import put_off, recheck

    class Item:
        creates, task = False, {}

    backend = Backend(late)
    sets = [(np.ones(4),) for _ in range(5)]
    fresh = [(np.arange(4.0) + at,) for at in range(5)]
    found = recheck.operator(backend, Item, backend.function, sets, fresh, [1, 3, 2])
    right = [np.array_equal(value, 2 * new[0]) for value, new in zip(found, fresh, strict=True)]
    assert right == [True, True, not late, not late, not late]
    assert (put_off.of_operator(backend, backend.function, sets) > 1) is late


@pytest.mark.parametrize("in_place", [False, True])
def test_all_operand_sets_are_called_in_their_order_once_those_in_between_have_new_values(in_place):
    """As a timed loop calls them, with no write and no reading in the way; of the results those in between are kept."""
    from dlprof_child import recheck

    class Item:
        creates, task = False, {"in_place": in_place}

    events = []

    class Watched(Backend):
        def finish(self, result):
            events.append("finish")

    def function(x):
        events.append((next(at for at, one in enumerate(sets) if one[0] is x), x[0]))
        if not in_place:
            return x * 2
        x *= 2
        return None

    sets = [(np.full(4, -1.0),) for _ in range(6)]
    fresh = [(np.full(4, 10.0 + at),) for at in range(4)]
    found = recheck.operator(Watched(False), Item, function, sets, fresh, [1, 3])
    assert [value[0] for value in found] == [20, 22, 24, 26]
    ends = (20.0, 22.0) if in_place else (10.0, 11.0)  # what is written in place stands there
    assert events[:4] == [(0, 10.0), "finish", (5, 11.0), "finish"]
    between = [(1, 12.0), (2, -1.0), (3, 13.0), (4, -1.0)]
    assert events[4:] == ["finish", (0, ends[0]), *between, (5, ends[1]), "finish"]


class Waits(Backend):
    """Reads that take long at first: by the clock alone, as where other processes have the processor, or computing."""

    def __init__(self, reads, busy):
        super().__init__(False)
        self._reads, self._busy, self.tries = reads, busy, 0

    def finish(self, result):
        self.tries += 1

    def value(self, result):
        if self.tries <= self._reads:
            until = time.process_time() + 0.004
            while self._busy and time.process_time() < until:
                pass
            time.sleep(0 if self._busy else 0.004)
        return result


@pytest.mark.parametrize(
    ("reads", "busy", "tries", "late"), [(7, False, 8, False), (99, False, 30, True), (99, True, 3, True)]
)
def test_what_waits_for_a_processor_while_it_is_read_was_not_put_off(reads, busy, tries, late):
    from dlprof_child import put_off

    backend = Waits(reads, busy)
    share = put_off.of_operator(backend, lambda one: one, [(np.ones(4),) for _ in range(2)])
    assert (share > 0.5) is late
    assert backend.tries == tries


class Clocks:
    """The machine's clocks, and what moves them: threads compute, or wait for a processor or for something else."""

    def __init__(self, monkeypatch, told=True):
        from dlprof_child import clock, put_off

        self.now = self.spent = self.mine = self.others = 0
        monkeypatch.setattr(clock, "wall_ns", lambda: self.now)
        monkeypatch.setattr(clock, "cpu_ns", lambda: self.spent)
        monkeypatch.setattr(clock, "waited_ns", lambda thread=None: self.mine if told else None)
        monkeypatch.setattr(put_off, "others_waited_ns", lambda: {"7": self.others} if told else None)

    def take(self, ms, computes=False, mine=False, others=False):
        ns = int(ms * 1e6)
        self.now += ns
        self.spent += ns * computes
        self.mine += ns * mine
        self.others += ns * others


class Timed(Backend):
    """Calls and readings that take what is given, in the order of the tries."""

    def __init__(self, clocks, calls, reads):
        super().__init__(False)
        self._clocks, self._calls, self._reads, self.tries = clocks, calls, itertools.cycle(reads), 0

    def function(self, *values):
        self._clocks.take(1.0, **self._calls)
        return 0.0

    def finish(self, result):
        self.tries += 1

    def value(self, result):
        ms, why = next(self._reads)
        self._clocks.take(ms, **why)
        return result


WAITS, BEHIND, COMPUTES, ELSEWHERE = {"mine": True}, {"others": True}, {"computes": True}, {}


@pytest.mark.parametrize(
    ("reads", "share", "tries"),
    [
        ([(20.0, WAITS)], 0.0, 1),  # for a processor, in each try: nothing was put off
        ([(20.0, BEHIND)] * 5 + [(0.1, COMPUTES)], 0.0, 6),
        ([(20.0, BEHIND)], None, 30),
        ([(20.0, COMPUTES)], 19.9, 3),
        ([(20.0, ELSEWHERE)], 19.9, 30),  # by a GPU, or another process
        ([(20.0, ELSEWHERE), (20.0, BEHIND)], 19.9, 30),
        ([(20.0, ELSEWHERE), (20.0, BEHIND), (20.0, BEHIND)], None, 30),
        ([(20.0, WAITS), (20.0, COMPUTES)], 0.0, 1),
    ],
)
def test_a_machine_that_is_busy_with_other_programs_makes_no_work_that_was_put_off(monkeypatch, reads, share, tries):
    from dlprof_child import put_off

    backend = Timed(Clocks(monkeypatch), COMPUTES, reads)
    found = put_off.of_operator(backend, backend.function, [(0.0,)])
    assert found == (None if share is None else pytest.approx(share))
    assert backend.tries == tries


def test_work_that_was_put_off_is_found_on_a_busy_machine_too(monkeypatch):
    from dlprof_child import put_off

    backend = Timed(Clocks(monkeypatch), COMPUTES, [(200.0, WAITS), (20.0, COMPUTES)])
    assert put_off.of_operator(backend, backend.function, [(0.0,), (0.0,)]) == pytest.approx(9.9)
    assert backend.tries == 3


def test_values_that_take_memory_that_is_new_to_the_process_were_not_put_off(monkeypatch):
    from dlprof_child import put_off

    clocks, alive = Clocks(monkeypatch), []

    class Copies(Timed):
        def value(self, result):
            clocks.take(20.0 if any(one() is not None for one in alive[:-1]) else 0.1, computes=True)
            copy = np.ones(1 << 16)
            alive.append(weakref.ref(copy))
            return copy

    backend = Copies(clocks, COMPUTES, [(0.0, COMPUTES)])
    assert put_off.of_operator(backend, backend.function, [(0.0,)] * 9) == 0.0


@pytest.mark.parametrize(("why", "share"), [(WAITS, None), (ELSEWHERE, None), (COMPUTES, 19.9)])
def test_where_the_system_does_not_tell_who_waits_cpu_time_alone_is_evidence(monkeypatch, why, share):
    from dlprof_child import put_off

    backend = Timed(Clocks(monkeypatch, told=False), COMPUTES, [(20.0, why)])
    found = put_off.of_operator(backend, backend.function, [(0.0,)])
    assert found == (None if share is None else pytest.approx(share))


def test_what_a_thread_waits_before_its_clock_starts_is_not_taken_off_its_own_time(monkeypatch):
    """Else a busy machine would make reading short that computes."""
    from dlprof_child import clock

    waits = iter([0, 7, 7, 7, 7, 12, 12, 12])  # between the first two, and between the two before the clock stops
    monkeypatch.setattr(clock, "waited_ns", lambda: next(waits))
    monkeypatch.setattr(clock, "wall_ns", iter([0, 100, 120, 150, 160]).__next__)
    with clock.OwnStopwatch() as own:
        pass
    assert own.wall == 160 - 120 - (12 - 7)


def test_what_a_thread_waits_for_a_processor_is_not_in_its_own_time():
    """While a process beside it has the same processor."""
    from dlprof_child.clock import OwnStopwatch, Stopwatch, others_waited_ns, waited_ns

    if waited_ns() is None:
        pytest.skip("the system does not tell")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    beside = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        before = waited_ns()
        with Stopwatch() as whole, OwnStopwatch() as own:
            while waited_ns() - before < 20e6:
                pass
    finally:
        beside.kill()
        beside.wait()
        os.sched_setaffinity(0, allowed)
    assert own.wall <= whole.wall - 15e6
    assert others_waited_ns() is not None


def test_a_result_in_the_operands_own_memory_is_not_taken_for_work_that_was_put_off():
    from dlprof_child import recheck

    class Item:
        creates, task = False, {}

    sets = [(np.ones((2, 2)),) for _ in range(3)]
    fresh = [(np.arange(4.0).reshape(2, 2) + at,) for at in range(3)]
    found = recheck.operator(Backend(False), Item, lambda x: x.reshape(-1), sets, fresh, [1])
    np.testing.assert_array_equal(found[2], fresh[2][0].reshape(-1))


@pytest.mark.parametrize(("shape", "kept"), [((), 1), ((3, 5), 15), ((100, 100), 3334)])
def test_parts_of_a_result_are_spread_over_all_of_it(shape, kept):
    from dlprof_child.recheck import thin

    assert len(thin(np.zeros(shape))) == kept


class Passes:
    """A network whose passes take a while, or no time for images that it has seen so many times; 0 for never."""

    def __init__(self, after):
        self._after, self._seen = after, collections.Counter()

    def batch(self, images, labels):
        return images, labels

    def infer(self, x):
        if not (self._after and self._seen[x.tobytes()] >= self._after):
            time.sleep(0.002)
        self._seen[x.tobytes()] += 1

    def sync(self, handle):
        pass


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_passes_over_images_that_were_seen_before_save_time_only_if_they_are_not_made(after):
    from dlprof_child import put_off

    random = np.random.RandomState(1)
    share = put_off.of_seen(Passes(after), lambda: list(random.normal(size=(6, 4))))
    assert (share > 0.5) is bool(after)


def test_a_busy_machine_is_asked_as_often_as_it_takes_with_new_images_each_time(monkeypatch):
    """Where the clock alone says that work was put off there are more tries than where CPU time says so."""
    from dlprof_child import put_off, replay

    class Feed:
        def train_indices(self, step):
            return np.arange(step, step + 4)

        def batch(self, rows):
            return rows.reshape(4, 1).astype(np.float32), rows

    class Net(Passes):
        def numpy(self, handle):
            return np.zeros(4)

    asked = []

    def of_seen(_, new_images):
        asked.extend(np.stack(new_images()) for _ in range(put_off.PATIENT))
        return 0.0

    monkeypatch.setattr(put_off, "of_seen", of_seen)
    monkeypatch.setattr(put_off, "of_passes", lambda *_: 0.0)
    assert replay._Passes(Net(0), {}, 5, Feed()).times() == (0.0, 0.0)
    assert len({images.tobytes() for images in asked}) == put_off.PATIENT


@pytest.mark.parametrize("memory", [0, 1, 3])
def test_operands_whose_values_were_seen_before_save_time_only_if_calls_are_not_made(memory):
    """memory: how often values are computed before their result is known; 0 for always."""
    from dlprof_child import put_off, recheck

    seen, numbers = collections.Counter(), iter(range(10000))

    def function(values):
        if not (memory and seen[values.tobytes()] >= memory):
            time.sleep(0.001)
            sum(range(20000))
        seen[values.tobytes()] += 1

    sets = [(np.zeros(3),) for _ in range(2)]
    known = [recheck.contents(Backend(False), one) for one in sets]

    def write(values):
        return [recheck.rewritten(Backend(False), one, new) for one, new in zip(sets, values, strict=True)]

    share = put_off.of_known(
        Backend(False), function, write, known, lambda: [(np.full(3, next(numbers)),) for _ in sets]
    )
    assert (share > 0.5) is bool(memory)
    np.testing.assert_array_equal(sets[0][0], np.zeros(3), "what was timed stands there again")


def test_contents_of_operands_are_copies_as_a_call_takes_them():
    from dlprof_child import recheck

    array, plain, row = np.arange(3.0), [1.0, 2.0], [np.arange(2.0)]
    kept = recheck.contents(Backend(False), (array, plain, row))
    recheck.rewritten(Backend(False), (array, plain, row), (np.zeros(3), [3.0, 4.0], [np.ones(2)]))
    assert (array.tolist(), plain, row[0].tolist()) == ([0, 0, 0], [3.0, 4.0], [1, 1])
    recheck.rewritten(Backend(False), (array, plain, row), kept)
    assert (array.tolist(), plain, row[0].tolist()) == ([0, 1, 2], [1.0, 2.0], [0, 1])


def test_a_batch_that_is_altered_holds_other_examples_while_that_lasts(tmp_path):
    from dlprof_child.feed import Feed

    random = np.random.RandomState(1)
    arrays = {
        "images": random.randint(0, 256, (40, 3, 3)).astype(np.uint8),
        "labels": np.arange(40) % 10,
        "train": np.arange(40).reshape(1, 40),
    }
    for name, value in arrays.items():
        np.save(tmp_path / (name + ".npy"), value)
    feed = Feed({name: str(tmp_path / (name + ".npy")) for name in arrays}, {}, 8)
    (gather,) = feed.train(6, 1)  # the second batch of the second epoch
    images, labels = gather()
    with feed.altered(3, 6):
        others, their_labels = gather()
        untouched = [one() for one in feed.train(2, 3)]
    with feed.altered(3, 6, apart=False):
        seen, their_own = gather()
    known = {
        tuple(one.ravel()): label
        for one, label in zip(arrays["images"].astype(np.float32), arrays["labels"], strict=True)
    }
    assert [known[tuple(one.ravel())] for one in seen] == their_own.tolist()
    with feed.altered(3, 5, 2):
        both = [one()[0] for one in feed.train(5, 2)]
    assert not np.any(np.all(images == others, axis=(1, 2, 3)))
    assert np.mean(labels == their_labels) < 0.5
    for seen, one in zip(both, feed.train(5, 2), strict=True):
        assert np.mean(np.all(seen == one()[0], axis=(1, 2, 3))) < 0.5, "one in forty is drawn as itself"
    np.testing.assert_array_equal(gather()[0], images)
    np.testing.assert_array_equal(gather()[1], labels)
    for (seen, _), one in zip(untouched, feed.train(2, 3), strict=True):
        np.testing.assert_array_equal(seen, one()[0])


def test_new_images_are_gathered_as_timed_ones_and_are_others_in_each_pass(tmp_path):
    from dlprof_child.feed import Feed

    pixels = np.random.RandomState(1).randint(0, 256, (40, 3, 3)).astype(np.uint8)
    arrays = {"images": pixels, "labels": np.arange(40), "train": np.arange(40).reshape(1, 40)}
    for name, value in arrays.items():
        np.save(tmp_path / (name + ".npy"), value)
    feed = Feed({name: str(tmp_path / (name + ".npy")) for name in arrays}, {"pad": 1, "scale": 255}, 8)
    timed, *_ = (gather() for gather in feed.infer(0, 1))
    first, second = (gather() for gather in feed.mixed(3, 2))
    assert first.shape == second.shape == timed.shape == (8, 5, 5, 1)
    assert not np.array_equal(first, second)
    known = {one.tobytes() for one in (pixels / np.float32(255)).astype(np.float32)}
    assert not known & {one[1:-1, 1:-1, 0].tobytes() for one in (*first, *second)}
    np.testing.assert_array_equal(first, next(iter(feed.mixed(3, 2)))())
    np.testing.assert_array_equal(feed._images, pixels)


class Trained:
    """A network of one parameter that each step moves by another way, or not at all where the number of steps taken is a multiple
    of `skipped`; 0 for never."""

    def __init__(self, skipped):
        self._skipped, self.steps, self._weight = skipped, 0, np.zeros(1)

    def train(self, batches, span):
        before = self.steps
        for number in batches:
            self.steps += 1
            if not self._skipped or self.steps % self._skipped:
                self._weight = self._weight + 1 + number**2
        return [None] * (self.steps - before)

    def sync(self, handle):
        pass

    def weights(self):
        return {"one/w": self._weight}

    def snapshot(self):
        return self._weight

    def restore(self, state):
        self._weight = state


class Still:
    """A feed whose batches are their numbers."""

    def altered(self, *_, **__):
        return contextlib.nullcontext()

    def train(self, first, count):
        return range(first, first + count)


@pytest.mark.parametrize("skipped", [0, *range(2, 22)])
def test_blocks_run_once_more_step_by_step_and_a_second_time_where_that_leads_elsewhere(skipped):
    """Whatever the period of what is left out, it is at other places in the steps one by one."""
    from dlprof_child.replay import GOING_ON, _Training

    net = Trained(skipped)
    arrays = _Training(net, None, {"one/w": np.zeros(1)}, 1, Still(), {}).going_on(0, 7, GOING_ON)
    apart = bool(arrays["run/singly/one/w@0"] != arrays["run/blocks/one/w"])
    assert apart is bool(skipped)
    assert ("run/singly/one/w@1" in arrays) is apart
    assert net.steps == (21 + 2 + 21 + 3 + 21 if apart else 21 + 2 + 21), "23 and 47 steps later"


def test_of_the_timed_bursts_one_of_each_item_is_kept_drawn_at_random():
    from dlprof_child.looks import Looks

    found = collections.Counter()
    for _ in range(400):
        net = Trained(0)
        looks = Looks(net, net.weights())
        for number in range(0, 50, 10):
            looks.before("train_block", number, 7)
            net.train(range(number, number + 7), None)
            looks.before("train_step_sync", number + 7, 3)
            net.train(range(number + 7, number + 10), None)
        kept = looks.take()
        assert looks.take() == [], "once alone"
        assert [(one.item, one.steps) for one in kept] == [("train_block", 7), ("train_step_sync", 3)]
        assert all(one.after["one/w"] - one.before["one/w"] == sum(1 + n**2 for n in steps(one)) for one in kept)
        found.update(one.first for one in kept)
    assert sorted(found) == [0, 7, 10, 17, 20, 27, 30, 37, 40, 47]
    assert min(found.values()) > 40, "80 each on the mean"


def steps(burst):
    return range(burst.first, burst.first + burst.steps)


def test_steps_that_are_no_timed_burst_end_the_one_before_and_large_networks_are_not_looked_at():
    from dlprof_child import looks as child

    net = Trained(0)
    looks = child.Looks(net, net.weights())
    looks.before("train_block", 0, 2)
    net.train(range(2), None)
    looks.end()
    net.train(range(2, 9), None)
    (burst,) = looks.take()
    assert burst.after["one/w"] == 1 + 2
    large = child.Looks(net, {"one/w": np.zeros(child.MOST_BYTES // 8 + 1)})
    large.before("train_block", 9, 2)
    assert large.take() == []


@pytest.mark.parametrize("skipped", [0, 2, 3, 5, 10, 15])
def test_timed_bursts_run_once_more_step_by_step_from_where_they_began(skipped):
    """One of them with steps left out in every so many, by a side that has taken many steps since."""
    from dlprof_child.looks import Looks
    from dlprof_child.replay import _Training

    net = Trained(skipped)
    looks = Looks(net, net.weights())
    for number in range(0, 60, 15):
        looks.before("train_block", number, 15)
        net.train(range(number, number + 15), None)
    arrays = _Training(net, None, {"one/w": np.zeros(1)}, 1, Still(), {}).once_more(looks.take(), 60)
    assert (arrays["run/singly/one/w@2"] != arrays["run/blocks/one/w@1"]) == bool(skipped)
    assert ("run/singly/one/w@3" in arrays) == bool(skipped)
